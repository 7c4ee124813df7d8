"""The part of the contract suite about writing: versions, unique values, status, children."""

from __future__ import annotations

from typing import Any

import pytest

from prefiq.contracts import (
    ConcurrencyError,
    IDomain,
    IllegalTransition,
    ITransactions,
    NotFound,
    Page,
    UniqueViolation,
    ValidationFailed,
)
from prefiq.foundation.entity import loaded
from prefiq.foundation.extension import revive
from prefiq.foundation.mapper import snapshot_of
from prefiq.lowcode import ModelSpec, uuid7
from prefiq.testing.contract_values import Make, Undone, changeable, status_of
from prefiq.testing.samples import sample

__all__ = ["WritingContract"]


class WritingContract:
    """Tests of writing; ``DomainContract`` gives the fixtures."""

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
        for name in changeable(spec):
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
        name = changeable(spec)[0]
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
        name = changeable(spec)[0]
        entity = repo.save(make(0))
        built = revive(spec, snapshot_of(spec)(entity))
        repo.update(built)
        assert built.version == 1
        setattr(built, name, getattr(make(1), name))
        repo.update(built)
        assert built.version == 2
        assert repo.get_by_id(entity.id) == built
        stale = revive(spec, snapshot_of(spec)(entity))
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
        name = changeable(spec)[0]
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

    def test_assigned_status_is_refused_everywhere(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Inserting, in bulk too, and updating ask which action led to the status."""
        field, state, _ = status_of(spec)
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
        built = revive(spec, snapshot_of(spec)(stored))
        with pytest.raises(IllegalTransition):
            repo.update(built)
        assert getattr(repo.get_by_id(stored.id), field) == spec.field(field).default

    def test_explained_status_is_stored(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """A transition explains the status once."""
        field, _, transition = status_of(spec)
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
        field, _, transition = status_of(spec)
        if transition is None or transactions is None:
            pytest.skip("no transition to undo, or no fixture `transactions`")
        entity = repo.save(make(0))
        getattr(entity, transition)()
        with pytest.raises(Undone), transactions.tx():  # noqa: PT012  the body of a transaction
            repo.update(entity)
            raise Undone
        assert getattr(repo.get_by_id(entity.id), field) != getattr(entity, field)
        repo.update(entity)
        assert repo.get_by_id(entity.id) == entity

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
