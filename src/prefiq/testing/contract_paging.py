"""The part of the contract suite about pages: none misses a row or shows one twice, whatever is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefiq.contracts import Compare, Criteria, IDomain, Page
from prefiq.foundation.criteria_memory import in_order, matcher
from prefiq.lowcode import ModelSpec
from prefiq.lowcode.model_spec import SORTABLE
from prefiq.sql.criteria_values import sort_keys
from prefiq.testing.contract_values import Make, changeable

__all__ = ["PagingContract"]


def pages(repo: IDomain[Any], sort: tuple[str, ...], limit: int = 2) -> Iterator[list[Any]]:
    """The pages of a list by keyset, each read when it is asked for."""
    after: tuple[object, ...] | None = None
    while True:
        result = repo.list(Page(limit=limit, sort=sort, after=after))
        yield result.items
        after = result.next
        if after is None:
            return


class PagingContract:
    """Tests of paging; ``DomainContract`` gives the fixtures."""

    def test_offset_pages_are_parts_of_the_whole(self, repo: IDomain[Any], make: Make) -> None:
        """For every offset and limit; what is behind the end is empty."""
        repo.save_many([make(number) for number in range(7)])
        whole = repo.list(Page(limit=100)).items
        assert len(whole) == 7
        for limit in (1, 2, 3, 6, 7, 8):
            for offset in range(9):
                result = repo.list(Page(limit=limit, offset=offset, count=True))
                assert result.items == whole[offset : offset + limit], (limit, offset)
                assert result.total == 7
                assert (result.next is None) is (offset + limit >= 7), (limit, offset)

    def test_keyset_goes_on_from_any_row(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Rows that agree, and rows without a value, are told apart by their id."""
        entities = [make(number) for number in range(9)]
        free = {name for index in spec.indexes if index.unique for name in index.fields}
        names = [field.name for field in spec.fields if field.kind in SORTABLE]
        for field in spec.fields:  # three that are alike in all that may be
            if field.name not in free and not field.is_status and field.ref is None:
                for entity in entities[4:7]:
                    setattr(entity, field.name, getattr(entities[0], field.name))
        repo.save_many(entities)
        for name in ("id", *names):
            for sort in ((name,), (f"-{name}",)):
                keys = sort_keys(spec, Page(sort=sort))
                expected = in_order(entities, keys)
                for place, entity in enumerate(expected):
                    after = tuple(key.field.read(entity) for key in keys)
                    result = repo.list(Page(limit=3, sort=sort, after=after, count=True))
                    assert result.items == expected[place + 1 : place + 4], (sort, place)
                    assert result.total == 9

    def test_pages_by_keyset_are_stable_while_others_write(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Rows that are there all the time come once, however many come and go before and behind the page."""
        name = next((n for n in changeable(spec) if spec.field(n).kind in SORTABLE), "id")
        for sort in ((name,), (f"-{name}",)):
            kept = [repo.save(make(number)) for number in (2, 4, 6, 8, 10)]
            passing = [repo.save(make(number)) for number in (1, 5, 9)]
            seen: list[Any] = []
            coming = iter([[make(0), make(3)], [make(7), make(11)], [make(12)]])
            for page in pages(repo, sort):
                seen.extend(entity.id for entity in page)
                repo.save_many(next(coming, []))
                if passing:
                    repo.delete(passing.pop())
            assert [id for id in seen if id in {e.id for e in kept}] == [
                entity.id for entity in in_order(kept, sort_keys(spec, Page(sort=sort)))
            ]
            assert len(seen) == len(set(seen))
            if spec.soft_delete:  # their unique values stay taken
                return
            for entity in repo.list(Page(limit=100)).items:
                repo.delete(entity)

    def test_the_total_counts_what_matches(self, repo: IDomain[Any], make: Make, spec: ModelSpec) -> None:
        """Not what the page holds, nor what is behind a keyset."""
        entities = [make(number) for number in range(8)]
        repo.save_many(entities)
        half: Criteria = Compare("id", "in", tuple(entity.id for entity in entities[::2]))
        test = matcher(spec, half)
        expected = [e for e in in_order(entities, sort_keys(spec, Page(sort=("id",)))) if test(e)]
        first = repo.list(Page(limit=3, sort=("id",), count=True), half)
        assert (first.items, first.total) == (expected[:3], 4)
        last = repo.list(Page(limit=3, sort=("id",), count=True, after=first.next), half)
        assert (last.items, last.total, last.next) == (expected[3:], 4, None)
