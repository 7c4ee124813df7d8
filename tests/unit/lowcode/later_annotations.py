"""Declarations whose annotations are text, one of them imported for type checkers alone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar

from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Status, action, children, field, transition

if TYPE_CHECKING:
    from decimal import Decimal


class Row(Child):
    title: str = field(max_length=10)


class Later(Entity):
    class Stage(Status):
        OPEN = "open"
        DONE = "done"

    kind: ClassVar[str] = "later"
    date: date | None = field(default=None)
    stage: Stage = field(default=Stage.OPEN)
    rows: list[Row] = children(Row)

    done = transition(Stage.OPEN, to=Stage.DONE)

    @action
    def move(self, to: Stage, note: Annotated[str, field(max_length=5)] = "") -> None: ...


class Unreadable(Entity):
    amount: Decimal = field(precision=9, scale=2)

    @action
    def pay(self, amount: Decimal) -> None: ...
