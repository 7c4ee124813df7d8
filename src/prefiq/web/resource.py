"""One model's API, compiled: closures with everything fetched that does not change between requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from prefiq.contracts import (
    Compare,
    FieldError,
    IDomainService,
    IPermissions,
    NotFound,
    Page,
    Scope,
    ValidationFailed,
)
from prefiq.foundation.policy import Policy, is_among
from prefiq.lowcode import ActionSpec, Catalog, ModelSpec, Validator
from prefiq.web import bodies, representation
from prefiq.web.answers import JSON, PRIVATE, Answer, Headers, no_content
from prefiq.web.call import JSON_TYPES, MERGE_TYPES, Call, Handler, Level, Plan
from prefiq.web.cursor import CursorKeys
from prefiq.web.errors import PreconditionFailed, QueryRefused
from prefiq.web.preconditions import ANY, if_match, is_fresh
from prefiq.web.query import Inclusion, ListQuery, QueryReader, split_query
from prefiq.web.representation import Representation, encode

__all__ = ["Resource", "Shared"]

convert = msgspec.convert

ACCEPT_PATCH = ((b"accept-patch", b", ".join(MERGE_TYPES)),)
LINK_SAFE = "%&=+:@/?!$'()*,;~-._"


class Shared:
    """What the resources of one API have in common.

    Args:
        catalog: All models.
        cursors: Signs their cursors.
    """

    def __init__(self, catalog: Catalog, cursors: CursorKeys) -> None:
        self.catalog = catalog
        self.cursors = cursors
        self._representations: dict[str, Representation] = {}

    def representation(self, spec: ModelSpec) -> Representation:
        """The model's representation; one, however many refer to it."""
        found = self._representations.get(spec.qualified)
        if found is None:
            found = self._representations[spec.qualified] = Representation(spec)
        return found


