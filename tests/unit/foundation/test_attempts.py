"""The outermost use case is run again after a deadlock, as if the first try had never been."""

from __future__ import annotations

import asyncio
import copy
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.foundation.work import Job, Log, Stage, Step, WorkProvider, delivered

from prefiq import (
    ConcurrencyError,
    Executor,
    IDomain,
    IDomainService,
    ITransactions,
    Page,
    ProviderBase,
    RepositoryMemory,
    can,
    on,
    subscribe,
)
from prefiq.bridge import call
from prefiq.foundation import attempts
from prefiq.foundation.events import EntityChanged
from prefiq.sql.errors import (
    CommitUnknown,
    DatabaseError,
    DatabaseLocked,
    Deadlock,
    Disconnected,
    SerializationFailure,
    StatementTimeout,
    TransactionFailed,
    TransactionLost,
)

trouble: list[Exception] = []
"""What the next runs of a hook raise."""
told: list[str] = []


@on.before_create(Job)
def count_up(job: Job, logs: IDomain[Log]) -> None:
    """A hook that does not mind how often it ran: everything it touches, it changes."""
    job.name += "!"
    job.steps.append(Step(title="hooked"))
    for step in job.steps:
        step.title += "!"
    if trouble:
        raise trouble.pop(0)


@on.before_update(Job)
def change_more(job: Job) -> None:
    job.name += "?"
    if trouble:
        raise trouble.pop(0)


@subscribe(EntityChanged, model=Job, after_commit=True)
def tell(event: EntityChanged) -> None:
    told.append(event.entity.name)


class CountingProvider(ProviderBase):
    requires = ("work",)
    hooks = (count_up, change_more)
    subscribers = (tell,)


pytestmark = pytest.mark.prefiq(modules=[WorkProvider, CountingProvider])


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.0)
    trouble.clear()
    told.clear()
    delivered.clear()


@pytest.fixture
def jobs(scope: Any) -> Any:
    return scope[IDomainService[Job]]


class Faulty:
    """A session whose statement with a number fails once, as one of SQLite's does that finds a lock."""

    def __init__(self, session: Any, number: int) -> None:
        self._session = session
        self.left = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
            raise error

    def fetch(self, *arguments: Any) -> Any:
        self._count()
        return self._session.fetch(*arguments)

    def write(self, *arguments: Any) -> Any:
        self._count()
        return self._session.write(*arguments)

    def write_many(self, *arguments: Any) -> Any:
        self._count()
        return self._session.write_many(*arguments)

    def control(self, sql: str) -> None:
        if "ROLLBACK" not in sql:
            self._count()
        self._session.control(sql)


def injected(scope: Any, number: int) -> Faulty:
    executor: Any = scope[Executor]
    executor.scalar("SELECT 1")
    executor._session = executor._held = faulty = Faulty(executor._held, number)
    return faulty


def everything(scope: Any) -> Any:
    """All that a use case leaves behind, without what differs from run to run."""
    jobs = scope[IDomain[Job]].list(Page(limit=100, sort=("code",))).items
    history = [
        [(e.action, e.entity_version, sorted(e.changes), e.arguments) for e in service.history(job.id)]
        for service in (scope[IDomainService[Job]],)
        for job in jobs
    ]
    rows = [
        (job.code, job.name, job.version, str(job.stage), [step.title for step in job.steps]) for job in jobs
    ]
    texts = [log.text for log in scope[IDomain[Log]].list(Page(limit=100, sort=("id",))).items]
    return rows, history, texts, list(delivered), list(told)


UseCase = Callable[[], Any]


def create(service: Any, job: Job) -> UseCase:
    new = Job(code="A", name="x", steps=[Step(title="one"), Step(title="two")])
    return lambda: service.create(new)


def create_many(service: Any, job: Job) -> UseCase:
    new = [Job(code=code, name=code.lower(), steps=[Step(title=code)]) for code in "ACD"]
    return lambda: service.create_many(new) and new


def update(service: Any, job: Job) -> UseCase:
    job.name, job.budget, job.steps[0].title = "new", Decimal(7), "changed"
    job.steps.append(Step(title="last"))
    return lambda: service.update(job)


def update_unloaded(service: Any, job: Job) -> UseCase:
    twin = Job(id=job.id, version=job.version, code="A", name="z", made=job.made)
    return lambda: service.update(twin)


def move(service: Any, job: Job) -> UseCase:
    job.activate()
    return lambda: service.update(job)


