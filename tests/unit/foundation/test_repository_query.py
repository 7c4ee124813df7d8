"""Repositories on SQL: derived and written by hand, with references, across their transactions."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from prefiq.contracts import (
    Bound,
    ConcurrencyError,
    ForeignKeyViolation,
    NotFound,
    Page,
    Scope,
    System,
    TenantNotBound,
    where,
)
from prefiq.foundation.entity import Child, Entity, loaded
from prefiq.foundation.repository_memory import MemoryStore, RepositoryMemory
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog, ModelMeta, children, field, ref, uuid7
from prefiq.sql import (
    ConnectionManager,
    CriteriaError,
    DatabaseConfig,
    Executor,
    SharedTableProtected,
    StatementRefused,
    Tables,
)
from prefiq.sql.observing import Watch


class Currency(Entity):
    code: str = field(max_length=3, unique=True)

    meta = ModelMeta(scope="shared")


class Team(Entity):
    name: str = field(unique=True)
    size: int = 0


class Member(Entity):
    team_id: UUID = ref(Team, on_delete="cascade")
    friend_id: UUID | None = ref("club.Member", default=None, on_delete="set_null")
    name: str


class Entry(Child):
    member_id: UUID | None = ref(Member, default=None, on_delete="set_null")
    team_id: UUID | None = ref(Team, default=None, on_delete="cascade")


class Journal(Entity):
    title: str
    captain_id: UUID | None = ref(Member, default=None, on_delete="set_null")
    currency_id: UUID | None = ref(Currency, default=None)
    entries: list[Entry] = children(Entry)

    meta = ModelMeta(soft_delete=True)


class Prize(Entity):
    member_id: UUID = ref(Member)


CATALOG = Catalog.build({"club": (Currency, Team, Member, Journal, Prize)})


class Teams(RepositoryQuery[Team]):
    """As a module's author writes it."""

    def of_size(self, least: int) -> list[Team]:
        return self.query(self.select().where(self.table.c.size >= least).order_by(self.table.c.name))

    def get_by_name(self, value: object, /) -> Team | None:
        return self.get_by("name", str(value).lower())


@pytest.fixture
def tables() -> Tables:
    return Tables(CATALOG)


@pytest.fixture
def connections(tables: Tables, tmp_path: Any) -> Iterator[ConnectionManager]:
    manager = ConnectionManager([DatabaseConfig(path=tmp_path / "club.db")], tables)
    with manager.schema_connection() as connection:
        tables.create_all(connection)
    yield manager
    manager.close()


@pytest.fixture
def executor(connections: ConnectionManager, tables: Tables) -> Iterator[Executor]:
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        yield Executor(connections, scope, tables)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tables: Tables) -> Callable[[type], Any]:
    """Model → repository of acme, on SQL and in memory."""
    if request.param == "sqlite":
        executor = request.getfixturevalue("executor")
        return lambda model: RepositoryQuery.of(model)(executor, tables)
    memory = MemoryStore(CATALOG)
    scope: Any = Scope(Bound("acme"), resolve=lambda *_: None)
    return lambda model: RepositoryMemory.of(model)(scope, memory)


def test_derived_class_is_always_the_same() -> None:
    """It knows its model and its name, and derives a getter for each unique field."""
    derived = RepositoryQuery.of(Team)
    assert derived is RepositoryQuery.of(Team)
    assert (derived.model, derived.__name__, derived.__module__) == (Team, "TeamRepository", Team.__module__)
    assert derived.get_by_name.__name__ == "get_by_name"  # type: ignore[attr-defined]
    assert not hasattr(derived, "get_by_size")
    memory = RepositoryMemory.of(Team)
    assert memory is RepositoryMemory.of(Team)
    assert hasattr(memory, "get_by_name")


def test_constructor_says_what_it_needs() -> None:
    """Its annotations can be read at run time."""
    hints = typing.get_type_hints(Teams.__init__)
    assert hints == {"executor": Executor, "tables": Tables, "return": type(None)}


def test_repository_written_by_hand(executor: Executor, tables: Tables) -> None:
    """Methods of its own are made of ``select`` and ``query``; its getter replaces the derived one."""
    teams = Teams(executor, tables)
    assert Teams.model is Team
    small, big = teams.save(Team(name="ants", size=2)), teams.save(Team(name="bees", size=9))
    assert teams.of_size(1) == [small, big]
    assert teams.of_size(3) == [big]
    assert teams.get_by_name("BEES") == big
    found = teams.of_size(3)[0]
    found.size = 10
    teams.update(found)
    assert teams.get_by_id(big.id).size == 10