class Resource:
    """The handlers of one model.

    Args:
        spec: The model.
        shared: What all resources share.
    """

    def __init__(self, spec: ModelSpec, shared: Shared) -> None:
        self.spec = spec
        self.shared = shared
        self.contract: Any = IDomainService[spec.cls]  # type: ignore[name-defined]
        self.policy: Any = Policy[spec.cls]  # type: ignore[name-defined]
        self.representation = shared.representation(spec)
        self.query = QueryReader(spec, shared.catalog)
        self.may_read = f"{spec.permission}.read"
        self.unread = self.representation.readable - {"id", "version"}

    @property
    def collection(self) -> Level:
        """Methods of ``/api/<module>/<plural>``."""
        plans = {"GET": self._plan("read", self._list())}
        if self.spec.scope == "tenant":  # shared rows are written by the system alone
            shape = bodies.create_shape(self.spec)
            plans["POST"] = self._plan("create", self._create(shape), JSON_TYPES, shape)
        return Level(plans)

    @property
    def item(self) -> Level:
        """Methods of ``/api/<module>/<plural>/<id>``."""
        plans = {"GET": self._plan("read", self._get())}
        if self.spec.scope != "tenant":
            return Level(plans)
        shape = bodies.patch_shape(self.spec)
        plans["PATCH"] = self._plan("update", self._patch(shape), MERGE_TYPES, shape)
        plans["DELETE"] = self._plan("delete", self._delete())
        return Level(plans, ACCEPT_PATCH)

    @property
    def actions(self) -> dict[str, Level]:
        """Methods of ``/api/<module>/<plural>/<id>/<action>``, by last segment."""
        levels = {}
        if self.spec.scope == "tenant":
            for action in self.spec.actions:
                shape = bodies.parameter_shape(f"{self.spec.qualified}.{action.name}", action.parameters)
                optional = not any(parameter.required for parameter in action.parameters)
                handle = self._action(action, shape)
                levels[action.name] = Level(
                    {"POST": Plan(action.permission, handle, JSON_TYPES, optional, shape.names)}
                )
        if self.spec.audit and self.spec.scope == "tenant":
            levels["history"] = Level({"GET": self._plan("read", self._history())})
        return levels

    def _plan(
        self, verb: str, handle: Handler, accepts: tuple[bytes, ...] = (), shape: bodies.Shape | None = None
    ) -> Plan:
        members = shape.names if shape else frozenset[str]()
        return Plan(f"{self.spec.permission}.{verb}", handle, accepts, members=members)

    # ---- reading

    def _get(self) -> Handler:
        contract, policy, name = self.contract, self.policy, self.spec.qualified
        read_one, whole, without = self.query.read_one, self.representation.whole, self.representation.without

        def get(call: Call, scope: Scope) -> Answer:
            wanted = read_one(call.query) if call.query else None
            entity = scope[contract].get(key_of(call, name))
            hidden = scope[policy].unreadable()
            if wanted is not None and wanted.include:
                # No tag: it would speak for rows that have versions of their own.
                return 200, JSON, encode(self._members([entity], wanted, hidden, scope)[0])
            tag = b'"%d"' % entity.version
            known = call.headers.get(b"if-none-match")
            if known is not None and is_fresh(known, tag):
                return 304, [*PRIVATE, (b"etag", tag)], b""
            if wanted is not None:
                body = encode(self._members([entity], wanted, hidden, scope)[0])
            else:
                body = encode((without(hidden) if hidden else whole)(entity))
            return 200, [*JSON, (b"etag", tag)], body

        return get

    def _list(self) -> Handler:
        contract, policy, read, criteria = self.contract, self.policy, self.query.read, self.query.criteria
        whole, without, as_it_is = (
            self.representation.whole,
            self.representation.without,
            representation.as_it_is,
        )

        def list_(call: Call, scope: Scope) -> Answer:
            wanted = read(call.query)
            hidden = scope[policy].unreadable()
            service = scope[contract]
            after = self._after(wanted, scope, service, hidden) if wanted.cursor else None
            page = Page(wanted.limit, wanted.offset, after, wanted.sort, wanted.count)
            result = service.list(page, criteria(wanted, hidden))
            items: list[Any] = result.items
            if wanted.fields or wanted.include:
                items = self._members(items, wanted, hidden, scope)
            else:
                view = without(hidden) if hidden else whole
                if view is not as_it_is:
                    items = [view(entity) for entity in items]
            cursor, headers = None, JSON
            if result.next is not None:
                place = result.next[-1:] if self._is_private(wanted, hidden) else result.next
                cursor = self.shared.cursors.seal(self._binding(wanted, scope), place)
                headers = [*JSON, (b"link", next_link(call, cursor))]
            envelope = representation.Page(items, cursor)
            if wanted.count and result.total is not None:
                envelope.total = result.total
            return 200, headers, encode(envelope)

        return list_

    def _binding(self, wanted: ListQuery, scope: Scope) -> tuple[str, str, tuple[str, ...], str]:
        return scope.tenant, self.spec.qualified, wanted.sort, wanted.filters

    def _order(self, wanted: ListQuery) -> list[str]:
        """Names of the fields that the list is sorted by; the id is always the last."""
        names = [entry.removeprefix("-") for entry in wanted.sort or self.spec.order_by]
        return [*names[: names.index("id")], "id"] if "id" in names else [*names, "id"]

    def _is_private(self, wanted: ListQuery, hidden: frozenset[str]) -> bool:
        """Whether the order tells a value that the actor may not read; a cursor then holds the id alone."""
        shown = self.representation.readable
        return any(is_among(name, hidden) or name not in shown for name in self._order(wanted))

    def _after(
        self, wanted: ListQuery, scope: Scope, service: Any, hidden: frozenset[str]
    ) -> tuple[Any, ...]:
        names = self._order(wanted)
        private = self._is_private(wanted, hidden)
        types = place_type(self.spec, names[-1:] if private else names)
        after = self.shared.cursors.open(self._binding(wanted, scope), wanted.cursor, types)
        try:
            if after is not None and private:
                entity = service.get(after[0])
                return tuple(value_of(self.spec, entity, name) for name in names)
        except NotFound:
            after = None
        if after is None:
            fault = FieldError("cursor", "cursor", "is not a cursor of this list, order and filter")
            raise QueryRefused((fault,))
        return after

    def _members(
        self, entities: list[Any], wanted: ListQuery, hidden: frozenset[str], scope: Scope
    ) -> list[dict[str, Any]]:
        names = [name for name in wanted.fields or self.representation.names if name not in hidden]
        view = self.representation.members(names, hidden)
        items = [view(entity) for entity in entities]
        for inclusion in wanted.include:
            if not is_among(inclusion.field, hidden):
                rows = self._included(inclusion, entities, scope)
                for entity, item in zip(entities, items, strict=True):
                    row = rows.get(value_of(self.spec, entity, inclusion.field))
                    module, _, inner = inclusion.name.rpartition(".")
                    if module:
                        shown = item.get(module, {})
                        item[module] = (shown if isinstance(shown, dict) else asdict(shown)) | {inner: row}
                    else:
                        item[inclusion.name] = row
        return items

    def _included(self, inclusion: Inclusion, entities: Iterable[Any], scope: Scope) -> dict[UUID, Any]:
        """Rows that references lead to, through their own service: its permission and policy hold."""
        target: Any = inclusion.target.cls
        ids = {
            value
            for entity in entities
            if (value := value_of(self.spec, entity, inclusion.field)) is not None
        }
        service: Any = scope[IDomainService[target]]
        view = self.shared.representation(inclusion.target).without(scope[Policy[target]].unreadable())
        page = Page(limit=max(len(ids), 1))  # also without ids: who may not read it is told so
        return {row.id: view(row) for row in service.list(page, Compare("id", "in", tuple(ids))).items}

    def _history(self) -> Handler:
        contract, policy, name = self.contract, self.policy, self.spec.qualified
        shown = self.representation.readable
        fields = frozenset(field.name for field in self.spec.all_fields)

        def history(call: Call, scope: Scope) -> Answer:
            refuse_query(call)
            records = scope[contract].history(key_of(call, name))
            hidden = scope[policy].unreadable()
            names = frozenset(name for name in shown if not is_among(name, hidden)) if hidden else shown
            return (
                200,
                JSON,
                encode({"items": [history_item(record, names, fields - names) for record in records]}),
            )

        return history

    # ---- writing

    def _create(self, shape: bodies.Shape) -> Handler:
        contract, make = self.contract, bodies.entity_maker(self.spec)

        def create(call: Call, scope: Scope) -> Answer:
            refuse_query(call)
            entity = scope[contract].create(make(shape.read(call.body)))
            location = f"{call.root}{call.path}/{entity.id}".encode()
            return self._written(201, entity, scope, (b"location", location))

        return create

    def _patch(self, shape: bodies.Shape) -> Handler:
        contract, name = self.contract, self.spec.qualified
        apply, validator = bodies.patch_applier(self.spec), Validator(self.spec)

        def patch(call: Call, scope: Scope) -> Answer:
            refuse_query(call)
            members = shape.read(call.body)
            service = scope[contract]
            entity = service.get(key_of(call, name))
            refuse(name, apply(entity, members))
            if not matches(call, entity):
                # RFC 9110, section 13.2.1: a condition counts only where the answer would otherwise be good.
                refuse(name, validator.errors(entity))
                raise PreconditionFailed
            return self._written(200, service.update(entity), scope)

        return patch

    def _delete(self) -> Handler:
        contract, name = self.contract, self.spec.qualified

        def delete(call: Call, scope: Scope) -> Answer:
            refuse_query(call)
            service, key = scope[contract], key_of(call, name)
            versions = if_match(call.headers.get(b"if-match"))
            if not versions:  # no condition, or "*": what does not exist is a 404 either way
                service.delete(key)
            elif len(versions) == 1:
                service.delete(key, version=next(iter(versions)))
            else:
                entity = service.get(key)
                if entity.version not in versions:
                    raise PreconditionFailed
                service.delete(key, version=entity.version)
            return no_content()

        return delete

    def _action(self, action: ActionSpec, shape: bodies.Shape) -> Handler:
        contract, name, declared = self.contract, self.spec.qualified, action.action

        def run(call: Call, scope: Scope) -> Answer:
            refuse_query(call)
            members = shape.read(call.body or b"{}")
            refuse(shape.name, shape.check(members))
            service, target = scope[contract], key_of(call, name)
            if b"if-match" in call.headers:
                entity = service.get(target)
                if not matches(call, entity):
                    raise PreconditionFailed
                target = entity  # it must not have changed since
            return self._written(200, service.run(declared, target, **members), scope)

        return run

    def _written(self, status: int, entity: Any, scope: Scope, *more: tuple[bytes, bytes]) -> Answer:
        # What was written, not what is read afterwards: two writes must not answer with one version.
        hidden = scope[self.policy].unreadable()
        permissions: Any = scope[IPermissions]
        if not permissions.allows(self.may_read):
            hidden = self.unread  # whoever may write and not read is told which row and version, no more
        headers: Headers = [*JSON, (b"etag", b'"%d"' % entity.version), *more]
        return status, headers, encode(self.representation.without(hidden)(entity))


