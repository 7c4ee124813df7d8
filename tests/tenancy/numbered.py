"""The attacks of the research note, by its numbers: what is tried here, what other tests try, and what waits.

Each one that is tried here is a function that returns what got through; ``guard`` says how its guard is taken
away, and then it must return something: an attack that never succeeds proves nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from tests.unit.web.conftest import Project, Step, Task

from prefiq import Application, IDomain, IDomainService, Page, can, where
from prefiq.bridge import in_bridge
from prefiq.contracts import Bound, Scope
from prefiq.contracts import scope as scopes
from prefiq.contracts.scope import current_scope, standing_in
from prefiq.errors import PrefiqError
from prefiq.sql import (
    ConnectionManager,
    Executor,
    Tables,
    held_connection,
    scoped_compiler,
    tenant_scope,
    transactions,
)
from prefiq.testing.attacks.asking import Asker
from prefiq.testing.attacks.look_alikes import LookAlikes
from prefiq.web import auth, query

ACME, GLOBEX = "acme", "globex"
Monkey = pytest.MonkeyPatch


class TheyCannotLookAlike(Exception):
    """The second tenant was not let have the first one's values."""


class Place:
    """An application with two tenants that look alike: the rows of acme, and of globex the same and more.

    Args:
        app: Empty, with its tables and tenants.
        asker: Asks its API.
    """

    def __init__(self, app: Application, asker: Asker) -> None:
        self.app, self.asker = app, asker
        rows = LookAlikes(app, "row")
        rows.store_shared()
        rows.store(ACME, foreign=False)
        rows.store(GLOBEX, foreign=True)
        if Project not in {spec.cls for spec in rows.specs}:
            raise TheyCannotLookAlike
        self.same: Project = rows.same(app.catalog[Project])[0]
        self.foreign: Project = rows.foreign(app.catalog[Project])[0]
        self.foreign_task: Task = rows.foreign(app.catalog[Task])[0]
        self.own = len(rows.same(app.catalog[Project]))
        self.theirs = self.rows_of(GLOBEX)

    def scope(self, tenant: str = ACME) -> Scope:
        return self.app.scope(tenant, can("*"))

    def rows_of(self, tenant: str) -> list[str]:
        """Everything that a tenant has, past the scoped door."""
        manager = self.app.container.resolve(None, ConnectionManager)
        tables = self.app.container.resolve(None, Tables)
        with manager.schema_connection() as connection:
            return [
                repr(tuple(row))
                for model in (Project, Task)
                for row in connection.execute(
                    tables[model]
                    .select()
                    .where(tables[model].c.tenant_id == tenant)
                    .order_by(tables[model].c.id)
                )
            ]

    def inside(self, scope: Scope, tenant: str) -> list[int]:
        """How many rows a tenant has, past the scoped door, as the scope's open transaction sees it."""
        self.count(scope)
        executor: Any = scope[Executor]
        counts = []
        for model in (Task, Step):
            cursor = executor._connection.connection.cursor()
            name = self.table(model).name
            cursor.execute(f"SELECT id FROM {name} WHERE tenant_id = '{tenant}'")
            counts.append(len(cursor.fetchall()))
        return counts

    def table(self, model: type = Project) -> sa.Table:
        return self.app.container.resolve(None, Tables)[model]

    def count(self, scope: Scope) -> int:
        return len(scope[Executor].query(sa.select(self.table().c.id)))


def tried(call: Callable[[], Any]) -> Any:
    """What a call gives; None where Prefiq refuses it."""
    try:
        return call()
    except PrefiqError:
        return None


@contextmanager
def undone(executor: Executor) -> Iterator[None]:
    """A transaction that leaves nothing."""

    class Undone(Exception):
        pass

    try:
        with executor.tx():
            yield
            raise Undone  # noqa: TRY301
    except Undone:
        return


# ---- guards, and how each is taken away


