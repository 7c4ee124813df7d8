"""The frozen result of a declaration: what every other room reads; nobody re-reads the class."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from prefiq.lowcode.field import MISSING, FieldValidator, OnDelete

if TYPE_CHECKING:
    from prefiq.lowcode.action import Action

__all__ = [
    "ActionSpec",
    "ChildSpec",
    "ExtensionSpec",
    "FieldSpec",
    "IndexSpec",
    "Kind",
    "ModelSpec",
    "RefSpec",
    "StatusSpec",
    "ValidatorSpec",
]

Kind = Literal[
    "str",
    "text",
    "int",
    "bool",
    "decimal",
    "float",
    "date",
    "datetime",
    "uuid",
    "enum",
    "json",
    "children",
    "unknown",
]
"""What a field holds; ``unknown`` is a mistake that the verifier ``field_type`` reports."""

SORTABLE: frozenset[Kind] = frozenset(
    {"str", "int", "bool", "decimal", "float", "date", "datetime", "uuid", "enum"}
)


@dataclass(frozen=True, slots=True)
class RefSpec:
    """A reference to another model.

    Args:
        target: What the declaration names: a class, or ``"module.Model"``.
        model: Qualified name of the target, ``"projects.Project"``; empty where it is not listed.
        on_delete: What happens to this row when the target is deleted.
        name: What ``include=`` calls it: the field's name without ``_id``.
    """

    target: type | str
    model: str
    on_delete: OnDelete
    name: str


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a model, or one parameter of an action.

    Args:
        name: Attribute, column and JSON name; of a field of an extension ``<module>.<attribute>``.
        kind: What it holds.
        type: Python type of a value: the enum's class for ``enum``; for ``json`` what was annotated, as
            ``dict`` or ``list[str]``, and ``object`` for any.
        annotation: The annotation as text, for messages.
        nullable: Whether None is a value.
        default: Default value, or ``MISSING``.
        default_factory: Makes the default, or None.
        clock_default: Whether the default is the clock's time.
        is_status: Whether it is the model's status.
        ref: The reference it is, or None.
        owner: The extension's class, where another module's extension brings the field; else None.
        declared: The field as its own module declares it, where an extension tunes it; else None.
    """

    name: str
    kind: Kind
    type: Any
    annotation: str = ""
    nullable: bool = False
    default: Any = MISSING
    default_factory: Callable[[], Any] | None = None
    clock_default: bool = False
    is_status: bool = False
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
    filter: bool = False
    sort: bool = False
    read_only: bool = False
    hidden: bool = False
    label: str = ""
    help: str = ""
    validators: tuple[FieldValidator, ...] = ()
    ref: RefSpec | None = None
    owner: Any = None
    declared: FieldSpec | None = None

    @property
    def attribute(self) -> str:
        """Its name on the entity or, of an extension's field, on the extension."""
        return self.name.rpartition(".")[2]

    @property
    def column(self) -> str:
        """Its column: ``x_<module>_<attribute>`` of a field of an extension."""
        return self.name if self.owner is None else f"x_{self.name.replace('.', '_')}"

    @property
    def stored(self) -> FieldSpec:
        """As the database keeps it: what an extension tunes changes no table."""
        return self.declared or self

    @property
    def column_nullable(self) -> bool:
        """Whether the column may be NULL: one of an extension always, so that the base works without it."""
        return self.owner is not None or self.stored.nullable

    @property
    def reads_null(self) -> bool:
        """Whether NULL in the column reads as the default: a value is needed, and old rows have none."""
        return self.owner is not None and not self.nullable

    def absent(self) -> Any:
        """What NULL in the column reads as."""
        if not self.reads_null:
            return None
        return self.default_factory() if self.default_factory is not None else copy.deepcopy(self.default)

    def read(self, entity: Any) -> Any:
        """The field's value of an entity."""
        if self.owner is None:
            return getattr(entity, self.name)
        return getattr(self.owner.of(entity), self.attribute)

    def write(self, entity: Any, value: Any) -> None:
        """Set the field's value of an entity."""
        setattr(entity if self.owner is None else self.owner.on(entity), self.attribute, value)

    @property
    def required(self) -> bool:
        """Whether a new entity must be given a value."""
        return self.default is MISSING and self.default_factory is None and not self.clock_default

    @property
    def writable(self) -> bool:
        """Whether a request may set it: never a status, a read-only or a hidden field."""
        return not (self.read_only or self.hidden or self.is_status)


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index; every one starts with the tenant in the database.

    Args:
        name: Without the table's name, for example ``"code"`` or ``"stage_code"``.
        fields: Field names in order.
        unique: Whether two rows of a tenant may not agree in all of them.
    """

    name: str
    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """Rows that belong to an entity.

    Args:
        name: The parent's field.
        model: Their own declaration; its ``parent`` is the parent's qualified name.
        label: For people.
    """

    name: str
    model: ModelSpec
    label: str = ""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """A named use case.

    Args:
        name: The attribute's name, and the last segment of its route.
        permission: What an actor needs.
        parameters: The request's fields.
        sources: States it is possible in; empty for an action without states.
        to: State it leads to, or None.
        doc: First paragraph of its docstring.
        action: The declared object.
    """

    name: str
    permission: str
    parameters: tuple[FieldSpec, ...]
    sources: tuple[str, ...]
    to: str | None
    doc: str
    action: Action[Any, Any]


@dataclass(frozen=True, slots=True)
class StatusSpec:
    """The status machine.

    Args:
        field: The field that holds the state.
        initial: State of a new entity.
        states: All states, in order of declaration.
    """

    field: str
    initial: str
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValidatorSpec:
    """A named check of a whole entity: a method marked ``@validator``.

    Args:
        name: The method's name.
        function: Takes the entity, raises ``Refused``.
    """

    name: str
    function: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class ExtensionSpec:
    """What one module adds to another module's model.

    Args:
        module: Name of the extending module, for example ``"billing"``; the member of the base's JSON.
        name: The class's name, for example ``"ProjectBilling"``.
        cls: The class.
        base: Qualified name of the model that it extends.
        doc: First paragraph of the class's docstring.
        fields: Its fields; their names are qualified, ``"billing.rate"``.
        indexes: Its indexes; their fields are qualified too.
        actions: Further actions of the base.
        validators: Its checks; they take the extension, whose ``base`` is the entity.
    """

    module: str
    name: str
    cls: type[Any]
    base: str
    doc: str
    fields: tuple[FieldSpec, ...]
    indexes: tuple[IndexSpec, ...] = ()
    actions: tuple[ActionSpec, ...] = ()
    validators: tuple[ValidatorSpec, ...] = ()

    @property
    def qualified(self) -> str:
        """``"billing.ProjectBilling"``."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A declared model, complete and frozen.

    Args:
        module: Name of the module that owns it, for example ``"projects"``.
        name: The class's name, for example ``"Project"``.
        cls: The entity's class.
        table: Table name, ``<module>_<model>``.
        plural: Last segment of its path.
        label: For people, one.
        label_plural: For people, many.
        label_field: The field that names an entity to people, or empty.
        doc: First paragraph of the class's docstring.
        fields: Declared fields in order, without ``id``, ``version`` and children.
        order_by: Default order, ``-name`` for descending.
        scope: ``"tenant"`` rows belong to one tenant each; ``"shared"`` rows to all.
        audit: Whether history is kept.
        soft_delete: Whether deleting only marks the row.
        remote: Whether it has an API.
        parent: Qualified name of the model whose child this is, or empty.
        extensions: What other modules add, in module order; their actions stand among ``actions``.
    """

    module: str
    name: str
    cls: type[Any]
    table: str
    plural: str
    label: str
    label_plural: str
    label_field: str
    doc: str
    fields: tuple[FieldSpec, ...]
    children: tuple[ChildSpec, ...]
    indexes: tuple[IndexSpec, ...]
    actions: tuple[ActionSpec, ...]
    validators: tuple[ValidatorSpec, ...]
    status: StatusSpec | None
    order_by: tuple[str, ...]
    scope: Literal["tenant", "shared"]
    audit: bool
    soft_delete: bool
    remote: bool
    parent: str = ""
    extensions: tuple[ExtensionSpec, ...] = ()

    @property
    def qualified(self) -> str:
        """``"projects.Project"``."""
        return f"{self.module}.{self.name}"

    @property
    def permission(self) -> str:
        """Stem of its permissions: ``"projects.project"``."""
        return f"{self.module}.{snake(self.name)}"

    @property
    def path(self) -> str:
        """Path of its API: ``"/api/projects/projects"``."""
        return f"/api/{self.module}/{self.plural}"

    @property
    def parent_column(self) -> str:
        """Column of a child that holds its parent's id."""
        return snake(self.parent.rpartition(".")[2]) + "_id"

    @property
    def all_fields(self) -> tuple[FieldSpec, ...]:
        """The model's own fields and those of its extensions."""
        if not self.extensions:
            return self.fields
        return (*self.fields, *(field for extension in self.extensions for field in extension.fields))

    @property
    def all_indexes(self) -> tuple[IndexSpec, ...]:
        """The model's own indexes and those of its extensions."""
        if not self.extensions:
            return self.indexes
        return (*self.indexes, *(index for extension in self.extensions for index in extension.indexes))

    def field(self, name: str) -> FieldSpec:
        """The field with this name, qualified for one of an extension.

        Raises:
            KeyError: There is none.
        """
        for candidate in self.all_fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    def action(self, name: str) -> ActionSpec:
        """The action with this name.

        Raises:
            KeyError: There is none.
        """
        for candidate in self.actions:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """``ChecklistItem`` → ``checklist_item``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def words(name: str) -> str:
    """``checklist_item`` or ``ChecklistItem`` → ``Checklist item``."""
    return snake(name).replace("_", " ").strip().capitalize()


def plural_of(name: str) -> str:
    """English plural of a regular noun; a model with another one says ``plural=``."""
    if re.search(r"(?:[^aeiou])y$", name):
        return name[:-1] + "ies"
    if re.search(r"(?:s|x|z|ch|sh)$", name):
        return name + "es"
    return name + "s"
