"""What ``prefiq lowcode openapi`` and ``docs`` can refuse; the codes are PFQ867 to PFQ870."""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = ["ApiBroken", "ApiDocumentOld", "NoApiDocument", "PageOld"]


class ApiBroken(PrefiqError):
    """A client of the API that a file describes would fail with the API of now.

    Take the change back, or give clients the time and the notice that they need, and write the file again.

    Args:
        change: What a client can no longer rely on.
        file: The file.
    """

    code: ClassVar[str] = "PFQ867"
    exit_code: ClassVar[int] = 5
    fix = "take the change back, or tell the clients and write the file again"

    def __init__(self, change: str, file: str) -> None:
        self.change = change
        self.file = file
        self.what = f"The API breaks its clients: {change}"
        self.where = file


class ApiDocumentOld(PrefiqError):
    """A file describes another API than the application has.

    Args:
        file: The file.
    """

    code: ClassVar[str] = "PFQ868"
    exit_code: ClassVar[int] = 5
    what = "The file is not the API's document of now"

    def __init__(self, file: str) -> None:
        self.file = file
        self.where = file
        self.fix = f"prefiq lowcode openapi --out {file}"


class NoApiDocument(PrefiqError):
    """A file is there and holds no OpenAPI document in JSON; it is neither compared nor replaced.

    Args:
        file: The file.
        reason: What it is not.
    """

    code: ClassVar[str] = "PFQ869"
    exit_code: ClassVar[int] = 2
    fix = "name another file, or move this one away"

    def __init__(self, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        self.what = f"This is no OpenAPI document: {reason}"
        self.where = file


class PageOld(PrefiqError):
    """A module's reference page is not what the declarations of now give, or is missing.

    Args:
        file: The page.
    """

    code: ClassVar[str] = "PFQ870"
    exit_code: ClassVar[int] = 5
    what = "The page is not what the declarations say"
    fix = "prefiq lowcode docs writes it again; move a page away that somebody edited"

    def __init__(self, file: str) -> None:
        self.file = file
        self.where = file
