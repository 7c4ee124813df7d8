"""Both stores of projects behave alike, and so does that of tasks: the contract suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from prefiq import IDomain, ITransactions, Scope
from prefiq.testing import DomainContract
from prefiq_projects import IProject, Project, Task
from prefiq_projects.memory import ProjectMemory

pytestmark = pytest.mark.prefiq(apps=["projects"])


class TestProjectRepos(DomainContract):
    """The store on SQL."""

    model = Project

    @pytest.fixture
    def repo(self, scope: Scope) -> IProject:
        return scope[IProject]

    @pytest.fixture
    def other_repo(self, other_scope: Scope) -> IProject:
        return other_scope[IProject]

    @pytest.fixture
    def transactions(self, scope: Scope) -> ITransactions:
        return scope[ITransactions]


class TestProjectMemory(TestProjectRepos):
    """The store in memory, in transactions of the same scope."""

    @pytest.fixture
    def app(self, app: Any) -> Any:
        return app.fork({IProject: ProjectMemory})


class TestTask(DomainContract):
    """A derived store, with a reference and children."""

    model = Task

    @pytest.fixture
    def repo(self, scope: Scope) -> IDomain[Task]:
        return scope[IDomain[Task]]

    @pytest.fixture
    def other_repo(self, other_scope: Scope) -> IDomain[Task]:
        return other_scope[IDomain[Task]]

    @pytest.fixture
    def transactions(self, scope: Scope) -> ITransactions:
        return scope[ITransactions]

    @pytest.fixture
    def given(self, scope: Scope) -> Mapping[str, Any]:
        return {"project_id": scope[IProject].save(Project(code="A", name="a")).id}
