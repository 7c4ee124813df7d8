"""The part of the contract suite about reading: what a store finds, in which order, in which pages."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from prefiq.contracts import Compare, Criteria, IDomain, NotFound, Page
from prefiq.foundation.criteria_memory import in_order, matcher
from prefiq.lowcode import ModelSpec, uuid7
from prefiq.lowcode.model_spec import SORTABLE
from prefiq.sql.criteria_values import sort_keys
from prefiq.sql.errors import CriteriaError
from prefiq.testing.contract_values import Make, criteria_of, edges_of

__all__ = ["ReadingContract"]


class ReadingContract:
    """Tests of reading; ``DomainContract`` gives the fixtures."""

    def test_stored_values_come_back(self, repo: IDomain[Any], make: Make) -> None:
        """Every value is read as it was written."""
        for number in range(4):
            entity = repo.save(make(number))
            read = repo.get_by_id(entity.id)
            assert read == entity
            assert read is not entity

    def test_extreme_values_come_back(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """What the declaration just allows is kept exactly, inserted or changed, alone or in bulk."""
        number, whole = 0, Page(limit=1000)
        for field in spec.fields:
            edges = edges_of(field)
            if field.unique:
                edges = edges[:1]
            entities = []
            for edge in edges:
                number += 2
                entity, other = make(number), make(number + 1)
                setattr(entity, field.name, edge)
                entities.append(repo.save(entity))
                if not field.unique:
                    repo.save(other)
                    setattr(other, field.name, edge)
                    entities.append(repo.update(other))
            found = repo.get_many(entity.id for entity in entities)
            for entity in entities:
                assert repr(found[entity.id]) == repr(entity), field.name
            if field.kind != "json":
                for edge in edges:
                    ids = {e.id for e in entities if getattr(e, field.name) == edge}
                    assert ids <= {e.id for e in repo.list(whole, Compare(field.name, "eq", edge)).items}
                    assert ids <= {e.id for e in repo.list(whole, Compare(field.name, "gte", edge)).items}

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

    def test_id_of_another_kind_is_refused(self, repo: IDomain[Any], make: Make) -> None:
        """An id's text is not the id, whatever a driver would make of it."""
        entity = repo.save(make(0))
        for other in ("x", str(entity.id), None):
            with pytest.raises(CriteriaError):
                repo.get_by_id(other)  # type: ignore[arg-type]
            with pytest.raises(CriteriaError):
                repo.get_many([entity.id, other])  # type: ignore[list-item]
        assert repo.get_by_id(entity.id) == entity

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
        for criteria in criteria_of(spec, entities):
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
