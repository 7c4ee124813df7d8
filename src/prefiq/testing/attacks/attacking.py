"""``attack``: two look-alike tenants, every model, every route; what came of each attack."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from prefiq.contracts import IDomain, IDomainService, Scope
from prefiq.errors import PrefiqError
from prefiq.foundation.policy import can
from prefiq.lowcode import FieldSpec, ModelSpec, uuid7
from prefiq.sql import Executor, StatementRefused
from prefiq.testing.attacks.asking import Answered, Asker, asking
from prefiq.testing.attacks.look_alikes import LookAlikes
from prefiq.testing.attacks.outcome import Attack, Outcome
from prefiq.testing.attacks.views import (
    Question,
    Undone,
    executor_tables,
    http_questions,
    questions,
    said,
)

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["attack"]

SHORT = 160


def attack(app: Application, mode: str = "", *, http: bool = True) -> Outcome:
    """Attack the isolation of tenants in an application whose database may be filled.

    Two tenants are made, and stay: the database is one of its own.

    Args:
        app: Booted, with its tables.
        mode: How the tenants are kept apart; as ``TENANCY`` says where left out.
        http: Whether the API is attacked, too; that needs ``prefiq[server]``.
    """
    mode = mode or app.settings.tenancy
    with ExitStack() as stack:
        asker = stack.enter_context(asking(app)) if http else None
        return _Attacker(app, mode, asker).run()


class _Attacker:
    """One run.

    Args:
        app: See ``attack``.
        mode: See ``attack``.
        asker: Asks the API, or None.
    """

    def __init__(self, app: Application, mode: str, asker: Asker | None) -> None:
        self.app, self.mode, self.asker = app, mode, asker
        self.outcome = Outcome()
        self.rows = LookAlikes(app, mode)
        mark = secrets.token_hex(3)
        self.first, self.second = f"a-{mark}", f"b-{mark}"

    def run(self) -> Outcome:
        self.rows.store_shared()  # before the tenants: a database of their own begins with copies of them
        self.app.tenants.create(self.first, mode=self.mode)
        self.rows.store(self.first, foreign=False)
        asked = [question for spec in self.rows.specs for question in self._questions(spec)]
        alone = [self._answer(question) for question in asked]
        self.app.tenants.create(self.second, mode=self.mode)
        self.rows.store(self.second, foreign=True)
        for question, before in zip(asked, alone, strict=True):
            self._compare(question, before)
        for spec in self.rows.specs:
            self._reach_over(spec)
        for (
            spec
        ) in self.rows.specs:  # behind all of those: from here on the first one has rows of these ids, too
            self._write(spec)
        if self.asker is not None:
            self._name_the_other(self.asker)
        self.outcome.skipped += self.rows.skipped
        return self.outcome

    # ---- what is told

    def _record(self, model: str, route: str, kind: str, detail: str, leak: str = "") -> None:
        self.outcome.attacks.append(Attack(model, route, self.mode, kind, detail, leak[: SHORT * 3]))

    def _compare(self, question: Question, before: str) -> None:
        after, leak = self._answer(question), ""
        if after != before:
            leak = f"alone: {before[:SHORT]}; beside another tenant: {after[:SHORT]}"
        self._record(question.model, question.route, question.kind, question.detail, leak)

    # ---- asking

    def _questions(self, spec: ModelSpec) -> Iterator[Question]:
        yield from questions(spec, self.rows)
        if self.asker is not None and spec.remote:
            yield from http_questions(self.app, spec, self.rows, self.asker, self.first)

    def _answer(self, question: Question) -> str:
        if question.route == "HTTP":
            return question.ask(None)
        with self._scope() as scope:
            return question.ask(scope)

    def _scope(self, tenant: str = "") -> Scope:
        return self.app.scope(tenant or self.first, can("*"))

    def _theirs(self, spec: ModelSpec) -> str:
        """The other tenant's rows and their history."""
        with self._scope(self.second) as scope:
            store: Any = IDomain[spec.cls]  # type: ignore[name-defined]
            service: Any = IDomainService[spec.cls]  # type: ignore[name-defined]
            found = [entity for batch in scope[store].stream() for entity in batch]
            history = scope[service].history
            return repr([(entity, said(partial(history, entity.id))) for entity in found])

    # ---- a row that only the other one has, as one that does not exist

    def _reach_over(self, spec: ModelSpec) -> None:
        theirs, foreign, missing = self._theirs(spec), self.rows.foreign(spec)[0], uuid7()
        for kind, detail, call in _reaches(spec):
            with self._scope() as scope:
                of_foreign = said(partial(call, scope, foreign.id), ids=False)
            with self._scope() as scope:
                of_missing = said(partial(call, scope, missing), ids=False)
            self._alike(spec, "service", kind, detail, of_foreign, of_missing)
        if self.asker is not None and spec.remote:
            self._reach_over_http(spec, self.asker, foreign.id, missing)
        self._statements(spec)
        self._unchanged(spec, "service", "write", "every attempt so far", theirs)

    def _alike(
        self, spec: ModelSpec, route: str, kind: str, detail: str, of_foreign: str, of_missing: str
    ) -> None:
        leak = ""
        if of_foreign != of_missing:
            leak = f"a foreign row: {of_foreign[:SHORT]}; a missing one: {of_missing[:SHORT]}"
        self._record(spec.qualified, route, kind, detail, leak)

    def _reach_over_http(self, spec: ModelSpec, asker: Asker, foreign: Any, missing: Any) -> None:
        own = self.rows.same(spec)[0].id
        tries: list[tuple[str, str, str, Any, dict[str, str]]] = [
            ("read", "GET", "", None, {}),
            ("read", "HEAD", "", None, {}),
            ("ETag", "GET", "", None, {"if-none-match": '"1"'}),
            ("update", "PATCH", "", {}, {}),
            ("ETag", "PATCH", "", {}, {"if-match": '"1"'}),
            ("delete", "DELETE", "", None, {"if-match": '"1"'}),
            ("delete", "DELETE", "", None, {}),
        ]
        if spec.audit:
            tries.append(("history", "GET", "/history", None, {}))
        tries += [
            ("actions", "POST", f"/{action.name}", _values(action.parameters), {}) for action in spec.actions
        ]
        for kind, method, suffix, body, headers in tries:
            detail = f"{method} {spec.path}/…{suffix}"
            both = [
                asker(self.first, method, f"{spec.path}/{id}{suffix}", body, headers)
                for id in (foreign, missing)
            ]
            self._alike_http(spec, kind, detail, *both)
        for field in _references(self.app, spec):
            target = self.rows.rows.get(field.ref.model) if field.ref else None
            if target is not None:
                ids = (target[-1].id, uuid7())
                both = [asker(self.first, "PATCH", f"{spec.path}/{own}", {field.name: str(id)}) for id in ids]
                self._alike_http(spec, "relate", f"PATCH {spec.path}/… {field.name}", *both)
        self._cursor(spec, asker)

    def _alike_http(
        self, spec: ModelSpec, kind: str, detail: str, foreign: Answered, missing: Answered
    ) -> None:
        leak = ""
        if foreign.shape != missing.shape:
            leak = f"a foreign row: {foreign.shape!r:.{SHORT}}; a missing one: {missing.shape!r:.{SHORT}}"
        elif foreign.status < 400 or foreign.status >= 500:
            leak = f"status {foreign.status}"
        self._record(spec.qualified, "HTTP", kind, detail, leak)

    def _cursor(self, spec: ModelSpec, asker: Asker) -> None:
        following = asker(self.second, "GET", f"{spec.path}?limit=1").next
        if following:
            answered = asker(self.first, "GET", following)
            leak = "" if answered.status in {400, 403, 410, 422} else f"status {answered.status}"
            self._record(spec.qualified, "HTTP", "cursor", "one of the other tenant's", leak)

    def _statements(self, spec: ModelSpec) -> None:
        """The tenant's column, given by hand."""
        with self._scope() as scope:
            executor = scope[Executor]
            for table in executor_tables(scope, spec):
                moved = table.update().values(tenant_id=self.second)
                given = table.insert().values({c.name: None for c in table.c} | {"tenant_id": self.second})
                for kind, statement in (("update", moved), ("insert", given)):
                    leak = _taken(executor, statement)
                    self._record(spec.qualified, "statement", kind, f"{table.name}.tenant_id", leak)

    # ---- what the first one does to rows that look the same

    def _write(self, spec: ModelSpec) -> None:
        theirs = self._theirs(spec)
        service: Any = IDomainService[spec.cls]  # type: ignore[name-defined]
        store: Any = IDomain[spec.cls]  # type: ignore[name-defined]
        first, second, third = self.rows.same(spec)
        changed = _changed_field(spec, self.rows.foreign(spec)[0])

        def update(scope: Scope) -> None:
            entity = scope[store].get_by_id(first.id)
            if changed is not None:
                setattr(entity, changed[0], changed[1])
            scope[service].update(entity)

        writes: list[tuple[str, str, Callable[[Scope], Any]]] = [("update", "its own row", update)]
        for action in spec.actions:
            declared = getattr(spec.cls, action.name, action.action)
            given = _values(action.parameters)
            writes.append(("actions", action.name, partial(_run, service, declared, given, second.id)))
        copies = [deepcopy(entity) for entity in self.rows.foreign(spec)]
        writes.append(("bulk", "rows with the other one's ids", lambda s: s[service].create_many(copies)))
        writes.append(("delete", "its own row", lambda s: s[service].delete(third.id)))
        writes.append(("delete", "from its store", lambda s: s[store].delete(s[store].get_by_id(second.id))))
        for kind, detail, call in writes:
            with self._scope() as scope:
                said(partial(call, scope))
            self._unchanged(spec, "service", kind, detail, theirs)
        if self.asker is not None and spec.remote:
            path = f"{spec.path}/{first.id}"
            for kind, method, where, body in (
                ("update", "PATCH", path, {changed[0]: changed[1]} if changed else {}),
                ("delete", "DELETE", path, None),
                ("create", "POST", spec.path, {}),
            ):
                self.asker(self.first, method, where, body)
                self._unchanged(spec, "HTTP", kind, f"{method} {where}", theirs)

    def _unchanged(self, spec: ModelSpec, route: str, kind: str, detail: str, theirs: str) -> None:
        now = self._theirs(spec)
        self._record(
            spec.qualified, route, kind, detail, "" if now == theirs else "the other tenant's rows changed"
        )

    # ---- naming the other tenant

    def _name_the_other(self, asker: Asker) -> None:
        for detail, path, header in (
            ("Prefiq-Tenant", "/api/me", True),
            ("the path", "/t/{}/api/me", False),
            ("the path, and no route there", "/t/{}/api/nothing", False),
        ):
            both = [
                asker(self.first, "GET", path.format(name), None, {"prefiq-tenant": name} if header else {})
                for name in (self.second, "nobody-at-all")
            ]
            leak = "" if both[0].told == both[1].told else "an existing tenant is told from one that is not"
            if both[0].status != 403:
                leak = f"status {both[0].status}"
            self._record("", "HTTP", "name", detail, leak)


