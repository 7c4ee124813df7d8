"""Mistakes in declarations; raised together in ``Faults`` by ``ModelMeta.of`` and ``Catalog.build``."""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = ["DeclarationError", "Violation"]


class DeclarationError(PrefiqError):
    """A declaration is used in a way that cannot work, for example a class that is not an entity."""

    code: ClassVar[str] = "PFQ200"
    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix


class Violation(PrefiqError):
    """One rule that a declaration breaks; the rule's file stands in ``lowcode/verifiers/``.

    Args:
        rule: Name of the rule, for example ``"decimal_size"``.
        model: Qualified name, for example ``"projects.Project"``.
        field: Field, action or index that breaks it; empty for the model.
        problem: What is wrong, one sentence.
        fix: What to write instead.
    """

    code: ClassVar[str] = "PFQ201"
    exit_code: ClassVar[int] = 3

    def __init__(self, rule: str, model: str, field: str, problem: str, fix: str) -> None:
        self.rule = rule
        self.model = model
        self.field = field
        self.what = problem
        self.where = f"{model}.{field}" if field else model
        self.fix = fix
