"""The stores of memory and SQLite pass the suite that module authors run, on every shape of model."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
from tests.stores import Place

from prefiq.contracts import Bound, System
from prefiq.testing.domain_contract import DomainContract
from prefiq.testing.samples import sample


class _Stores(DomainContract):
    """The suite, on each of the stores in ``conftest``."""

    name = ""

    @pytest.fixture(autouse=True)
    def _model(self, models: Any) -> None:
        type(self).model = getattr(models, self.name)

    @pytest.fixture
    def spec(self, catalog: Any, _model: None) -> Any:
        return catalog[self.model]

    @pytest.fixture
    def repo(self, ours: Any) -> Any:
        return ours(self.model)[0]

    @pytest.fixture
    def transactions(self, ours: Any) -> Any:
        return ours(self.model)[1]

    @pytest.fixture
    def other_repo(self, theirs: Any) -> Any:
        return theirs(self.model)[0]

    @pytest.fixture
    def another(self, here: Place, repo: Any, place: str) -> Any:
        if place == "sqlite-memory":
            return None  # its connections share one cache, whose tables lock each other without waiting
        tenancy = System("test") if repo.spec.scope == "shared" else Bound("acme")

        @contextmanager
        def open_() -> Any:
            with here.opened(tenancy) as store:
                yield store(self.model)[0]

        return open_


class TestProject(_Stores):
    name = "Project"


class TestTask(_Stores):
    name = "Task"

    @pytest.fixture
    def given(self, ours: Any, models: Any, catalog: Any) -> Any:
        project = ours(models.Project)[0].save(sample(catalog[models.Project], 50))
        return {"project_id": project.id}

    @pytest.fixture
    def make_other(self, theirs: Any, models: Any, catalog: Any, spec: Any) -> Any:
        project = theirs(models.Project)[0].save(sample(catalog[models.Project], 50))
        return lambda number: sample(spec, number, {"project_id": project.id})


class TestEverything(_Stores):
    name = "Everything"


class TestBox(_Stores):
    """Extensions of two modules change nothing of what the model itself does."""

    name = "Box"


class TestNote(_Stores):
    name = "Note"


class TestCountry(_Stores):
    name = "Country"

    @pytest.fixture
    def repo(self, systems: Any) -> Any:
        return systems(self.model)[0]

    @pytest.fixture
    def transactions(self, systems: Any) -> Any:
        return systems(self.model)[1]
