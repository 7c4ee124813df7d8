"""``Entity``: the base of every declared model; it knows its values and its rules, nothing of storage.

An entity is a mutable ``msgspec.Struct``, a fact that only this room relies on.  The constructor does not
check values (rows come through it by the thousand): the service does, and finds every fault at once.  A
value that was not given is ``msgspec.UNSET`` until then.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import StructMeta

from prefiq.contracts import IllegalTransition, Refused
from prefiq.lowcode import FieldDecl, ModelMeta, ModelSpec, field, ref, uuid7
from prefiq.lowcode.action import actions_from
from prefiq.lowcode.annotations import annotations_in, is_class_variable
from prefiq.lowcode.field import MISSING, NOW

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import dataclass_transform

__all__ = ["Child", "Entity"]

Move = tuple[str, Any, Any]
"""A status change that an action explained: field, from, to."""

R = TypeVar("R")
OWN = frozenset({"id", "version"})


class _Memory:
    """What an entity remembers beside its values; slots, so that JSON and ``==`` do not see it."""

    __slots__ = ("_ext", "_loaded", "_moves")

    if TYPE_CHECKING:
        _ext: dict[Any, Any]
        _loaded: tuple[Any, ...] | None
        _moves: list[Move]


if TYPE_CHECKING:
    # `children` is left out: a checker takes what it returns for a default, so that rows may be left out.
    @dataclass_transform(kw_only_default=True, field_specifiers=(field, ref))
    class _EntityMeta(type):
        pass

    class _Record(_Memory, metaclass=_EntityMeta):
        pass

else:

    class _EntityMeta(StructMeta):
        """Turns ``field(…)`` into the struct's defaults and keeps the declarations for ``ModelMeta.of``."""

        def __new__(
            mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
        ) -> Self:
            declared = {}
            for base in bases:
                declared |= getattr(base, "__prefiq_fields__", {})
                meta = getattr(base, "meta", None)
                if isinstance(meta, ModelMeta):
                    # What a subclass of an abstract model inherits is its options, not its being abstract.
                    namespace.setdefault("meta", dataclasses.replace(meta, abstract=False))
            for attribute, annotation in annotations_in(namespace).items():
                if is_class_variable(annotation):
                    continue
                value = namespace.get(attribute, MISSING)
                decl = value if isinstance(value, FieldDecl) else FieldDecl(default=value)
                namespace[attribute] = _struct_default(decl)
                if attribute not in OWN:
                    declared[attribute] = decl
            namespace["__prefiq_fields__"] = declared
            return super().__new__(mcs, name, bases, namespace, **options)

    def _struct_default(decl: FieldDecl) -> Any:
        if callable(decl.default_factory):
            return msgspec.field(default_factory=decl.default_factory)
        if isinstance(decl.default, (list, dict)):  # one for each entity, never one for all
            return msgspec.field(default_factory=functools.partial(copy.deepcopy, decl.default))
        # Every field has a default, so that rows can be built by position, which is 4.5 times faster than by
        # name; the service reports what was not given.
        return None if decl.default is NOW else msgspec.field(default=decl.default)

    class _Record(_Memory, msgspec.Struct, metaclass=_EntityMeta):
        pass