def test_own_statement_is_confined(
    connections: ConnectionManager, executor: Executor, tables: Tables
) -> None:
    """What a hand-written repository asks, it asks of its tenant."""
    Teams(executor, tables).save(Team(name="ants", size=2))
    with Scope(Bound("globex"), resolve=lambda *_: None) as scope:
        others = Teams(Executor(connections, scope, tables), tables)
        assert others.of_size(0) == []
        with pytest.raises(StatementRefused):
            others.query(others.select().where(sa.text("1 = 1")))


def test_statement_without_the_models_columns_is_an_error(executor: Executor, tables: Tables) -> None:
    """``query`` makes whole entities."""
    teams = Teams(executor, tables)
    teams.save(Team(name="ants"))
    with pytest.raises(sa.exc.NoSuchColumnError):
        teams.query(sa.select(teams.table.c.id))


def test_select_leaves_softly_deleted_rows_out(executor: Executor, tables: Tables) -> None:
    """As every other way of reading does."""
    journals = RepositoryQuery.of(Journal)(executor, tables)
    kept, gone = journals.save(Journal(title="a")), journals.save(Journal(title="b"))
    journals.delete(gone)
    assert journals.query(journals.select()) == [kept]
    assert executor.scalar(sa.select(sa.func.count()).select_from(journals.table)) == 2


def test_references_are_loaded_together(executor: Executor, tables: Tables) -> None:
    """One query, whatever their number; empty ones and repeated ones included."""
    repository: Any = {m: RepositoryQuery.of(m)(executor, tables) for m in (Team, Member)}
    teams = [repository[Team].save(Team(name=f"t{i}")) for i in range(3)]
    members = [Member(team_id=teams[i % 2].id, name=str(i)) for i in range(6)]
    repository[Member].save_many(members)
    seen: list[str] = []
    executor._watch = Watch([(0.0, lambda told: seen.append(told.sql))])
    found = repository[Member].load(members, Member.team_id)
    assert found == {team.id: team for team in teams[:2]}
    assert len(seen) == 1
    assert repository[Member].load(members, "friend_id") == {}
    with pytest.raises(CriteriaError, match="no reference"):
        repository[Member].load(members, "name")


def test_reference_that_leads_nowhere_is_named(store: Any) -> None:
    """On inserting, in bulk, on updating, and in a child."""
    teams, members, journals = store(Team), store(Member), store(Journal)
    team = teams.save(Team(name="ants"))
    member = members.save(Member(team_id=team.id, name="x"))
    lost = Member(team_id=team.id, friend_id=uuid7(), name="y")
    member.friend_id = uuid7()
    for write in (
        lambda: members.save(lost),
        lambda: members.save_many([Member(team_id=team.id, name="z"), lost]),
        lambda: members.update(member),
    ):
        with pytest.raises(ForeignKeyViolation) as caught:
            write()
        assert (caught.value.model, caught.value.fields) == ("club.Member", ("friend_id",))
    assert members.count() == 1
    with pytest.raises(ForeignKeyViolation):
        journals.save(Journal(title="x", entries=[Entry(member_id=uuid7())]))
    assert journals.count() == 0


def test_reference_to_another_tenants_row_leads_nowhere(
    connections: ConnectionManager, executor: Executor, tables: Tables
) -> None:
    """A foreign row and a missing one are the same answer."""
    with Scope(Bound("globex"), resolve=lambda *_: None) as scope:
        foreign = RepositoryQuery.of(Team)(Executor(connections, scope, tables), tables).save(Team(name="x"))
    members = RepositoryQuery.of(Member)(executor, tables)
    errors = []
    for id in (foreign.id, uuid7()):
        with pytest.raises(ForeignKeyViolation) as caught:
            members.save(Member(team_id=id, name="y"))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_deleting_follows_the_references(store: Any) -> None:
    """A cascade removes, ``set_null`` empties and raises the version, also behind a cascade and in children."""
    teams, members, journals = store(Team), store(Member), store(Journal)
    team, other = teams.save(Team(name="ants")), teams.save(Team(name="bees"))
    gone = members.save(Member(team_id=team.id, name="gone"))
    also = members.save(Member(team_id=team.id, friend_id=gone.id, name="also"))
    stays = members.save(Member(team_id=other.id, friend_id=gone.id, name="stays"))
    journal = journals.save(
        Journal(
            title="a",
            captain_id=also.id,
            entries=[Entry(member_id=gone.id), Entry(team_id=team.id), Entry(team_id=other.id)],
        )
    )
    hidden = journals.save(Journal(title="b", captain_id=gone.id))
    journals.delete(hidden)
    teams.delete(teams.get_by_id(team.id))
    assert members.list(Page()).items == [members.get_by_id(stays.id)]
    assert (members.get_by_id(stays.id).friend_id, members.get_by_id(stays.id).version) == (None, 2)
    read = journals.get_by_id(journal.id)
    assert read.captain_id is None
    assert [(entry.member_id, entry.team_id) for entry in read.entries] == [(None, None), (None, other.id)]
    assert read.version > journal.version
    journal.title = "late"
    with pytest.raises(ConcurrencyError):
        journals.update(journal)


