"""``Extension``: what one module adds to another module's model, in memory.

The values lie in the entity's slot ``_ext``, one object for each extension: constructors, ``==`` and the JSON
of the base know nothing of them, and a model without extensions pays nothing.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from prefiq.foundation.entity import Entity, _EntityMeta
from prefiq.foundation.for_model import model_of
from prefiq.lowcode import ModelSpec, field, ref

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import dataclass_transform

    from prefiq.lowcode import ExtensionMeta

__all__ = ["Extension", "complete", "revive"]

E = TypeVar("E", bound=Entity)


class _Place:
    """Where an extension finds its entity again; a slot, so that ``==`` does not see it."""

    __slots__ = ("_base",)

    if TYPE_CHECKING:
        _base: Any


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True, field_specifiers=(field, ref))
    class _ExtensionMetaclass(type):
        pass

    class _Values(_Place, metaclass=_ExtensionMetaclass):
        pass

else:

    class _Values(_Place, msgspec.Struct, metaclass=_EntityMeta):
        pass


class Extension(_Values, Generic[E]):
    """The base of what a module adds to another module's model::

        class ProjectBilling(Extension[Project]):
            rate: Decimal = field(default=Decimal(0), precision=12, scale=2)

        ProjectBilling.on(project).rate = Decimal(5)

    A field needs a default or may be None: rows that exist have no value.  Methods marked ``@validator``,
    ``@action`` or ``transition`` become the model's; ``self.base`` is the entity in them.
    """

    __prefiq_extends__: ClassVar[Any] = None

    if TYPE_CHECKING:
        meta: ClassVar[ExtensionMeta]

        def _extends(self) -> E: ...

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = model_of(cls, Extension)
        if model is not None:
            cls.__prefiq_extends__ = model

    @classmethod
    def on(cls, entity: E, /) -> Self:
        """What the module added to this entity; the defaults where nothing was given yet.

        Raises:
            TypeError: The entity is of another model.
        """
        try:
            held: dict[Any, Any] = entity._ext
        except AttributeError:
            held = entity._ext = {}
        found: Any = held.get(cls)
        if found is None:
            extends: type = cls.__prefiq_extends__
            if not isinstance(entity, extends):
                raise TypeError(f"{cls.__name__} extends {extends.__name__}, not {type(entity).__name__}")
            found = held[cls] = cls()
        found._base = entity
        extension: Self = found
        return extension

    @classmethod
    def of(cls, entity: E, /) -> Self:
        """The same for reading only: an entity that was given nothing stays so."""
        found: Self | None = (getattr(entity, "_ext", None) or {}).get(cls)
        return cls() if found is None else found

    @property
    def base(self) -> E:
        """The entity that this is on.

        Raises:
            TypeError: It was made by its constructor; ``on(entity)`` gives one that has an entity.
        """
        try:
            entity: E = self._base
        except AttributeError:
            name = type(self).__name__
            raise TypeError(f"this {name} is on no entity; take {name}.on(entity)") from None
        return entity


def complete(entity: Any, spec: ModelSpec, stored: tuple[Any, ...] | None = None) -> None:
    """Give an entity what it lacks of its extensions: what is stored, or the defaults for a new one.

    Args:
        entity: To be written.
        spec: Its model.
        stored: A snapshot of its row, or None where it is new.
    """
    held = getattr(entity, "_ext", None)
    if held is None:
        held = entity._ext = {}
    place = len(entity.__struct_fields__)
    for extension in spec.extensions:
        behind = place + len(extension.fields)
        if extension.cls not in held:
            values = () if stored is None else stored[place:behind]
            held[extension.cls] = extension.cls(*copy.deepcopy(values))
        place = behind


def revive(spec: ModelSpec, values: tuple[Any, ...]) -> Any:
    """An entity with the values of a snapshot, which are not copied.

    Args:
        spec: Its model.
        values: In the order of its constructor, then those of its extensions.
    """
    place = len(spec.cls.__struct_fields__)
    entity: Any = spec.cls(*values[:place])
    if spec.extensions:
        held = entity._ext = {}
        for extension in spec.extensions:
            behind = place + len(extension.fields)
            held[extension.cls] = extension.cls(*values[place:behind])
            place = behind
    return entity