def _reaches(spec: ModelSpec) -> Iterator[tuple[str, str, Callable[[Scope, Any], Any]]]:
    """Everything that takes an id."""
    service: Any = IDomainService[spec.cls]  # type: ignore[name-defined]
    store: Any = IDomain[spec.cls]  # type: ignore[name-defined]
    yield "read", "get", lambda scope, key: scope[service].get(key)
    yield "read", "get_by_id", lambda scope, key: scope[store].get_by_id(key)
    yield "read", "get_many", lambda scope, key: scope[store].get_many([key])
    yield "history", "history", lambda scope, key: list(scope[service].history(key))
    yield "delete", "delete", lambda scope, key: scope[service].delete(key)
    for action in spec.actions:
        declared, given = getattr(spec.cls, action.name, action.action), _values(action.parameters)
        yield "actions", action.name, partial(_act, service, declared, given)


def _act(service: Any, action: Any, given: dict[str, Any], scope: Scope, key: Any) -> Any:
    return scope[service].run(action, key, **given)


def _run(service: Any, action: Any, given: dict[str, Any], key: Any, scope: Scope) -> Any:
    return _act(service, action, given, scope, key)


def _references(app: Application, spec: ModelSpec) -> Iterator[FieldSpec]:
    """References to tenants' rows that callers may set."""
    for field in spec.fields:
        target = app.catalog.get(field.ref.model) if field.ref is not None and field.ref.model else None
        if target is not None and target.scope == "tenant" and not field.hidden and not field.read_only:
            yield field


def _taken(executor: Executor, statement: Any) -> str:
    """How it was that a statement was taken; empty where it was refused."""
    try:
        with executor.tx():
            executor.exec(statement)
            raise Undone  # noqa: TRY301
    except Undone:
        return "the statement was taken"
    except StatementRefused:
        return ""
    except PrefiqError as error:  # the next row might not be in its way
        return f"the statement was sent, and failed: {type(error).__name__}"


def _changed_field(spec: ModelSpec, other: Any) -> tuple[str, Any] | None:
    """A field that callers may change at will, and another entity's value of it."""
    for field in spec.fields:
        if field.kind in {"str", "text", "int"} and not (
            field.unique or field.is_status or field.ref or field.hidden or field.read_only
        ):
            return field.name, getattr(other, field.name)
    return None


def _values(parameters: tuple[FieldSpec, ...]) -> dict[str, Any]:
    """Arguments of an action, as far as they can be made up."""
    texts: dict[str, Any] = {"str": "attack", "text": "attack", "int": 1, "bool": True}
    return {p.name: texts[p.kind] for p in parameters if p.kind in texts and p.required}