def delete(service: Any, job: Job) -> UseCase:
    return lambda: service.delete(job.id)


def run(service: Any, job: Job) -> UseCase:
    return lambda: service.run(Job.rename, job.id, name="renamed")


def run_on(service: Any, job: Job) -> UseCase:
    job.budget = Decimal(3)
    return lambda: service.run(Job.activate, job)


@pytest.mark.parametrize("prepare", [create, create_many, update, update_unloaded, move, delete, run, run_on])
def test_a_fault_in_any_statement_changes_nothing_of_the_outcome(app: Any, prepare: Any) -> None:
    """Rows, children, history, hooks, events and the entities themselves, for every statement in turn."""

    def outcome(tenant: str, number: int) -> tuple[Any, Any, int]:
        with app.scope(tenant, can("*")) as scope:
            service = scope[IDomainService[Job]]
            use_case = prepare(service, service.create(Job(code="B", name="y", steps=[Step(title="one")])))
            delivered.clear()
            told.clear()
            faulty = injected(scope, number)
            result = use_case()
            left = faulty.left
            found = result if isinstance(result, list) else [result] * (result is not None)
            values = [
                (e.code, e.name, e.version, str(e.stage), [s.title for s in e.steps], e._moves) for e in found
            ]
            stored = {job.id: job for job in scope[IDomain[Job]].list(Page(limit=100)).items}
            assert all(stored[e.id] == e and stored[e.id]._loaded == e._loaded for e in found)
            return everything(scope), values, left

    tenants = (f"tenant-{number}" for number in range(1000))

    def fresh() -> str:
        app.tenants.create(tenant := next(tenants))
        return tenant

    *expected, left = outcome(fresh(), 1_000_000)
    statements = 1_000_000 - left
    assert statements > 5
    for number in range(1, statements + 1):
        *found, left = outcome(fresh(), number)
        assert left <= -number + 1, "nothing was repeated"
        assert found == expected, f"statement {number} of {statements}"


@pytest.mark.parametrize(
    "error", [Deadlock, SerializationFailure, TransactionLost, Disconnected, DatabaseLocked]
)
def test_errors_that_may_go_away_are_repeated(jobs: Any, error: type[DatabaseError], caplog: Any) -> None:
    trouble.extend([error(), error()])
    with caplog.at_level(logging.INFO, "prefiq"):
        job = jobs.create(Job(code="A", name="x", steps=[Step(title="s")]))
    assert (job.name, [step.title for step in job.steps]) == ("x!", ["s!", "hooked!"])
    assert [r.message for r in caplog.records if r.name == attempts.__name__] == [
        f"work.Job.create is run again after {error.__name__}: try {number}" for number in (2, 3)
    ]
    assert told == ["x!"]


def test_it_is_given_up_in_the_end(jobs: Any, caplog: Any) -> None:
    """The entity is what it was before: the caller may try again."""
    trouble.extend(Deadlock() for _ in range(attempts.MOST_TRIES))
    job = Job(code="A", name="x", steps=[Step(title="s")])
    with pytest.raises(Deadlock):
        jobs.create(job)
    assert trouble == []
    assert "work.Job.create given up after 5 tries: Deadlock" in caplog.text
    assert job.version == 0
    assert jobs.list().items == []
    assert told == delivered == []


@pytest.mark.parametrize("error", [StatementTimeout(), CommitUnknown(), DatabaseError(), RuntimeError()])
def test_other_errors_are_not(jobs: Any, error: Exception) -> None:
    trouble.extend([error, Deadlock()])
    with pytest.raises(type(error)):
        jobs.create(Job(code="A", name="x"))
    assert len(trouble) == 1


@pytest.fixture(params=["sql", "memory"])
def store_of_jobs(request: pytest.FixtureRequest, app: Any) -> Any:
    """A service whose jobs are kept in the database, or in memory."""
    fork = app if request.param == "sql" else app.fork({IDomain[Job]: RepositoryMemory.of(Job)})
    with fork.scope("acme", can("*")) as scope:
        yield scope[IDomainService[Job]]


class Meddler:
    """Changes the row of a job while a use case has it in hand, and remembers the versions that it found.

    Args:
        service: Whose hooks it becomes one of.
        times: How often it does so.
    """

    def __init__(self, service: Any, times: int) -> None:
        self.repository, self.times = service.repository, times
        self.found: list[int] = []
        hooks = {
            event: (*service._hooks.get(event, ()), _Hook(self.change))
            for event in ("before_update", "before_delete")
        }
        service._hooks = {**service._hooks, **hooks}

    def change(self, job: Any) -> None:
        row = self.repository.get_by_id(job.id)
        self.found.append(row.version)
        if len(self.found) <= self.times:
            row.owner += "x"
            self.repository.update(row)