def test_restricted_deletion_changes_nothing(store: Any) -> None:
    """Not even what would have been emptied or removed on the way."""
    teams, members, prizes = store(Team), store(Member), store(Prize)
    team = teams.save(Team(name="ants"))
    member = members.save(Member(team_id=team.id, name="x"))
    friend = members.save(Member(team_id=team.id, friend_id=member.id, name="y"))
    prizes.save(Prize(member_id=member.id))
    for repository, entity, model in ((members, member, "club.Member"), (teams, team, "club.Team")):
        before = loaded(entity)
        with pytest.raises(ForeignKeyViolation) as caught:
            repository.delete(entity)
        assert caught.value.deleting
        assert caught.value.model == model
        assert (entity.version, loaded(entity)) == (1, before)
    assert members.get_by_id(friend.id) == friend
    assert members.count() == 2


def test_rows_that_refer_to_each_other_are_deleted(store: Any) -> None:
    """A ring of references ends."""
    teams, members = store(Team), store(Member)
    team = teams.save(Team(name="ants"))
    first = members.save(Member(team_id=team.id, name="a"))
    second = members.save(Member(team_id=team.id, friend_id=first.id, name="b"))
    first.friend_id = second.id
    members.update(first)
    teams.delete(team)
    assert members.count() == 0


def test_entity_that_was_deleted_can_be_saved_again(store: Any) -> None:
    """It is new then."""
    teams = store(Team)
    team = teams.save(Team(name="ants"))
    teams.delete(team)
    assert loaded(team) is None
    teams.save(team)
    assert (team.version, teams.count()) == (1, 1)


def test_many_rows_are_read_in_groups(store: Any) -> None:
    """Any number of ids, children included."""
    journals = store(Journal)
    rows = [
        Journal(title=str(i), entries=[Entry()] * 0 + [Entry() for _ in range(i % 3)]) for i in range(1203)
    ]
    journals.save_many(rows)
    found = journals.get_many([row.id for row in rows])
    assert found == {row.id: row for row in rows}
    assert [row for batch in journals.stream(batch=500) for row in batch] == rows


def test_without_a_tenant_no_repository_serves(connections: ConnectionManager, tables: Tables) -> None:
    """It can be built in a scope of the system, and refuses before any statement."""
    with Scope(System("test"), resolve=lambda *_: None) as scope:
        executor = Executor(connections, scope, tables)
        teams, team = RepositoryQuery.of(Team)(executor, tables), Team(name="x")
        for use in (
            lambda: teams.get_by_id(team.id),
            lambda: teams.get_many([team.id]),
            teams.list,
            teams.count,
            lambda: list(teams.stream()),
            lambda: teams.query(teams.select()),
            lambda: teams.save(team),
            lambda: teams.save_many([team]),
            lambda: teams.update(team),
            lambda: teams.delete(team),
        ):
            with pytest.raises(TenantNotBound):
                use()
        assert not executor.in_transaction


def test_shared_model_is_written_by_the_system_alone(
    connections: ConnectionManager, executor: Executor, tables: Tables
) -> None:
    """Every tenant reads what the system writes."""
    with Scope(System("test"), resolve=lambda *_: None) as scope:
        system = RepositoryQuery.of(Currency)(Executor(connections, scope, tables), tables)
        euro = system.save(Currency(code="EUR"))
    ours = RepositoryQuery.of(Currency)(executor, tables)
    assert ours.get_by("code", "EUR") == euro
    read = ours.get_by_id(euro.id)
    read.code = "USD"
    for write in (
        lambda: ours.save(Currency(code="X")),
        lambda: ours.save_many([Currency(code="X")]),
        lambda: ours.update(read),
        lambda: ours.delete(euro),
    ):
        with pytest.raises(SharedTableProtected):
            write()
    assert ours.list(Page(), where(code="EUR")).items == [euro]


def test_changed_id_is_another_row(store: Any) -> None:
    """An entity cannot be written over another one."""
    teams = store(Team)
    one, two = teams.save(Team(name="ants")), teams.save(Team(name="bees"))
    one.id, one.size = two.id, 5
    with pytest.raises(ConcurrencyError):
        teams.update(one)
    assert teams.get_by_id(two.id) == two


def test_wrong_questions_are_errors(store: Any) -> None:
    """An id that is none, and a field that is not unique."""
    teams = store(Team)
    with pytest.raises(CriteriaError, match="An id is a UUID"):
        teams.get_by_id("not an id")
    with pytest.raises(CriteriaError, match="not unique"):
        teams.get_by("size", 1)
    with pytest.raises(NotFound):
        teams.get_by_id(uuid7())
