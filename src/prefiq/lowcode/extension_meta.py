"""``ExtensionMeta`` and ``tune``: what a module says of another module's model beside its own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import IndexSpec

if TYPE_CHECKING:
    from prefiq.lowcode.field import Bound

__all__ = ["ExtensionMeta", "Tuning", "tune"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What an extension changes of one field of its base; made by ``tune``."""

    label: str = ""
    help: str = ""
    default: Any = MISSING
    required: bool = False
    hidden: bool = False
    read_only: bool = False
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    gt: Any = None
    ge: Any = None
    lt: Any = None
    le: Any = None

    def given(self) -> dict[str, Any]:
        """The options that say something."""
        found: dict[str, Any] = {}
        for option in fields(self):
            value = getattr(self, option.name)
            if value is not option.default and value != "":
                found[option.name] = value
        return found


def tune(
    *,
    label: str = "",
    help: str = "",
    default: Any = MISSING,
    required: bool = False,
    hidden: bool = False,
    read_only: bool = False,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    gt: Bound | None = None,
    ge: Bound | None = None,
    lt: Bound | None = None,
    le: Bound | None = None,
) -> Tuning:
    """Change a field of the base: name it otherwise, ask for more, show less; never allow more.

    The table stays as it is: a row that was stored before may not meet what is asked now, and is asked for
    it with its next change.

    Args:
        label: For people.
        help: One sentence for people.
        default: Value of a new entity whose field has the value that it is made with.
        required: A value must be given, although the base does without.
        hidden: Never shown, taken, filtered or sorted in the API.
        read_only: Never taken from a request.
        min_length: Fewest code points; not below the base's.
        max_length: Most code points; not above the base's.
        pattern: Regular expression for the whole text; where the base has none.
        gt: Greater than; not below the base's limit.
        ge: At least; not below the base's.
        lt: Less than; not above the base's.
        le: At most; not above the base's.
    """
    return Tuning(
        label, help, default, required, hidden, read_only, min_length, max_length, pattern, gt, ge, lt, le
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionMeta:
    """Options of an extension, written as ``meta = ExtensionMeta(…)`` in its class.

    Args:
        tune: Field of the base → what changes of it.
        indexes: ``index("rate")`` and ``unique("number")`` over the extension's own fields.
    """

    tune: Mapping[str, Tuning] = field(default_factory=dict)
    indexes: Sequence[IndexSpec] = ()
