"""``field``, ``ref`` and ``children``: what a person writes behind ``=`` in a declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    Bound: TypeAlias = Decimal | float | date

__all__ = ["NOW", "FieldDecl", "OnDelete", "children", "field", "now", "ref"]

T = TypeVar("T")
C = TypeVar("C")
OnDelete = Literal["restrict", "cascade", "set_null"]
FieldValidator = Callable[[Any], None]

MISSING: Final = msgspec.UNSET


class _Now:
    """Marks a default that the bound ``IClock`` supplies when the entity is created."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "now"


NOW: Final = _Now()
now: Any = NOW
"""``field(default=now)``: the bound clock's time when the entity is created; None until then."""


@dataclass(frozen=True, slots=True)
class FieldDecl:
    """What ``field``, ``ref`` or ``children`` was given; read by ``ModelMeta.of``, by nobody else."""

    default: Any = MISSING
    default_factory: Callable[[], Any] | None = None
    text: bool = False
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    precision: int | None = None
    scale: int | None = None
    gt: Any = None
    ge: Any = None
    lt: Any = None
    le: Any = None
    unique: bool = False
    index: bool = False
    search: bool = False
    filter: bool | None = None
    sort: bool | None = None
    read_only: bool = False
    hidden: bool = False
    label: str = ""
    help: str = ""
    validators: tuple[FieldValidator, ...] = ()
    ref: Any = None
    on_delete: OnDelete = "restrict"
    child: Any = None


@overload
def field(
    *,
    default: T,
    text: bool = ...,
    min_length: int | None = ...,
    max_length: int | None = ...,
    pattern: str | None = ...,
    precision: int | None = ...,
    scale: int | None = ...,
    gt: Bound | None = ...,
    ge: Bound | None = ...,
    lt: Bound | None = ...,
    le: Bound | None = ...,
    unique: bool = ...,
    index: bool = ...,
    search: bool = ...,
    filter: bool | None = ...,
    sort: bool | None = ...,
    read_only: bool = ...,
    hidden: bool = ...,
    label: str = ...,
    help: str = ...,
    validators: Sequence[FieldValidator] = ...,
) -> T: ...
@overload
def field(
    *,
    default_factory: Callable[[], T],
    text: bool = ...,
    min_length: int | None = ...,
    max_length: int | None = ...,
    pattern: str | None = ...,
    precision: int | None = ...,
    scale: int | None = ...,
    gt: Bound | None = ...,
    ge: Bound | None = ...,
    lt: Bound | None = ...,
    le: Bound | None = ...,
    unique: bool = ...,
    index: bool = ...,
    search: bool = ...,
    filter: bool | None = ...,
    sort: bool | None = ...,
    read_only: bool = ...,
    hidden: bool = ...,
    label: str = ...,
    help: str = ...,
    validators: Sequence[FieldValidator] = ...,
) -> T: ...
@overload
def field(
    *,
    text: bool = ...,
    min_length: int | None = ...,
    max_length: int | None = ...,
    pattern: str | None = ...,
    precision: int | None = ...,
    scale: int | None = ...,
    gt: Bound | None = ...,
    ge: Bound | None = ...,
    lt: Bound | None = ...,
    le: Bound | None = ...,
    unique: bool = ...,
    index: bool = ...,
    search: bool = ...,
    filter: bool | None = ...,
    sort: bool | None = ...,
    read_only: bool = ...,
    hidden: bool = ...,
    label: str = ...,
    help: str = ...,
    validators: Sequence[FieldValidator] = ...,
) -> Any: ...
def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    text: bool = False,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    precision: int | None = None,
    scale: int | None = None,
    gt: Bound | None = None,
    ge: Bound | None = None,
    lt: Bound | None = None,
    le: Bound | None = None,
    unique: bool = False,
    index: bool = False,
    search: bool = False,
    filter: bool | None = None,
    sort: bool | None = None,
    read_only: bool = False,
    hidden: bool = False,
    label: str = "",
    help: str = "",
    validators: Sequence[FieldValidator] = (),
) -> Any:
    """Declare a field of an entity.

    Args:
        default: Value where none is given; ``now`` for the clock's time at creation.
        default_factory: Called for each new entity.
        text: Unlimited text (up to one million code points) in place of a bounded string.
        min_length: Fewest code points of a string.
        max_length: Most code points of a string; 255 where not given.
        pattern: Regular expression that the whole string must match; digits and word characters mean ASCII.
            One that a hostile text can keep busy for seconds is refused.
        precision: Digits of a decimal in all.
        scale: Digits of a decimal behind the point.
        gt: Greater than; a limit is a number for numbers, a date for dates, an aware datetime for those.
        ge: At least.
        lt: Less than.
        le: At most.
        unique: No two entities of a tenant have the same value; NULL does not count.
        index: Indexed, and so open to filter and sort.
        search: Searched by ``q=`` in lists.
        filter: Whether lists may filter by it; by default where it is indexed, unique, a reference or a status.
        sort: Whether lists may sort by it; by default where it is indexed or unique.
        read_only: Never taken from a request; code sets it.
        hidden: Never shown, filtered or sorted in the API.
        label: For people; made from the name where empty.
        help: One sentence for people.
        validators: Functions that take the value and raise ``Refused``; their names are the checks' names.
    """
    return FieldDecl(
        default=default,
        default_factory=default_factory,
        text=text,
        min_length=min_length,
        max_length=max_length,
        pattern=pattern,
        precision=precision,
        scale=scale,
        gt=gt,
        ge=ge,
        lt=lt,
        le=le,
        unique=unique,
        index=index,
        search=search,
        filter=filter,
        sort=sort,
        read_only=read_only,
        hidden=hidden,
        label=label,
        help=help,
        validators=tuple(validators),
    )