by_id = pytest.mark.parametrize(
    "use_case",
    [
        pytest.param(lambda jobs, key: jobs.run(Job.grant, key), id="run"),
        pytest.param(lambda jobs, key: jobs.delete(key), id="delete"),
    ],
)
as_read = pytest.mark.parametrize(
    "use_case",
    [
        pytest.param(lambda jobs, job: jobs.update(job), id="update"),
        pytest.param(lambda jobs, job: jobs.run(Job.grant, job), id="run"),
        pytest.param(lambda jobs, job: jobs.delete(job.id, version=job.version), id="delete"),
    ],
)


@by_id
def test_who_named_a_row_gets_the_row_as_it_is(store_of_jobs: Any, use_case: Any, caplog: Any) -> None:
    """Somebody else changed it after it was read here: it is read again."""
    job = store_of_jobs.create(Job(code="A", name="x"))
    meddler = Meddler(store_of_jobs, times=2)
    with caplog.at_level(logging.INFO, "prefiq"):
        use_case(store_of_jobs, job.id)
    assert len(meddler.found) == 3
    assert "is run again after ConcurrencyError: try 3" in caplog.text
    actions = [entry.action for entry in store_of_jobs.history(job.id)]
    assert actions in (["created", "grant"], ["created", "deleted"])


@as_read
def test_who_gave_a_version_is_told_that_there_is_another(store_of_jobs: Any, use_case: Any) -> None:
    """At once: what they had in mind may no longer be right."""
    job = store_of_jobs.create(Job(code="A", name="x"))
    job.name = "mine"
    meddler = Meddler(store_of_jobs, times=1)
    with pytest.raises(ConcurrencyError):
        use_case(store_of_jobs, job)
    assert len(meddler.found) == 1
    assert (job.version, store_of_jobs.get(job.id).owner) == (1, "")


@by_id
def test_a_row_that_changes_all_the_time_is_given_up(store_of_jobs: Any, use_case: Any) -> None:
    job = store_of_jobs.create(Job(code="A", name="x"))
    meddler = Meddler(store_of_jobs, times=100)
    with pytest.raises(ConcurrencyError):
        use_case(store_of_jobs, job.id)
    assert len(meddler.found) == attempts.MOST_TRIES
    assert store_of_jobs.get(job.id).version == 1


@by_id
def test_in_a_transaction_of_ones_own_a_row_is_not_read_again(
    store_of_jobs: Any, scope: Any, use_case: Any
) -> None:
    """What was read in it before might be old as well."""
    job = store_of_jobs.create(Job(code="A", name="x"))
    meddler = Meddler(store_of_jobs, times=1)
    with pytest.raises(ConcurrencyError), store_of_jobs.context.transactions.tx():
        use_case(store_of_jobs, job.id)
    assert len(meddler.found) == 1


def test_what_a_hook_read_was_not_given_by_the_caller(jobs: Any) -> None:
    """An entity was given, and the conflict is about a row of which the caller knows nothing."""
    other = jobs.create(Job(code="A", name="other"))
    for model, key in (("work.Log", other.id), ("work.Job", other.id)):
        job = jobs.create(Job(code="B", name="x"))
        job.name = "mine"
        trouble.append(ConcurrencyError(model, key))
        assert jobs.update(job).name == "mine?"
        jobs.delete(job.id, version=2)


def test_a_commit_of_unknown_outcome_is_never_repeated(jobs: Any, scope: Any) -> None:
    """It may have been kept, and would be there twice."""
    executor: Any = scope[Executor]
    executor.scalar("SELECT 1")
    session, commits = executor._held, []

    class HangsUp(Faulty):
        def control(self, sql: str) -> None:
            session.control(sql)
            if sql == "COMMIT" and not commits:
                commits.append(sql)
                raise Disconnected

    executor._session = executor._held = HangsUp(session, 0)
    with pytest.raises(CommitUnknown):
        jobs.create(Job(code="A", name="x"))
    assert commits == ["COMMIT"]
    assert [job.name for job in jobs.list().items] == ["x!"]
    assert told == []


