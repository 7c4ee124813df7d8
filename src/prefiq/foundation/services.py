"""``Services``: the use cases of a model, each one road through the same pipeline.

authorise → defaults → before hooks → validate → row and field policy → save → after hooks → events and
history, in one transaction.  What a hook raises leaves nothing behind.  Never SQL here.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

from typing_extensions import ParamSpec

from prefiq.contracts import (
    All,
    ConcurrencyError,
    Criteria,
    FieldError,
    Forbidden,
    HistoryRecord,
    IAction,
    IDomain,
    IllegalTransition,
    NotFound,
    Page,
    PagedResult,
    Refused,
    ValidationFailed,
    where,
)
from prefiq.foundation.attempts import repeatable
from prefiq.foundation.criteria_memory import matcher
from prefiq.foundation.entity import changes, forget, loaded
from prefiq.foundation.events import EntityChanged
from prefiq.foundation.extension import complete, revive
from prefiq.foundation.for_model import derive, model_of
from prefiq.foundation.history import HistoryEntry
from prefiq.foundation.policy import Policy, is_among
from prefiq.foundation.service_context import ServiceContext
from prefiq.lowcode import ActionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.validation import check_parameters

__all__ = ["Services"]

E = TypeVar("E")
P = ParamSpec("P")

MOST_ERRORS = 100


class Services(Generic[E]):
    """The use cases of one model.

    ``Services[Project]`` is bound as ``IDomainService[Project]`` for every model; a hand-written service
    derives from it and is bound in its place.

    Args:
        repository: The store.
        context: The scope's parts.
    """

    model: ClassVar[type]

    def __init__(self, repository: IDomain[E], context: ServiceContext) -> None:
        self.repository = repository
        self.context = context
        self.spec: ModelSpec = context.spec(self.model)
        self._policy: Policy[E] | None = None
        self._hooks = context.pipelines.hooks.of(self.model)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = model_of(cls, Services)
        if model is not None:
            cls.model = model

    @classmethod
    def of(cls, model: type) -> type[Services[Any]]:
        """The derived service of a model."""
        return derive(Services, model, "Services")

    # ---- queries

    def get(self, id: UUID, /) -> E:
        """The entity; see ``IDomainService``."""
        self._require("read")
        if not self.spec.children:
            return self._visible(id)
        with self.context.transactions.tx(read_only=True):  # an entity and its children of one moment
            return self._visible(id)

    def list(self, page: Page = Page(), where: Criteria | None = None) -> PagedResult[E]:  # noqa: B008  frozen
        """A part of the entities that the actor may see; see ``IDomainService``."""
        self._require("read")
        hidden = self.policy.unreadable()
        if hidden:
            self._check_asked(hidden, page, where)
        criteria = _both(self.policy.rows("read"), where)
        if not self.spec.children:
            return self.repository.list(page, criteria)
        with self.context.transactions.tx(read_only=True):
            return self.repository.list(page, criteria)

    def history(self, id: UUID, /) -> Sequence[HistoryRecord]:
        """Who did what to this entity, oldest first, also after it was deleted."""
        self._require("read")
        rows = self.policy.rows("read")
        try:
            self._visible(id)
        except NotFound:
            if rows is not None:  # whether the actor might have seen it can no longer be told
                raise
        entries = self.context.scope[IDomain[HistoryEntry]]
        criteria = where(model=self.spec.qualified, entity_id=id)
        found = [entry for batch in entries.stream(criteria) for entry in batch]
        if not found:
            self._visible(id)
        return cast("Sequence[HistoryRecord]", sorted(found, key=lambda entry: (entry.at, entry.id)))

    # ---- commands

    @repeatable
    def create(self, entity: E, /) -> E:
        """Check and store a new entity; see ``IDomainService``."""
        self._require("create")
        self._check_fields(_given(entity, self.spec))
        with self._around("around_create", entity):
            self._prepare_new(entity)
            self._validator.check(entity)
            self._check_rows("create", entity)
            self.repository.save(entity)
            self._run_hooks("after_create", entity)
            self._publish([self._event(entity, "created", _values_set(entity, self.spec))])
        return entity

    @repeatable
    def create_many(self, entities: Sequence[E], /) -> int:
        """``create`` for many, all or none; every fault of every entity is reported together."""
        with ExitStack() as wrappers:
            self._require("create")
            wrapped = self.context.pipelines.hooks.get("around_create", self.model)
            errors: list[FieldError] = []
            for number, entity in enumerate(entities):
                self._check_fields(_given(entity, self.spec))
                if wrapped:
                    wrappers.enter_context(self._around("around_create", entity))
                self._prepare_new(entity)
                faults = self._validator.errors(entity, f"{number}.")
                if not faults:
                    self._check_rows("create", entity)
                errors.extend(faults)
                if len(errors) >= MOST_ERRORS:
                    break
            if errors:
                raise ValidationFailed(self.spec.qualified, tuple(errors[:MOST_ERRORS]))
            self.repository.save_many(entities)
            for entity in entities:
                self._run_hooks("after_create", entity)
            self._publish(
                [self._event(entity, "created", _values_set(entity, self.spec)) for entity in entities]
            )
        return len(entities)

    @repeatable
    def update(self, entity: E, /) -> E:
        """Check and store what changed since the entity was loaded; see ``IDomainService``."""
        self._require("update")
        before = self._known(entity)
        self._check_fields(changes(entity, self.spec))
        self._check_moves(entity)
        self._write(entity, before, "update", "updated", {})
        return entity

    @repeatable
    def delete(self, id: UUID, /, *, version: int | None = None) -> None:
        """Remove the entity; see ``IDomainService``."""
        self._require("delete")
        entity: Any = self._visible(id)
        if version is not None and entity.version != version:
            raise ConcurrencyError(self.spec.qualified, id)
        self._check_rows("delete", entity)
        with self._around("around_delete", entity):
            self._run_hooks("before_delete", entity)
            gone = {name: (value, None) for name, (_, value) in _values_set(entity, self.spec).items()}
            self.repository.delete(entity)
            self._run_hooks("after_delete", entity)
            self._publish([self._event(entity, "deleted", gone)])

    def run(self, action: IAction[E, P], target: UUID | E, /, *args: P.args, **kwargs: P.kwargs) -> E:
        """Run a declared action; see ``IDomainService``.

        Args:
            action: As declared, for example ``Project.close``.
            target: The entity's id, or the entity as it was read, which must not have changed since.
            args: What the action takes.
            kwargs: What the action takes.
        """
        spec = self._action(action)
        self.context.permissions.require(spec.permission)
        entity: Any = self._visible(target) if isinstance(target, UUID) else target
        before = self._known(entity)
        pending = changes(entity, self.spec)
        if pending:  # what was changed beside the action is an update
            self._require("update")
            self._check_fields(pending)
            self._check_moves(entity)
        if spec.sources and str(getattr(entity, self._status)) not in spec.sources:
            raise IllegalTransition(
                self.spec.qualified, spec.name, str(getattr(entity, self._status)), self.possible(entity)
            )
        given = check_parameters(
            spec.parameters, _bound(spec, args, kwargs), f"{self.spec.qualified}.{spec.name}"
        )
        with self._around(f"around_{spec.name}", entity, arguments=given):
            self._run_hooks(f"before_{spec.name}", entity, arguments=given)
            self._apply(spec, entity, given)
            self._write(entity, before, spec.name, spec.name, given)
            self._run_hooks(f"after_{spec.name}", entity, arguments=given)
        return cast("E", entity)

    if not TYPE_CHECKING:  # behind a decorator, pyright takes the method's parameters for others
        run = repeatable(run)

    def possible(self, entity: E) -> tuple[str, ...]:
        """Names of the actions that the entity's state allows."""
        state = str(getattr(entity, self._status)) if self.spec.status else ""
        return tuple(a.name for a in self.spec.actions if not a.sources or state in a.sources)

    # ---- the pipeline's steps

    @property
    def policy(self) -> Policy[E]:
        """The policy bound for this model."""
        if self._policy is None:
            self._policy = self.context.policy(self.model)
        return self._policy

    @property
    def _validator(self) -> Any:
        return self.context.pipelines.validator(self.spec)

    @property
    def _status(self) -> str:
        return self.spec.status.field if self.spec.status else ""

    def _action(self, action: Any) -> ActionSpec:
        for spec in self.spec.actions:
            if spec.name == action.name and spec.action is action:
                return spec
        raise LookupError(f"{action!r} is not an action of {self.spec.qualified}")

    def _require(self, verb: str) -> None:
        self.context.permissions.require(f"{self.spec.permission}.{verb}")

    def _prepare_new(self, entity: Any) -> None:
        forget(entity)
        if self.spec.extensions:
            complete(entity, self.spec)
            _default_as_tuned(entity, self.spec)
        for field in self._clocked:
            if field.read(entity) is None:
                now = self.context.clock.now()
                field.write(entity, now.date() if field.kind == "date" else now)
        self._run_hooks("before_create", entity)

    @property
    def _clocked(self) -> Iterable[FieldSpec]:
        return (f for f in self.spec.all_fields if f.clock_default)

    def _known(self, entity: Any) -> Any:
        """The entity as it is stored; one that carries no snapshot is compared with its row."""
        if loaded(entity) is None:
            stored: Any = self._visible(entity.id)
            if stored.version != entity.version:
                raise ConcurrencyError(self.spec.qualified, entity.id)
            entity._loaded, entity._moves = stored._loaded, []
        values = loaded(entity) or ()
        if self.spec.extensions:
            complete(entity, self.spec, values)
        before = revive(self.spec, copy.deepcopy(values))
        before._loaded, before._moves = values, []
        return before

    def _apply(self, spec: ActionSpec, entity: Any, given: Mapping[str, Any]) -> None:
        try:
            spec.action.apply(entity, **given)
        except Refused as refused:
            # An extension's own code calls its fields as it declares them; a parameter of that name comes first.
            for extension in self.spec.extensions:
                for field in extension.fields if spec in extension.actions else ():
                    if field.attribute == refused.field and refused.field not in given:
                        raise Refused(field.name, refused.message, reason=refused.reason) from refused
            raise

    def _write(self, entity: Any, before: Any, verb: str, name: str, given: Mapping[str, Any]) -> None:
        self._check_rows("read", before)
        self._check_rows(verb, before)
        with self._around("around_update", entity, before):
            self._change(entity, before, verb, name, given)

    def _change(self, entity: Any, before: Any, verb: str, name: str, given: Mapping[str, Any]) -> None:
        self._run_hooks("before_update", entity, before)
        self._validator.check(entity)
        changed = changes(entity, self.spec)
        self._check_rows(verb, entity)
        if changed:
            self.repository.update(entity)
            self._run_hooks("after_update", entity, before)
        if changed or name != "updated":
            self._publish([self._event(entity, name, changed, given)])

    def _visible(self, id: UUID) -> E:
        entity = self.repository.get_by_id(id)
        rows = self.policy.rows("read")
        if rows is not None and not matcher(self.spec, rows)(entity):
            raise NotFound(self.spec.qualified, id)
        return entity

    def _check_rows(self, verb: str, entity: Any) -> None:
        rows = self.policy.rows(verb)
        if rows is not None and not matcher(self.spec, rows)(entity):
            if verb == "read":
                raise NotFound(self.spec.qualified, entity.id)
            raise Forbidden(f"{self.spec.permission}.{verb}")

    def _check_fields(self, touched: Iterable[str]) -> None:
        """Refuse what the caller may not set; what defaults, hooks and actions set is not the caller's."""
        locked = self.policy.unwritable()
        if locked:
            for name in touched:
                if is_among(name, locked):
                    raise Forbidden(f"{self.spec.permission}.write.{name}")

    def _check_moves(self, entity: Any) -> None:
        """A state that the caller moved on the object needs the permission of an action that moves it so."""
        for _, source, target in getattr(entity, "_moves", None) or ():
            ways = [a for a in self.spec.actions if a.to == str(target) and str(source) in a.sources]
            if ways and not any(self.context.permissions.allows(way.permission) for way in ways):
                raise Forbidden(ways[0].permission)

    def _check_asked(self, hidden: frozenset[str], page: Page, criteria: Criteria | None) -> None:
        asked = {entry.removeprefix("-") for entry in page.sort} | fields_in(criteria)
        for name in asked:
            if is_among(name, hidden):
                raise Forbidden(f"{self.spec.permission}.read.{name}")

    def _run_hooks(
        self,
        event: str,
        entity: Any,
        before: Any = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        hooks = self._hooks.get(event)
        if hooks is None:
            return
        for hook in hooks:
            hook.call(self.context.scope, entity, before, arguments)

    def _around(
        self,
        event: str,
        entity: Any,
        before: Any = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[None]:
        return self.context.pipelines.hooks.around(
            event, self.model, self.context.scope, entity, before, arguments
        )

    def _event(
        self,
        entity: Any,
        action: str,
        changed: Mapping[str, tuple[Any, Any]],
        arguments: Mapping[str, Any] | None = None,
    ) -> EntityChanged:
        return EntityChanged(
            model=self.model,
            name=self.spec.qualified,
            id=entity.id,
            action=action,
            entity=entity,
            changes=changed,
            version=entity.version,
            at=self.context.clock.now(),
            arguments=arguments or {},
            **self.context.subject,
        )

    def _publish(self, events: Sequence[EntityChanged]) -> None:
        self.context.events.publish(*events)


def fields_in(criteria: Criteria | None) -> set[str]:
    """Names of all fields that criteria speak of."""
    if criteria is None:
        return set()
    if hasattr(criteria, "field"):
        return {criteria.field}
    terms = criteria.terms if hasattr(criteria, "terms") else (criteria.term,)
    return set().union(*(fields_in(term) for term in terms))


def _both(first: Criteria | None, second: Criteria | None) -> Criteria | None:
    if first is None or second is None:
        return second if first is None else first
    return All((first, second))


def _values_set(entity: Any, spec: ModelSpec) -> dict[str, tuple[Any, Any]]:
    """Field → (None, value) for the history of a new entity; what is empty needs no entry."""
    values = {
        name: (None, value)
        for name in entity.__struct_fields__[2:]
        if (value := getattr(entity, name)) not in (None, [], {})
    }
    for extension in spec.extensions:
        for field in extension.fields:
            if (value := field.read(entity)) not in (None, [], {}):
                values[field.name] = (None, value)
    return values


def _given(entity: Any, spec: ModelSpec) -> set[str]:
    return {f.name for f in spec.all_fields if f.read(entity) not in (None, f.default)}


def _default_as_tuned(entity: Any, spec: ModelSpec) -> None:
    """Give the default that an extension wants where the entity has the one that its class gives."""
    for field in spec.fields:
        declared = field.declared
        if declared is None or field.default in (MISSING, declared.default):
            continue
        if getattr(entity, field.name) in (MISSING, declared.default):
            setattr(entity, field.name, copy.deepcopy(field.default))


def _bound(spec: ActionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    function = spec.action.function
    if function is None:
        if args:
            raise ValidationFailed(spec.name, (FieldError("", "unknown", "the action takes no values"),))
        return dict(kwargs)
    names = list(inspect.signature(function).parameters)[1:]
    return {**dict(zip(names, args, strict=False)), **kwargs}
