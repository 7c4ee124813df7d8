"""``DomainContract``: what every ``IDomain`` must do, as a pytest class to derive from.

A module's author runs it for a store of their own::

    class TestProjectRepos(DomainContract):
        model = Project

        @pytest.fixture
        def repo(self, scope: Scope) -> IProject:
            return scope[IProject]

        @pytest.fixture
        def other_repo(self, other_scope: Scope) -> IProject:
            return other_scope[IProject]

Entities are made from the declaration; references that must lead somewhere come from the fixture ``given``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from prefiq.contracts import (
    Any_,
    Compare,
    ConcurrencyError,
    Criteria,
    IDomain,
    IllegalTransition,
    ITransactions,
    NotFound,
    Page,
    UniqueViolation,
    ValidationFailed,
)
from prefiq.foundation.criteria_memory import in_order, matcher
from prefiq.foundation.entity import loaded
from prefiq.foundation.mapper import snapshot_of
from prefiq.lowcode import ModelMeta, ModelSpec, uuid7
from prefiq.lowcode.model_spec import SORTABLE
from prefiq.sql.criteria_values import sort_keys
from prefiq.sql.errors import CriteriaError, ReadOnlyTransaction
from prefiq.testing.samples import sample

__all__ = ["DomainContract"]

Make = Callable[[int], Any]


class Undo(Exception):
    """Ends a transaction of a test."""


class DomainContract:
    """Derive from it, say ``model``, and give the fixtures ``repo`` and ``other_repo``.

    Attributes:
        model: The entity's class.
    """

    model: ClassVar[type[Any]]

    # -- what to give -----------------------------------------------------------------------------------------

    @pytest.fixture
    def repo(self) -> IDomain[Any]:
        """The store under test, empty; of one tenant (of the system, for a shared model)."""
        raise NotImplementedError("give a fixture `repo`")

    @pytest.fixture
    def other_repo(self) -> IDomain[Any]:
        """The same store for another tenant."""
        raise NotImplementedError("give a fixture `other_repo`")

    @pytest.fixture
    def transactions(self) -> ITransactions | None:
        """The transactions of ``repo``; without them, the tests of transactions are left out."""
        return None

    @pytest.fixture
    def given(self) -> Mapping[str, Any]:
        """Field → value, for what cannot be made up; references of ``repo``'s tenant."""
        return {}

    @pytest.fixture
    def make(self, spec: ModelSpec, given: Mapping[str, Any]) -> Make:
        """Makes the entity with a number; unique values differ from number to number."""
        return lambda number: sample(spec, number, given)

    @pytest.fixture
    def make_other(self, spec: ModelSpec, make: Make) -> Make:
        """The same for the other tenant; give one where a reference must lead somewhere."""
        if any(field.ref is not None and not field.nullable for field in spec.fields):
            pytest.skip("the other tenant has nothing to refer to; give a fixture `make_other`")
        return make

    @pytest.fixture
    def spec(self) -> ModelSpec:
        """The model's declaration."""
        return ModelMeta.of(self.model)

    # -- reading ----------------------------------------------------------------------------------------------

    def test_stored_values_come_back(self, repo: IDomain[Any], make: Make) -> None:
        """Every value is read as it was written."""
        for number in range(4):
            entity = repo.save(make(number))
            read = repo.get_by_id(entity.id)
            assert read == entity
            assert read is not entity

    def test_missing_id_is_not_found(self, repo: IDomain[Any]) -> None:
        """An id that nobody has is an error of its own."""
        with pytest.raises(NotFound):
            repo.get_by_id(uuid7())

    def test_get_many_leaves_missing_ones_out(self, repo: IDomain[Any], make: Make) -> None:
        """Ids that nobody has are not in the result."""
        first, second = repo.save(make(0)), repo.save(make(1))
        found = repo.get_many([first.id, uuid7(), second.id, first.id])
        assert found == {first.id: first, second.id: second}
        assert repo.get_many([]) == {}

    def test_unique_fields_find_one(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Each unique field leads to its entity, and to None for a value that nobody has."""
        entities = [repo.save(make(number)) for number in range(2)]
        stranger = make(7)
        for field in spec.fields:
            if field.unique:
                value = getattr(entities[1], field.name)
                assert repo.get_by(field.name, value) == entities[1]
                if field.ref is None:
                    assert repo.get_by(field.name, getattr(stranger, field.name)) is None

    def test_changing_what_was_read_changes_no_row(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """An entity that was read is a copy, children and documents included."""
        entity = repo.save(make(1))
        read = repo.get_by_id(entity.id)
        for child in spec.children:
            getattr(read, child.name).clear()
        for field in spec.fields:
            if field.kind == "json":
                getattr(read, field.name).clear()
        assert repo.get_by_id(entity.id) == entity

    def test_list_is_sorted_by_every_key(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """NULL is smaller than every value; the id decides between equals."""
        entities = [repo.save(make(number)) for number in range(7)]
        names = [field.name for field in spec.fields if field.kind in SORTABLE]
        for name in ("", "-id", *names, *(f"-{name}" for name in names)):
            page = Page(sort=(name,) if name else ())
            expected = in_order(entities, sort_keys(spec, page))
            assert repo.list(page).items == expected, name

    def test_keyset_visits_every_row_once(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Following ``next`` gives the whole list in order, also over NULLs and mixed directions."""
        entities = [repo.save(make(number)) for number in range(9)]
        names = [field.name for field in spec.fields if field.kind in SORTABLE]
        orders: list[tuple[str, ...]] = [(), ("-id",), *((name,) for name in names)]
        orders += [(f"-{one}", other) for one, other in itertools.pairwise(names)]
        for sort in orders:
            seen: list[Any] = []
            after: tuple[object, ...] | None = None
            for _ in range(9):
                result = repo.list(Page(limit=2, sort=sort, after=after))
                assert len(result.items) <= 2
                seen.extend(result.items)
                after = result.next
                if after is None:
                    break
            assert seen == in_order(entities, sort_keys(spec, Page(sort=sort))), sort

    def test_offset_limit_and_total(self, repo: IDomain[Any], make: Make) -> None:
        """A page is a part of the whole, and the total counts all."""
        for number in range(5):
            repo.save(make(number))
        whole = repo.list(Page(limit=10)).items
        assert repo.list(Page(limit=2, offset=1)).items == whole[1:3]
        result = repo.list(Page(limit=2, offset=3, count=True))
        assert (result.items, result.total, result.next) == (whole[3:], 5, None)
        behind = repo.list(Page(limit=2, offset=9, count=True))
        assert (behind.items, behind.total, behind.next) == ([], 5, None)
        assert repo.list(Page()).total is None

    def test_criteria_take_the_rows_they_describe(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Every operator on every field, alone and negated, as its three-valued logic says."""
        entities = [repo.save(make(number)) for number in range(6)]
        for criteria in _criteria(spec, entities):
            matches = matcher(spec, criteria)
            expected = {entity.id for entity in entities if matches(entity)}
            assert {entity.id for entity in repo.list(Page(), criteria).items} == expected, criteria
            assert repo.count(criteria) == len(expected), criteria

    def test_criteria_that_do_not_fit_are_refused(self, repo: IDomain[Any]) -> None:
        """An unknown field, operator or sort key, and a value of another type."""
        wrong: list[Criteria] = [
            Compare("no_such_field", "eq", 1),
            Compare("id", "eq", "text"),
            Compare("id", "contains", "text"),
            Compare("id", "like", "text"),  # type: ignore[arg-type]
        ]
        for criteria in wrong:
            with pytest.raises(CriteriaError):
                repo.list(Page(), criteria)
        for page in (Page(sort=("no_such_field",)), Page(after=("too", "many", "values", 1, 2, 3, 4))):
            with pytest.raises(CriteriaError):
                repo.list(page)

    def test_stream_gives_all_in_batches(self, repo: IDomain[Any], make: Make) -> None:
        """Every row once, at most ``batch`` at a time."""
        repo.save_many([make(number) for number in range(7)])
        batches = list(repo.stream(batch=3))
        assert [len(batch) for batch in batches] == [3, 3, 1]
        assert len({entity.id for batch in batches for entity in batch}) == 7
        some = next(iter(batches))[0]
        assert [e for batch in repo.stream(Compare("id", "eq", some.id)) for e in batch] == [some]

    # -- writing ----------------------------------------------------------------------------------------------

    def test_save_makes_version_one(self, repo: IDomain[Any], make: Make) -> None:
        """A new entity has version 1 afterwards, here and in the store."""
        entity = make(0)
        assert entity.version == 0
        assert repo.save(entity) is entity
        assert entity.version == repo.get_by_id(entity.id).version == 1

    def test_same_id_twice_is_refused(self, repo: IDomain[Any], make: Make) -> None:
        """An id names one row."""
        entity = repo.save(make(0))
        twin = make(1)
        twin.id = entity.id
        with pytest.raises(UniqueViolation) as caught:
            repo.save(twin)
        assert caught.value.fields == ("id",)
        assert twin.version == 0
        assert repo.get_by_id(entity.id) == entity

    def test_unique_values_are_taken_once(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Inserting and updating to a taken value name the fields, and change nothing."""
        for index in (index for index in spec.indexes if index.unique):
            first, second = repo.save(make(0)), repo.save(make(1))
            third = make(3)
            for field in index.fields:
                setattr(third, field, getattr(first, field))
                setattr(second, field, getattr(first, field))
            before = loaded(second)
            with pytest.raises(UniqueViolation) as caught:
                repo.save(third)
            assert caught.value.fields == index.fields
            assert (third.version, loaded(third)) == (0, None)
            with pytest.raises(UniqueViolation) as caught:
                repo.update(second)
            assert caught.value.fields == index.fields
            assert (second.version, loaded(second)) == (1, before)
            repo.delete(repo.get_by_id(first.id))
            if spec.soft_delete:
                return
            repo.save(third)
            repo.delete(third)
            repo.delete(repo.get_by_id(second.id))

    def test_save_many_is_all_or_none(self, repo: IDomain[Any], make: Make) -> None:
        """One row that cannot be stored keeps all others out."""
        taken = repo.save(make(0))
        rows = [make(number) for number in range(1, 5)]
        rows[2].id = taken.id
        with pytest.raises(UniqueViolation):
            repo.save_many(rows)
        assert repo.count() == 1
        assert [(row.version, loaded(row)) for row in rows] == [(0, None)] * 4
        rows[2].id = uuid7()
        repo.save_many(rows)
        repo.save_many([])
        assert repo.get_many([row.id for row in rows]) == {row.id: row for row in rows}
        assert [row.version for row in rows] == [1] * 4

    def test_missing_values_are_named(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """A value that must be there and is not is an error that names its field."""
        for field in spec.fields:
            if not field.nullable and not field.is_status:
                entity = make(0)
                setattr(entity, field.name, None)
                with pytest.raises(ValidationFailed) as caught:
                    repo.save(entity)
                assert [error.field for error in caught.value.errors] == [field.name]
        assert repo.count() == 0

    def test_update_writes_changes_and_raises_the_version(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Each field can be changed; the version rises by one each time."""
        entity = repo.save(make(0))
        version = 1
        for name in _changeable(spec):
            value = getattr(make(4), name)
            if value != getattr(entity, name):
                setattr(entity, name, value)
                assert repo.update(entity) is entity
                version += 1
                assert entity.version == version
                assert repo.get_by_id(entity.id) == entity

    def test_update_without_changes_writes_nothing(self, repo: IDomain[Any], make: Make) -> None:
        """The version stays."""
        entity = repo.save(make(0))
        repo.update(entity)
        repo.update(repo.get_by_id(entity.id))
        assert entity.version == repo.get_by_id(entity.id).version == 1

    def test_stale_update_is_refused(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Who read before somebody else wrote must read again; nothing is written."""
        name = _changeable(spec)[0]
        entity = repo.save(make(0))
        stale = repo.get_by_id(entity.id)
        setattr(entity, name, getattr(make(1), name))
        repo.update(entity)
        setattr(stale, name, getattr(make(3), name))
        before = loaded(stale)
        with pytest.raises(ConcurrencyError):
            repo.update(stale)
        assert (stale.version, loaded(stale)) == (1, before)
        with pytest.raises(ConcurrencyError):
            repo.delete(stale)
        assert repo.get_by_id(entity.id) == entity

    def test_entity_built_by_hand_is_compared_with_its_row(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Without a snapshot the version decides, and only what differs is written."""
        name = _changeable(spec)[0]
        entity = repo.save(make(0))
        built = type(entity)(*snapshot_of(spec)(entity))
        repo.update(built)
        assert built.version == 1
        setattr(built, name, getattr(make(1), name))
        repo.update(built)
        assert built.version == 2
        assert repo.get_by_id(entity.id) == built
        stale = type(entity)(*snapshot_of(spec)(entity))
        setattr(stale, name, getattr(make(3), name))
        with pytest.raises(ConcurrencyError):
            repo.update(stale)
        assert loaded(stale) is None
        stranger = make(4)
        stranger.version = 1
        with pytest.raises(ConcurrencyError):
            repo.update(stranger)

    def test_deleted_row_is_gone(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """It is in no result, and can be neither changed nor deleted again."""
        entity, kept = repo.save(make(0)), repo.save(make(1))
        copy = repo.get_by_id(entity.id)
        repo.delete(entity)
        with pytest.raises(NotFound):
            repo.get_by_id(entity.id)
        assert repo.get_many([entity.id, kept.id]) == {kept.id: kept}
        assert repo.list(Page(count=True)).items == [kept]
        assert repo.count() == repo.list(Page(count=True)).total == 1
        assert [e for batch in repo.stream() for e in batch] == [kept]
        for field in spec.fields:
            if field.unique:
                assert repo.get_by(field.name, getattr(copy, field.name)) is None
        name = _changeable(spec)[0]
        setattr(copy, name, getattr(make(4), name))
        for write in (repo.update, repo.delete):
            with pytest.raises(ConcurrencyError):
                write(copy)

    def test_softly_deleted_row_keeps_its_unique_values(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Its values stay taken, and its id."""
        if not spec.soft_delete:
            pytest.skip("rows are removed")
        repo.delete(repo.save(make(0)))
        for index in (index for index in spec.indexes if index.unique):
            with pytest.raises(UniqueViolation) as caught:
                repo.save(make(0))
            assert caught.value.fields == index.fields

    # -- status -----------------------------------------------------------------------------------------------

    def test_assigned_status_is_refused_everywhere(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Inserting, in bulk too, and updating ask which action led to the status."""
        field, state, _ = _status(spec)
        entity = make(0)
        setattr(entity, field, state)
        with pytest.raises(IllegalTransition):
            repo.save(entity)
        with pytest.raises(IllegalTransition):
            repo.save_many([make(1), entity])
        assert repo.count() == 0
        stored = repo.save(make(2))
        setattr(stored, field, state)
        with pytest.raises(IllegalTransition):
            repo.update(stored)
        built = type(stored)(*snapshot_of(spec)(stored))
        with pytest.raises(IllegalTransition):
            repo.update(built)
        assert getattr(repo.get_by_id(stored.id), field) == spec.field(field).default

    def test_explained_status_is_stored(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """A transition explains the status once."""
        field, _, transition = _status(spec)
        if transition is None:
            pytest.skip("no transition without parameters leaves the initial state")
        entity = repo.save(make(0))
        initial = getattr(entity, field)
        getattr(entity, transition)()
        repo.update(entity)
        assert repo.get_by_id(entity.id) == entity
        assert getattr(entity, field) != initial
        setattr(entity, field, initial)
        with pytest.raises(IllegalTransition):
            repo.update(entity)

    def test_undone_status_can_be_stored_again(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """After a rollback the transition still explains the status."""
        field, _, transition = _status(spec)
        if transition is None or transactions is None:
            pytest.skip("no transition to undo, or no fixture `transactions`")
        entity = repo.save(make(0))
        getattr(entity, transition)()
        with pytest.raises(Undo), transactions.tx():  # noqa: PT012  the body of a transaction
            repo.update(entity)
            raise Undo
        assert getattr(repo.get_by_id(entity.id), field) != getattr(entity, field)
        repo.update(entity)
        assert repo.get_by_id(entity.id) == entity

    # -- children ---------------------------------------------------------------------------------------------

    def test_children_are_stored_in_their_order(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Added, changed, moved and removed children are written; each change raises the parent's version."""
        if not spec.children:
            pytest.skip("the model has no children")
        for child in spec.children:
            entity, neighbour = repo.save(make(2)), repo.save(make(5))
            rows = [sample(child.model, 100 + number) for number in range(3)]
            steps = [rows, rows[::-1], [rows[1]], [sample(child.model, 104), rows[1]], []]
            for version, step in enumerate(steps, entity.version + 1):
                setattr(entity, child.name, list(step))
                repo.update(entity)
                assert entity.version == version
                read = repo.get_by_id(entity.id)
                assert getattr(read, child.name) == step
            changed = sample(child.model, 105)
            setattr(entity, child.name, [changed])
            repo.update(entity)
            name = child.model.fields[0].name
            setattr(changed, name, getattr(sample(child.model, 106), name))
            repo.update(entity)
            assert repo.get_by_id(entity.id) == entity
            assert repo.get_many([entity.id, neighbour.id]) == {entity.id: entity, neighbour.id: neighbour}
            repo.delete(entity)
            repo.delete(neighbour)

    # -- transactions -----------------------------------------------------------------------------------------

    def test_rollback_undoes_rows_and_versions(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """An exception leaves store and entities as they were before."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        name = _changeable(spec)[0]
        kept, gone, new, many = repo.save(make(0)), repo.save(make(1)), make(2), [make(3), make(4)]
        value, before, known = getattr(kept, name), loaded(kept), loaded(gone)
        with pytest.raises(Undo), transactions.tx():  # noqa: PT012  the body of a transaction
            assert transactions.in_transaction
            setattr(kept, name, getattr(make(5), name))
            repo.update(kept)
            repo.delete(gone)
            repo.save(new)
            repo.save_many(many)
            assert repo.count() == 4
            raise Undo
        assert not transactions.in_transaction
        assert (kept.version, gone.version, new.version) == (1, 1, 0)
        assert [entity.version for entity in many] == [0, 0]
        assert (loaded(kept), loaded(gone), loaded(new)) == (before, known, None)
        assert getattr(repo.get_by_id(kept.id), name) == value
        assert repo.count() == 2
        repo.update(kept)
        repo.delete(gone)
        repo.save(new)
        repo.save_many(many)
        assert (kept.version, new.version, repo.count()) == (2, 1, 4)

    def test_nested_transaction_is_undone_alone(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """A savepoint takes back its own rows and callbacks, not those around it."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        said: list[str] = []
        outer, inner = make(0), make(1)
        with transactions.tx():
            repo.save(outer)
            transactions.after_commit(lambda: said.append("outer"))
            with pytest.raises(Undo), transactions.tx():  # noqa: PT012  the body of a transaction
                repo.save(inner)
                transactions.after_commit(lambda: said.append("inner"))
                transactions.on_rollback(lambda: said.append("undone"))
                raise Undo
            assert said == ["undone"]
            with transactions.tx():
                transactions.after_commit(lambda: said.append("second"))
            assert repo.count() == 1
        assert said == ["undone", "outer", "second"]
        assert (outer.version, inner.version) == (1, 0)
        assert repo.get_by_id(outer.id) == outer
        transactions.after_commit(lambda: said.append("at once"))
        assert said[-1] == "at once"

    def test_reading_transaction_refuses_writes(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """Nothing is written in ``tx(read_only=True)``."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        entity = repo.save(make(0))
        with transactions.tx(read_only=True):
            assert repo.get_by_id(entity.id) == entity
            for write in (lambda: repo.save(make(1)), lambda: repo.delete(entity)):
                with pytest.raises(ReadOnlyTransaction):
                    write()
        repo.save(make(1))
        assert repo.count() == 2

    # -- tenants ----------------------------------------------------------------------------------------------

    def test_other_tenant_reaches_no_row(
        self, repo: IDomain[Any], other_repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """A foreign row is missing for every way of reading, changing and deleting."""
        if spec.scope == "shared":
            pytest.skip("all tenants read the rows of a shared model")
        entity = repo.save(make(0))
        with pytest.raises(NotFound):
            other_repo.get_by_id(entity.id)
        assert other_repo.get_many([entity.id]) == {}
        assert other_repo.list(Page(count=True)).items == []
        everything = Any_((Compare("id", "isnull", False), Compare("id", "isnull", True)))
        assert other_repo.list(Page(count=True), everything).total == other_repo.count(everything) == 0
        assert list(other_repo.stream()) == []
        for field in spec.fields:
            if field.unique:
                assert other_repo.get_by(field.name, getattr(entity, field.name)) is None
        name = _changeable(spec)[0]
        stolen = repo.get_by_id(entity.id)
        setattr(stolen, name, getattr(make(1), name))
        for write in (other_repo.update, other_repo.delete):
            with pytest.raises(ConcurrencyError):
                write(stolen)
        assert repo.get_by_id(entity.id) == entity

    def test_tenants_may_have_the_same_values(
        self, repo: IDomain[Any], other_repo: IDomain[Any], make: Make, make_other: Make, spec: ModelSpec
    ) -> None:
        """Ids and unique values are a tenant's own; a write reaches the tenant's row alone."""
        if spec.scope == "shared":
            pytest.skip("all tenants read the rows of a shared model")
        mine, theirs = make(0), make_other(0)
        theirs.id = mine.id
        repo.save(mine)
        other_repo.save(theirs)
        name = _changeable(spec)[0]
        setattr(theirs, name, getattr(make_other(1), name))
        other_repo.update(theirs)
        assert repo.get_by_id(mine.id) == mine
        assert other_repo.get_by_id(mine.id) == theirs
        other_repo.delete(theirs)
        assert repo.get_by_id(mine.id) == mine
        assert other_repo.count() == 0


def _changeable(spec: ModelSpec) -> list[str]:
    """Fields that a test may change at will, those that are not unique first."""
    fields = [field for field in spec.fields if not field.is_status and field.ref is None]
    fields.sort(key=lambda field: any(field.name in index.fields for index in spec.indexes if index.unique))
    return [field.name for field in fields]


def _status(spec: ModelSpec) -> tuple[str, Any, str | None]:
    """Status field, a state that is not the first, and a transition without parameters out of the first."""
    if spec.status is None:
        pytest.skip("the model has no status")
    field = spec.field(spec.status.field)
    other = next(state for state in field.type if state != field.default)
    ways = (a for a in spec.actions if spec.status.initial in a.sources and a.to and not a.parameters)
    return field.name, other, next((action.name for action in ways), None)


def _criteria(spec: ModelSpec, entities: list[Any]) -> list[Criteria]:
    """Comparisons of every field with its own values, and their negations and combinations."""
    made: list[Criteria] = []
    for field in spec.fields:
        made += [Compare(field.name, "isnull", True), Compare(field.name, "isnull", False)]
        values = [v for v in (getattr(e, field.name) for e in entities) if v is not None]
        if field.kind == "json" or not values:
            continue
        value = values[len(values) // 2]
        for operator in ("eq", "ne", "gt", "gte", "lt", "lte"):
            made += [Compare(field.name, operator, value), Compare(field.name, operator, None)]
        made += [
            Compare(field.name, "in", tuple(values[:2])),
            Compare(field.name, "nin", (*values[:2], None)),
            Compare(field.name, "in", ()),
            Compare(field.name, "nin", ()),
        ]
        if field.kind in {"str", "text", "enum"}:
            part = str(value)[:3]
            for text in (part, part.swapcase(), "%", "_", "*", ""):
                made += [
                    Compare(field.name, "contains", text),
                    Compare(field.name, "icontains", text),
                    Compare(field.name, "startswith", text),
                ]
    made += [~term for term in made]
    made += [one & other for one, other in zip(made[::7], made[3::7], strict=False)]
    made += [one | other for one, other in zip(made[::5], made[2::5], strict=False)]
    return made
