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

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from prefiq.contracts import IDomain, ITransactions
from prefiq.lowcode import ModelMeta, ModelSpec
from prefiq.testing.contract_bulk import BulkContract
from prefiq.testing.contract_isolation import IsolationContract
from prefiq.testing.contract_paging import PagingContract
from prefiq.testing.contract_races import Another, RacesContract
from prefiq.testing.contract_reading import ReadingContract
from prefiq.testing.contract_values import Make
from prefiq.testing.contract_writing import WritingContract
from prefiq.testing.samples import sample

__all__ = ["DomainContract"]


class DomainContract(
    ReadingContract, PagingContract, WritingContract, BulkContract, RacesContract, IsolationContract
):
    """Derive from it, say ``model``, and give the fixtures ``repo`` and ``other_repo``.

    Attributes:
        model: The entity's class.
    """

    model: ClassVar[type[Any]]

    @pytest.fixture
    def repo(self) -> IDomain[Any]:
        """The store under test, empty; of one tenant (of the system, for a shared model)."""
        raise NotImplementedError("give a fixture `repo`")

    @pytest.fixture
    def other_repo(self) -> IDomain[Any]:
        """The same store for another tenant."""
        raise NotImplementedError("give a fixture `other_repo`")

    @pytest.fixture
    def another(self) -> Another | None:
        """Opens ``repo`` once more in a scope of its own; without it, the tests of several writers are left out."""
        return None

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