def no_predicate(monkey: Monkey) -> None:
    def true(self: Any, table: Any, named: Any) -> Any:
        self._tenant_value(table.name)
        return sa.true()

    monkey.setattr(scoped_compiler._Scoping, "_predicate", true)


def no_confined_writes(monkey: Monkey) -> None:
    def unconfined(self: Any, statement: Any) -> Any:
        state = statement._compile_state_factory(statement, self)
        self._confine([statement.table, *(state._extra_froms or ())])
        return statement

    monkey.setattr(scoped_compiler._Scoping, "_confined_dml", unconfined)


def a_default_tenant(monkey: Monkey) -> None:
    """As if a tenant were assumed where none is bound."""
    monkey.setattr(scoped_compiler, "_current_tenant", lambda: GLOBEX)
    monkey.setattr(tenant_scope.TenantScope, "require_tenant", lambda self, table: GLOBEX)
    original = scoped_compiler._Scoping.construct_params

    def lenient(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = Scope(Bound(GLOBEX))
        with standing_in(bound):
            return original(self, *args, **kwargs)

    monkey.setattr(scoped_compiler._Scoping, "construct_params", lenient)


def tenant_remembered(monkey: Monkey) -> None:
    """As if the compiled statement, the thread or the connection kept the tenant that it saw first."""
    seen: list[str] = []
    original = scoped_compiler._current_tenant

    def first() -> str:
        seen.append(original())
        return seen[0]

    monkey.setattr(scoped_compiler, "_current_tenant", first)


def no_refused_column(monkey: Monkey) -> None:
    monkey.setattr(scoped_compiler, "_refuse_tenant", lambda *_: None)


def tenant_may_change(monkey: Monkey) -> None:
    """As if a unit of work did not remember what it began for."""
    of_the_scope = property(lambda self: self._scope.tenancy, lambda self, value: None)
    monkey.setattr(held_connection.HeldConnection, "_tenancy", of_the_scope, raising=False)


def no_restored_scope(monkey: Monkey) -> None:
    monkey.setattr(Scope, "__exit__", lambda self, *_: self.close())
    monkey.setattr(scopes, "_open", lambda scope: scope)


def callbacks_as_they_come(monkey: Monkey) -> None:
    monkey.setattr(transactions, "standing_in", lambda scope: nullcontext())


def raw_sql_unread(monkey: Monkey) -> None:
    monkey.setattr(tenant_scope.TenantScope, "check_raw", lambda *_, **__: False)


def any_tenant_by_name(monkey: Monkey) -> None:
    monkey.setattr(auth.Identity, "tenant", lambda self, wanted: (wanted or b"").decode() or self.default)


def any_parameter(monkey: Monkey) -> None:
    """As if the API let through what is not declared, as a filter on the tenant."""
    original = query.split_query
    monkey.setattr(
        query, "split_query", lambda raw: [pair for pair in original(raw) if not pair[0].startswith("tenant")]
    )


def any_key(monkey: Monkey) -> None:
    from prefiq.lowcode import validation

    monkey.setattr(validation.Validator, "check", lambda self, entity, *_, **__: None)


# ---- the list


@dataclass(slots=True)
class Numbered:
    """One attack of the list.

    Args:
        title: What it is.
        run: Tries it; what got through.
        guard: Takes its guard away.
        engines: On which engines its guard is the last one; there it is taken away.
        proofs: Tests that try it, where it is not tried here.
        waits: What it waits for, where nothing can try it yet.
    """

    title: str
    run: Callable[[Place], list[str]] | None = None
    guard: Callable[[Monkey], None] | None = None
    engine: str = "sqlite"
    proofs: tuple[str, ...] = ()
    waits: str = ""
    more: tuple[str, ...] = field(default=())


ATTACKS: dict[int, Numbered] = {}


def attack(
    number: int, title: str, guard: Callable[[Monkey], None], engine: str = "sqlite", *more: str
) -> Any:
    """Put a function into the list."""

    def put(run: Callable[[Place], list[str]]) -> Any:
        ATTACKS[number] = Numbered(title, run, guard, engine, more=more)
        return run

    return put


def elsewhere(number: int, title: str, *proofs: str) -> None:
    ATTACKS[number] = Numbered(title, proofs=proofs)


def waits(number: int, title: str, reason: str, *proofs: str) -> None:
    ATTACKS[number] = Numbered(title, waits=reason, proofs=proofs)


# ---- context


@attack(1, "no tenant bound", a_default_tenant)
def no_tenant(place: Place) -> list[str]:
    with place.app.scope(as_system="attack") as scope:
        rows = tried(lambda: scope[Executor].query(sa.select(place.table().c.code)))
        stored = tried(lambda: list(scope[IDomain[Project]].stream()))
    return [f"{len(found)} rows" for found in (rows, stored) if found]


@attack(2, "tenant changed inside a transaction", tenant_may_change)
def tenant_changed(place: Place) -> list[str]:
    leaks = []
    with place.scope() as scope:
        executor = scope[Executor]
        place.count(scope)
        with undone(executor):
            before, scope.tenancy = scope.tenancy, Bound(GLOBEX)
            if tried(lambda: place.count(scope)) == place.own + 3:
                leaks.append("globex's rows in acme's transaction")
            scope.tenancy = before
    return leaks


@attack(3, "thread pool without context", a_default_tenant)
def thread_without_context(place: Place) -> list[str]:
    """A bare thread has no scope; what it asks past the executor is bound to nobody."""
    connections = place.app.container.resolve(None, ConnectionManager)

    def work() -> list[Any] | None:
        try:
            with connections.checkout()[0] as connection:
                return list(connection.execute(sa.select(place.table().c.id)))
        except (PrefiqError, sa.exc.StatementError):
            return None

    if in_bridge():
        with standing_in(None):  # a thread could not wait for the loop's driver
            found = work()
    else:
        with place.scope(), ThreadPoolExecutor(1) as pool:
            found = pool.submit(work).result()
    return [f"{len(found)} rows"] if found else []


@attack(4, "two interleaved units of work, one pool", tenant_remembered)
def interleaved(place: Place) -> list[str]:
    with place.scope() as acme, place.scope(GLOBEX) as globex:
        seen = []
        for _ in range(5):
            seen += [place.count(acme), place.count(globex)]
    return [] if seen == [place.own, place.own + 3] * 5 else [f"counts {seen}"]


@attack(5, "an error between bind and query, then the connection again", tenant_remembered)
def after_an_error(place: Place) -> list[str]:
    leaks = []
    for tenant, expected in ((GLOBEX, place.own + 3), (ACME, place.own)) * 3:
        try:
            with place.scope(GLOBEX if tenant == ACME else ACME) as other, other[Executor].tx():
                place.count(other)
                raise ZeroDivisionError  # noqa: TRY301
        except ZeroDivisionError:
            pass
        with place.scope(tenant) as scope:
            if (found := place.count(scope)) != expected:
                leaks.append(f"{tenant} sees {found}")
    return leaks


elsewhere(
    6,
    "a stream that outlives its request",
    "tests/unit/sql/test_executor.py::test_stream_ends_with_its_scope",
)
waits(7, "a job, its retry or its dead letter runs for another tenant", "background jobs are a later step")


@attack(8, "a callback after the commit, called while another tenant's scope is open", callbacks_as_they_come)
def after_commit(place: Place) -> list[str]:
    seen: list[str] = []
    with place.scope() as scope, place.scope(GLOBEX), scope[Executor].tx():
        scope[Executor].after_commit(lambda: seen.append(current_scope().tenant))
        place.count(scope)
    return [] if seen == [ACME] else [f"called for {seen}"]


@attack(9, "nested scopes, and an error in the inner one", no_restored_scope)
def nested(place: Place) -> list[str]:
    with place.scope() as scope:
        place.count(scope)
        try:
            with place.scope(GLOBEX) as inner:
                place.count(inner)
                raise ZeroDivisionError  # noqa: TRY301
        except ZeroDivisionError:
            pass
        found = tried(lambda: current_scope().tenant)
    return [] if found == ACME else [f"afterwards {found} is bound"]


elsewhere(
    10,
    "an object of the application's that captured a tenant",
    "tests/unit/container/test_validator.py::test_captive_is_found_through_objects_that_are_new_each_time",
    "tests/unit/container/test_validator.py::test_scope_itself_is_captive_too",
)

# ---- pools

STAMPS = "tests/tenancy/test_wall_stamps.py::"
elsewhere(
    11,
    "a setting kept by commit, then the next checkout",
    STAMPS + "test_units_of_work_see_their_own_tenant_on_one_connection",
)
elsewhere(12, "connections in autocommit", STAMPS + "test_nobody_is_shown_anything_before_it_is_stamped")
elsewhere(
    13,
    "a transaction pooler, two clients",
    "tests/tenancy/test_wall_pooler.py::test_two_tenants_share_one_connection",
    "tests/tenancy/test_wall_pooler.py::test_without_the_setting_tenants_would_meet",
)


@attack(14, "a temporary table or view that shadows a real one", raw_sql_unread, "mariadb")
def shadow(place: Place) -> list[str]:
    leaks = []
    name = place.table().name
    for sql in (
        f"CREATE TEMPORARY TABLE {name} (id INT)", f"CREATE TEMP VIEW {name} AS SELECT 1", f"CREATE TABLE x AS SELECT * FROM {name}",
        f"CREATE TEMPORARY TABLE x_{uuid.uuid4().hex[:8]} (id INT)",
    ):  # fmt: skip
        with place.scope() as scope:
            try:
                scope[Executor].exec(sql)
                leaks.append(sql)
            except PrefiqError as error:
                if "Refused" not in type(error).__name__:
                    leaks.append(f"sent: {sql}")
    return leaks


@attack(15, "one prepared statement for many tenants", tenant_remembered)
def prepared(place: Place) -> list[str]:
    counts = []
    for tenant in (ACME, GLOBEX) * 8:  # psycopg prepares at the fifth time
        with place.scope(tenant) as scope:
            counts.append(place.count(scope))
    return [] if counts == [place.own, place.own + 3] * 8 else [f"counts {counts}"]


@attack(16, "a session variable, or USE, left on a connection", raw_sql_unread, "mariadb")
def left_on_the_connection(place: Place) -> list[str]:
    leaks = []
    for sql in (
        "USE mysql",
        "SET @tenant = 'globex'",
        "SET search_path TO other",
        "SET SESSION sql_mode = ''",
    ):
        with place.scope() as scope:
            try:
                scope[Executor].exec(sql)
                leaks.append(sql)
            except PrefiqError as error:
                if "Refused" not in type(error).__name__:
                    leaks.append(f"sent: {sql}")
    return leaks


elsewhere(
    17,
    "a connection that is cut off in mid-transaction",
    "tests/faults/test_backends_killed.py::test_killed_between_the_statements_of_a_transaction",
    STAMPS + "test_another_connection_is_stamped_too",
)
elsewhere(
    18,
    "a pool that is evicted while a query runs",
    "tests/unit/sql/test_tenant_pools.py::test_what_is_in_use_is_never_closed",
    "tests/unit/sql/test_tenant_pools.py::test_threads_share_the_budget",
)

# ---- statements


@attack(19, "a query without WHERE", no_predicate)
def without_where(place: Place) -> list[str]:
    with place.scope() as scope:
        found = place.count(scope)
    return [] if found == place.own else [f"{found} rows"]


@attack(20, "OR TRUE", no_predicate)
def or_true(place: Place) -> list[str]:
    table = place.table()
    with place.scope() as scope:
        found = len(
            scope[Executor].query(sa.select(table.c.id).where(sa.or_(table.c.code == "x", sa.true())))
        )
    return [] if found == place.own else [f"{found} rows"]


SHAPES = "tests/tenancy/test_shapes.py::"
elsewhere(21, "every shape of SELECT, INSERT, UPDATE, DELETE, upsert",
          SHAPES + "test_a_read_finds_what_it_finds_alone", SHAPES + "test_a_write_does_what_it_does_alone",
          "tests/unit/sql/test_scoped_compiler.py::test_suite_notices_a_compiler_with_a_fault")  # fmt: skip


@attack(22, "UPDATE and DELETE by a sub-select", no_confined_writes)
def by_a_subselect(place: Place) -> list[str]:
    table, leaks = place.table(), []
    other = table.alias("other")
    ids = sa.select(sa.select(other.c.id).order_by(other.c.code).limit(2).subquery().c.id)
    with place.scope() as scope:
        for statement in (
            sa.update(table).where(table.c.id.in_(ids)).values(name="stolen"),
            sa.delete(place.table(Task)).where(place.table(Task).c.project_id.in_(ids)),
        ):
            with undone(scope[Executor]):
                changed = scope[Executor].exec(statement)
                if changed > 2:
                    leaks.append(f"{changed} rows")
    return leaks


@attack(23, "bulk with another tenant's key", no_refused_column)
def bulk_of_another(place: Place) -> list[str]:
    table = place.table(Task)
    row = {"tenant_id": GLOBEX, "id": uuid.uuid4(), "version": 1, "title": "planted", "project_id": None}
    leaks = []
    with place.scope() as scope:
        for statement in (sa.insert(table), sa.insert(table).values([row])):
            with undone(scope[Executor]):
                given = [row] if statement._multi_values == () else None
                taken = tried(
                    lambda s=statement, g=given: scope[Executor].bulk(s, g) if g else scope[Executor].exec(s)
                )
                if taken:
                    leaks.append(f"{taken} rows")
    return leaks


@attack(24, "change of tenant_id", no_refused_column)
def moved(place: Place) -> list[str]:
    table = place.table(Task)
    with place.scope() as scope, undone(scope[Executor]):
        mine = {"id": uuid.uuid4(), "version": 1, "title": "mine", "project_id": None}
        scope[Executor].exec(sa.insert(table).values(**mine))
        changed = tried(
            lambda: scope[Executor].exec(
                sa.update(table).where(table.c.id == mine["id"]).values(tenant_id=GLOBEX)
            )
        )
    return [f"{changed} rows moved"] if changed else []


@attack(25, "get, exists, count, aggregate and cursor of a foreign row", no_predicate)
def foreign_row(place: Place) -> list[str]:
    leaks = []
    table, id_ = place.table(), place.foreign.id
    with place.scope() as scope:
        store, service = scope[IDomain[Project]], scope[IDomainService[Project]]
        for name, call in {
            "get": lambda: service.get(id_),
            "get_by": lambda: store.get_by("code", place.foreign.code),
            "get_many": lambda: store.get_many([id_]) or None,
            "count": lambda: store.count(where(id=id_)) or None,
            "list": lambda: service.list(Page(), where(code=place.foreign.code)).items or None,
            "exists": lambda: scope[Executor].scalar(sa.select(sa.exists().where(table.c.id == id_))) or None,
            "largest": lambda: (
                scope[Executor].scalar(sa.select(sa.func.count()).where(table.c.id == id_)) or None
            ),
        }.items():
            if tried(call) is not None:
                leaks.append(name)
    following = place.asker(GLOBEX, "GET", "/api/projects/projects?limit=1").next
    if place.asker(ACME, "GET", following).status < 400:
        leaks.append("cursor")
    return leaks


@attack(26, "the same id in two tenants, again and again", tenant_remembered)
def same_id(place: Place) -> list[str]:
    leaks = []
    with place.scope(GLOBEX) as scope:
        own = scope[IDomain[Project]].get_by_id(place.same.id)
        own.name = "of globex alone"
        scope[IDomain[Project]].update(own)
    for _ in range(3):
        for tenant, name in ((ACME, place.same.name), (GLOBEX, "of globex alone")):
            with place.scope(tenant) as scope:
                table = place.table()
                if scope[Executor].scalar(sa.select(table.c.name).where(table.c.id == place.same.id)) != name:
                    leaks.append(tenant)
    return leaks


@attack(27, "FOR UPDATE", no_predicate)
def locked(place: Place) -> list[str]:
    table = place.table()
    with place.scope() as scope, undone(scope[Executor]):
        rows = scope[Executor].query(sa.select(table.c.id).with_for_update())
    return [] if len(rows) == place.own else [f"{len(rows)} rows"]


elsewhere(28, "a second MetaData, sa.table(), an alias of an alias, a reflected table",
          SHAPES + "test_a_read_finds_what_it_finds_alone")  # fmt: skip
elsewhere(29, "text, hints, literal columns", SHAPES + "test_what_is_not_known_to_be_safe_is_refused")


@attack(30, "names in the query that reach the tenant or a relation", any_parameter)
def names_in_the_query(place: Place) -> list[str]:
    leaks = []
    for tail in ("tenant_id=globex", "tenant_id.ne=acme", "tenant=globex", "sort=tenant_id", "fields=tenant_id",
                 "include=tenant", "project.tenant_id=globex"):  # fmt: skip
        answered = place.asker(ACME, "GET", f"/api/projects/tasks?{tail}")
        if answered.status != 422:
            leaks.append(f"{tail}: {answered.status}")
    return leaks


def keys_without_tenant(monkey: Monkey) -> None:
    """As if the database knew no references; the database is made with it."""
    monkey.setattr(Tables, "_add_reference", lambda *_: None)


@attack(31, "a link to a row of another tenant", keys_without_tenant)
def linked(place: Place) -> list[str]:
    with place.scope() as scope, undone(scope[Executor]):
        task = Task(title="linked", project_id=place.foreign.id)
        made = tried(lambda: scope[IDomain[Task]].save(task))
    return ["the link was made"] if made is not None else []


@attack(32, "a foreign parent and a missing one look alike", keys_without_tenant)
def parents_alike(place: Place) -> list[str]:
    answers = [
        place.asker(ACME, "POST", "/api/projects/tasks", {"title": "t", "project_id": str(id_)})
        for id_ in (place.foreign.id, uuid.uuid4())
    ]
    same = answers[0].shape == answers[1].shape and answers[0].status == 422
    return [] if same else [f"{answers[0].status}, {answers[1].status}"]


@attack(33, "a delete that cascades", no_confined_writes)
def cascade(place: Place) -> list[str]:
    """Steps go with their task, by the database's own key."""
    with place.scope() as scope, undone(scope[Executor]):
        before = place.inside(scope, GLOBEX)
        tried(lambda: scope[Executor].exec(sa.delete(place.table(Task))))
        after = place.inside(scope, GLOBEX)
    return [] if before == after else [f"globex had {before}, and has {after}"]


def unique_over_all(monkey: Monkey) -> None:
    """As if unique values were everybody's; the database is made with it."""
    original = sa.Index

    def index(name: str, *columns: Any, **options: Any) -> Any:
        if options.get("unique") and "code" in {column.name for column in columns}:
            columns = tuple(column for column in columns if column.name != "tenant_id")
        return original(name, *columns, **options)

    from prefiq.sql import tables

    patched = type(
        "Sa", (), {"__getattr__": lambda self, name: index if name == "Index" else getattr(sa, name)}
    )()
    monkey.setattr(tables, "sa", patched)


@attack(34, "a unique value tells that another tenant has it", unique_over_all)
def unique_values(place: Place) -> list[str]:
    body = {"code": place.foreign.code, "name": "mine"}
    status = place.asker(ACME, "POST", "/api/projects/projects", body).status
    return [] if status == 201 else [f"status {status}"]


elsewhere(35, "numbers that all tenants share", SHAPES + "test_what_is_not_known_to_be_safe_is_refused",
          "tests/unit/lowcode/test_uuid7.py")  # fmt: skip

# ---- raw SQL

RAW = (
    "SET ROLE postgres", "SET SESSION AUTHORIZATION postgres", "SELECT set_config('prefiq.tenant', 'globex', false)", "RESET ALL",
    "DISCARD ALL", "SELECT 1; SELECT * FROM projects_project", "SELECT 1; SET @x = 1", "SELECT /* */ id FROM projects_project",
    "SELECT id FROM projects_project -- x", "/*! SELECT */ SELECT id FROM projects_project",
)  # fmt: skip
QUALIFIED = (
    "SELECT id FROM public.projects_project", "SELECT id FROM main.projects_project", "SELECT id FROM other.projects_project",
    "ATTACH DATABASE '/tmp/x' AS x", 'SELECT id FROM "projects_project"', "SELECT id FROM `projects_project`",
    "SELECT id FROM [projects_project]", "SELECT id FROM pg_temp.projects_project",
)  # fmt: skip
REACHING = (
    "CREATE VIEW x AS SELECT * FROM projects_project", "CREATE TABLE x (LIKE projects_project)", "TRUNCATE projects_project",
    "COPY projects_project TO STDOUT", "CALL x()", "SELECT * FROM x_view_of_all", "LOAD DATA INFILE 'x' INTO TABLE projects_project",
)  # fmt: skip


def raw(place: Place, texts: tuple[str, ...]) -> list[str]:
    """Those of the texts that reach the server."""
    leaks = []
    for sql in texts:
        with place.scope() as scope:
            try:
                scope[Executor].query(sql)
                leaks.append(sql)
            except PrefiqError as error:
                # SQLite's own authorizer, and names that nobody has, come to the same.
                if type(error).__name__ not in {"RawSqlRefused", "SchemaMissing", "DatabaseError"}:
                    leaks.append(f"{type(error).__name__}: {sql}")
    return leaks


attack(36, "SET, SET ROLE, RESET, DISCARD, stacked statements, comments", raw_sql_unread, "mariadb")(
    lambda place: raw(place, RAW)
)
attack(37, "names with another schema or database, ATTACH", raw_sql_unread, "mariadb")(
    lambda place: raw(place, QUALIFIED)
)
attack(38, "views, copies, functions, TRUNCATE, COPY", raw_sql_unread, "mariadb")(
    lambda place: raw(place, REACHING)
)
ATTACKS[38].more = ("tests/tenancy/test_wall_doctor.py::test_what_the_wall_does_not_cover_is_listed",)


@attack(39, "catalogs, activity, plans, and values in errors", raw_sql_unread, "mariadb")
def catalogs(place: Place) -> list[str]:
    leaks = raw(place, (
        "SELECT query FROM pg_stat_activity", "SELECT table_rows FROM information_schema.tables",
        "EXPLAIN SELECT * FROM projects_project", "SHOW PROCESSLIST", "SELECT * FROM pg_stats",
    ))  # fmt: skip
    with place.scope() as scope, undone(scope[Executor]):
        twin = deepcopy(place.same)
        twin.id = uuid.uuid4()
        twin.version = 0
        try:
            scope[IDomain[Project]].save(twin)
            leaks.append("a second row with a unique value")
        except PrefiqError as error:
            if place.same.code in str(error):
                leaks.append("the value stands in the error")
    return leaks


elsewhere(40, "a table that was migrated without its policy",
          "tests/tenancy/test_wall_doctor.py::test_every_breach_is_found")  # fmt: skip

# ---- names of tenants

KEYS = {
    41: ("../x", "/etc/x", "a\0b", "a/b", ".", "..", "~", "a\\b"),
    42: ('a"b', "a'b", "a;b", "a`b", "a b", "a--", "a$b", "a%b"),
    43: ("Acme", "ACME", "acmé", "acme\u200b", "ａcme", "acme ", "a" * 64, "a" * 63 + "b"),
}


def refused_keys(place: Place, keys: tuple[str, ...]) -> list[str]:
    taken = []
    for key in keys:
        try:
            place.app.tenants.create(key)
            taken.append(key)
        except PrefiqError:
            pass
        if place.app.tenants.is_active(key):
            taken.append(f"{key!r} is served")
    return taken


for _number, _title in ((41, "paths"), (42, "quotes and signs"), (43, "case, Unicode, length")):
    attack(_number, f"{_title} in a tenant's name", any_key)(
        lambda place, number=_number: refused_keys(place, KEYS[number])
    )
elsewhere(
    44,
    "public, pg_*, information_schema, mysql as a tenant's place",
    "tests/unit/sql/test_tenant_places.py::test_no_other_name_is_taken",
    "tests/engines/test_tenant_places.py::test_what_is_somebody_elses_is_not_touched",
)


@attack(45, "header and path disagree with the token", any_tenant_by_name)
def disagreeing(place: Place) -> list[str]:
    leaks = []
    for path, headers in (("/api/me", {"prefiq-tenant": GLOBEX}), (f"/t/{GLOBEX}/api/me", {})):
        answered = place.asker(ACME, "GET", path, None, headers)
        if answered.status != 403:
            leaks.append(f"{path}: {answered.status}")
    return leaks


HINTS = "tests/unit/web/test_tenant_hints.py::"
elsewhere(46, "a token of one tenant on another's host",
          HINTS + "test_a_token_of_one_tenant_is_no_good_on_the_host_of_another",
          HINTS + "test_forwarded_hosts_count_from_trusted_proxies_alone")  # fmt: skip
elsewhere(47, "a tenant that is suspended or deleted",
          HINTS + "test_unknown_suspended_and_foreign_tenants_cannot_be_told_apart",
          "tests/unit/application/test_tenants.py::test_states_and_who_is_served")  # fmt: skip
elsewhere(
    48,
    "the name of a deleted tenant",
    "tests/unit/application/test_tenants.py::test_name_of_one_that_is_gone_is_forgotten",
)


# ---- side channels


@attack(49, "an ETag of another tenant's row", no_predicate)
def etags(place: Place) -> list[str]:
    path = f"/api/projects/projects/{place.foreign.id}"
    answers = [
        place.asker(ACME, "GET", path, None, {"if-none-match": '"1"'}).status,
        place.asker(ACME, "PATCH", path, {"name": "x"}, {"if-match": '"1"'}).status,
    ]
    return [] if answers == [404, 404] else [f"{answers}"]


elsewhere(50, "an export or a history with another tenant's rows",
          "tests/unit/application/test_tenant_export.py::test_csv_holds_every_value",
          "tests/tenancy/test_attacks.py::test_no_attack_on_the_isolation_of_tenants_gets_through")  # fmt: skip


@attack(51, "a foreign id is told from a missing one", no_predicate)
def told_apart(place: Place) -> list[str]:
    leaks = []
    for method, suffix, body in (("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None),
                                 ("GET", "/history", None), ("POST", "/rename", {"name": "x"})):  # fmt: skip
        both = [
            place.asker(ACME, method, f"/api/projects/projects/{id_}{suffix}", body).shape
            for id_ in (place.foreign.id, uuid.uuid4())
        ]
        if both[0] != both[1]:
            leaks.append(f"{method} {suffix}")
    return leaks


waits(52, "a process that remembers a tenant's old place", "moving a tenant is a later step",
      "tests/unit/application/test_tenants.py::test_lease_begins_before_the_question")  # fmt: skip
elsewhere(
    53,
    "a session across tenants, used for one",
    "tests/tenancy/test_wall_across.py::test_its_connections_serve_nobody_else",
)
waits(54, "a read replica bound to another tenant", "replicas are a later step")