@overload
def ref(
    target: type | str,
    *,
    default: T,
    on_delete: OnDelete = ...,
    unique: bool = ...,
    read_only: bool = ...,
    hidden: bool = ...,
    label: str = ...,
    help: str = ...,
) -> T: ...
@overload
def ref(
    target: type | str,
    *,
    on_delete: OnDelete = ...,
    unique: bool = ...,
    read_only: bool = ...,
    hidden: bool = ...,
    label: str = ...,
    help: str = ...,
) -> Any: ...
def ref(
    target: type | str,
    *,
    default: Any = MISSING,
    on_delete: OnDelete = "restrict",
    unique: bool = False,
    read_only: bool = False,
    hidden: bool = False,
    label: str = "",
    help: str = "",
) -> Any:
    """Declare a reference, as in ``project_id: UUID = ref(Project)``; it is indexed and open to filters.

    Args:
        target: The model's class, or ``"module.Model"`` for one that is not imported here.
        default: None for a reference that may be empty.
        on_delete: What happens to this row when the other is deleted: ``restrict`` refuses the deletion.
        unique: At most one row refers to each target.
        read_only: Never taken from a request; code sets it.
        hidden: Never shown, filtered or sorted in the API.
        label: For people.
        help: One sentence for people.
    """
    return FieldDecl(
        default=default,
        ref=target,
        on_delete=on_delete,
        unique=unique,
        read_only=read_only,
        hidden=hidden,
        label=label,
        help=help,
    )


def children(child: type[C], *, label: str = "", help: str = "") -> list[C]:
    """Declare rows that live and die with their parent, as in ``lines: list[Line] = children(Line)``.

    They are loaded, validated and saved with the parent in one transaction and keep their order.

    Args:
        child: A subclass of ``Child``.
        label: For people.
        help: One sentence for people.
    """
    declared: Any = FieldDecl(default_factory=list, child=child, label=label, help=help)
    return declared  # type: ignore[no-any-return]


def with_default(decl: FieldDecl, default: object) -> FieldDecl:
    """The same declaration with another default."""
    return dataclasses.replace(decl, default=default)