def test_inside_a_transaction_of_somebody_else_nothing_is_repeated(jobs: Any, scope: Any) -> None:
    """Its beginning cannot be repeated from here."""
    trouble.append(Deadlock())
    with pytest.raises(Deadlock), scope[ITransactions].tx():
        jobs.create(Job(code="A", name="x"))
    assert jobs.list().items == []


def test_what_fails_after_the_commit_repeats_nothing(jobs: Any, scope: Any) -> None:
    """It is kept already."""

    def fail() -> None:
        raise Deadlock

    @on.before_create(Job)
    def ask(job: Job) -> None:
        scope[ITransactions].after_commit(fail)

    hooks = jobs._hooks
    jobs._hooks = {**hooks, "after_create": (*hooks["after_create"], _Hook(ask))}
    with pytest.raises(Deadlock):
        jobs.create(Job(code="A", name="x"))
    assert [job.name for job in jobs.list().items] == ["x!"]


class _Hook:
    def __init__(self, function: Any) -> None:
        self.function = function

    def call(self, scope: Any, entity: Any, *more: Any) -> None:
        self.function(entity)


def test_a_hook_that_swallows_the_error_does_not_hide_it(jobs: Any, scope: Any) -> None:
    """The transaction has failed with it, whatever the hook thinks."""
    executor = scope[Executor]
    runs: list[int] = []

    def swallow(job: Job) -> None:
        runs.append(1)
        if len(runs) < 3:
            executor.fail(Deadlock())

    hooks = jobs._hooks
    jobs._hooks = {**hooks, "after_create": (_Hook(swallow), *hooks["after_create"])}
    assert jobs.create(Job(code="A", name="x")).name == "x!"
    assert len(runs) == 3
    with pytest.raises(TransactionFailed), executor.tx():
        executor.fail(Deadlock())


def test_the_deadline_is_kept(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No try begins after it."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 1e6)
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 1e6)
    monkeypatch.setattr(attempts, "PATIENCE", 1e9)
    deadline = datetime.now(UTC) + timedelta(seconds=0.2)
    with app.scope("acme", can("*"), deadline=deadline) as scope:
        trouble.append(Deadlock())
        with pytest.raises(Deadlock):
            scope[IDomainService[Job]].create(Job(code="A", name="x"))


def test_who_waited_long_enough_for_a_lock_is_told(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PATIENCE", -1.0)
    trouble.append(DatabaseLocked())
    with pytest.raises(DatabaseLocked):
        jobs.create(Job(code="A", name="x"))


def test_waiting_leaves_the_event_loop_to_others(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is awaited where something can await it."""
    monkeypatch.setattr(attempts.random, "uniform", lambda low, high: 0.01)
    order: list[str] = []

    async def main() -> None:
        trouble.append(Deadlock())

        async def other() -> None:
            await asyncio.sleep(0)
            order.append("other")

        task = asyncio.ensure_future(other())
        await call(jobs.create, Job(code="A", name="x"))
        order.append("created")
        await task

    asyncio.run(main())
    assert order == ["other", "created"]


def test_what_was_given_is_given_back_in_every_part() -> None:
    """Values, rows and their order, documents, extensions and what the entity remembers; as often as needed."""
    document: Any = {"a": [1, {"b": 2}]}
    job: Any = Job(code="A", name=document, steps=[Step(title="one"), Step(title="two")])
    job._loaded, job._moves, steps = ("x",), [("stage", "draft", "active")], job.steps
    first, second = steps
    before = copy.deepcopy(job)
    (give_back,) = attempts.given_back(_spec(), [job])
    for _ in range(2):
        document["a"][1]["b"] = 3
        document["c"] = 1
        first.title = "changed"
        steps.reverse()
        steps.append(Step(title="three"))
        job.steps, job.stage, job._loaded = [], Stage.CLOSED, None
        job._moves.append("more")
        give_back()
        assert job == before
        assert (job.steps is steps, steps[0] is first, steps[1] is second) == (True, True, True)
        assert (job.name is document, document) == (True, {"a": [1, {"b": 2}]})
        assert (job._loaded, job._moves) == (("x",), [("stage", "draft", "active")])


def test_what_was_given_may_be_anything() -> None:
    """It was not checked yet."""
    job: Any = Job(code=3, steps=None)
    for arguments in ([job], [[job, job]], [(job, 1, None)], ["text", b"bytes", None, object()]):
        for give_back in attempts.given_back(_spec(), arguments):
            job.steps = 5
            give_back()
            assert job.steps is None


def _spec() -> Any:
    from prefiq.lowcode import ModelMeta

    return ModelMeta.of(Job)