class Child(_Record):
    """A row that lives and dies with its parent; its fields are declared like an entity's."""

    id: UUID = field(default_factory=uuid7)

    meta: ClassVar[ModelMeta] = ModelMeta(abstract=True)

    def require(self, condition: bool, field: str, message: str) -> None:
        """Go on, or refuse.

        Raises:
            Refused: The condition does not hold.
        """
        if not condition:
            raise Refused(field, message)

    def __copy__(self) -> Self:
        return _twin(self, _values(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _twin(self, tuple(copy.deepcopy(value, memo) for value in _values(self)))

    def __replace__(self, /, **changes: Any) -> Self:
        twin: Any = _twin(self, _values(self))
        for name, value in changes.items():
            if name not in twin.__struct_fields__:
                raise TypeError(f"{type(self).__name__} has no field {name}")
            setattr(twin, name, value)
        return cast("Self", twin)

    def __reduce__(self) -> tuple[Any, ...]:
        extensions = {
            cls: _values(extension) for cls, extension in (getattr(self, "_ext", None) or {}).items()
        }
        return _rebuilt, (type(self), _values(self), extensions)


class Entity(Child):
    """The base of a declared model.

    Attributes:
        id: Made in the process, ordered by time (UUID version 7).
        version: 0 until stored, then 1 and one more with each change.
    """

    version: int = field(default=0)

    meta: ClassVar[ModelMeta] = ModelMeta(abstract=True)

    def _explain(self, field: str, source: Any, target: Any) -> None:
        """Record that an action moved the status; the store refuses moves that nothing explains."""
        try:
            self._moves.append((field, source, target))
        except AttributeError:
            self._moves = [(field, source, target)]


def _values(entity: Any) -> tuple[Any, ...]:
    return tuple(getattr(entity, name) for name in entity.__struct_fields__)


def _twin(entity: R, values: tuple[Any, ...]) -> R:
    # A copy remembers what its original did up to now; from here on each has a memory of its own, or a
    # move that one makes would explain a state that is assigned to the other.
    twin: Any = type(entity)(*values)
    if hasattr(entity, "_loaded"):
        twin._loaded = entity._loaded
    if hasattr(entity, "_moves"):
        twin._moves = copy.copy(entity._moves)
    held: dict[Any, Any] | None = getattr(entity, "_ext", None)
    if held is not None:
        # Their values are copied, not the entity that they are on.
        twin._ext = {cls: cls(*copy.deepcopy(_values(extension))) for cls, extension in held.items()}
    made: R = twin
    return made


def _rebuilt(cls: Any, values: tuple[Any, ...], extensions: dict[Any, tuple[Any, ...]]) -> Any:
    """An entity that was pickled; what it remembered of its row stays behind."""
    entity = cls(*values)
    if extensions:
        entity._ext = {extension: extension(*theirs) for extension, theirs in extensions.items()}
    return entity


def remember(entity: Any) -> None:
    """Take the present values as those that are stored."""
    entity._loaded = tuple(
        copy.deepcopy(value) if type(value) in {list, dict} else value for value in _values(entity)
    )
    entity._moves = []


def forget(entity: Any) -> None:
    """Take the entity as new: it is no longer known to be stored."""
    entity._loaded = None
    entity._moves = []


def loaded(entity: Any) -> tuple[Any, ...] | None:
    """The values as they are stored, in the constructor's order, or None for a new entity."""
    return getattr(entity, "_loaded", None)


def changes(entity: Any, spec: ModelSpec | None) -> dict[str, tuple[Any, Any]]:
    """Field → (stored value, present value) for every field that differs; all fields of a new entity.

    Args:
        entity: As it is now.
        spec: Its model, whose extensions are looked at as well; None looks at the entity alone.
    """
    stored = loaded(entity)
    names, values = entity.__struct_fields__, _values(entity)
    if spec is not None and spec.extensions:
        further = [f for f in spec.all_fields if f.owner is not None]
        names = (*names, *(f.name for f in further))
        values = (*values, *(f.read(entity) for f in further))
    if stored is None:
        return {name: (None, value) for name, value in zip(names, values, strict=True)}
    return {
        name: (old, new)
        for name, old, new in zip(names, stored, values, strict=False)
        if old is not new and not same(old, new)
    }


def same(old: Any, new: Any) -> bool:
    """Whether both are stored alike; JSON tells 1, 1.0 and true apart, which Python's ``==`` does not."""
    if type(old) is list and type(new) is list:
        return len(old) == len(new) and all(map(_same_inside, old, new))
    if type(old) is dict and type(new) is dict:
        return old.keys() == new.keys() and all(_same_inside(old[key], new[key]) for key in old)
    return bool(old == new)


def _same_inside(old: Any, new: Any) -> bool:
    if isinstance(old, _Record):
        return type(old) is type(new) and all(map(same, _values(old), _values(new)))
    return type(old) is type(new) and same(old, new)


def check_status(entity: Any, field: str, initial: Any, model: str) -> None:
    """Refuse a status that no action explains.

    Args:
        entity: As it is about to be stored.
        field: Its status field.
        initial: State of a new entity.
        model: Qualified name, for the error.

    Raises:
        IllegalTransition: The status was assigned directly.
    """
    stored = loaded(entity)
    state = initial if stored is None else stored[entity.__struct_fields__.index(field)]
    start = state
    if start == getattr(entity, field):
        return
    for moved, source, target in getattr(entity, "_moves", None) or ():
        if moved == field and source == state:
            state = target
    if state != getattr(entity, field):
        raise IllegalTransition(model, "", str(start), actions_from(type(entity), start))