def key_of(call: Call, model: str) -> UUID:
    """The id in the path; what is no UUID is the id of nothing.

    Raises:
        NotFound: It is none.
    """
    if len(call.key) == 36:
        try:
            return convert(call.key, UUID)
        except msgspec.ValidationError:
            pass
    raise NotFound(model)


def matches(call: Call, entity: Any) -> bool:
    """Whether ``If-Match`` lets the request go on."""
    versions = if_match(call.headers.get(b"if-match"))
    return versions is None or versions is ANY or entity.version in versions


def refuse(model: str, errors: list[FieldError]) -> None:
    """Raise all faults together, or nothing where there is none."""
    if errors:
        raise ValidationFailed(model, tuple(errors))


def refuse_query(call: Call) -> None:
    """Refuse every query parameter, where a path takes none."""
    if call.query:
        names = dict(split_query(call.query))
        if names:
            raise QueryRefused(
                tuple(FieldError(n, "unknown", "is not a parameter of this path") for n in names)
            )


def value_of(spec: ModelSpec, entity: Any, name: str) -> Any:
    """An entity's value of a field, of an extension's as well."""
    return spec.field(name).read(entity) if "." in name else getattr(entity, name)


def place_type(spec: ModelSpec, names: Iterable[str]) -> Any:
    """The type of a place in a list: the values of the fields that it is sorted by."""
    kinds = {"id": UUID, "version": int, **{field.name: field.type for field in spec.all_fields}}
    return tuple.__class_getitem__(tuple(kinds[name] | None for name in names))


def next_link(call: Call, cursor: str) -> bytes:
    """The header field ``Link`` that leads on (RFC 8288): the same request with another place."""
    kept = [
        part
        for part in call.query.split(b"&")
        if part and part.partition(b"=")[0] not in {b"cursor", b"offset"}
    ]
    query = b"&".join([*kept, b"cursor=" + cursor.encode()])
    return f'<{quote(call.root + call.path, safe="/")}?{quote(query, safe=LINK_SAFE)}>; rel="next"'.encode()


def history_item(record: Any, names: frozenset[str], unread: frozenset[str]) -> dict[str, Any]:
    """An entry of a history, with changes of the fields that may be read.

    An argument with the name of a field that may not be read is what became of it, most often.
    """
    return {
        "at": record.at,
        "actor": record.actor,
        "actor_name": getattr(record, "actor_name", "") or record.actor,
        "action": record.action,
        "version": getattr(record, "entity_version", None) or record.version,
        "changes": {name: change for name, change in record.changes.items() if name in names},
        "arguments": {n: value for n, value in getattr(record, "arguments", {}).items() if n not in unread},
    }
