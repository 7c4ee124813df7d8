"""What the two modules that extend projects look like in graph, explanation and surface."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefiq import Application, IDomainService, Settings
from prefiq.doctor.surface import surface_of
from prefiq_projects import Project


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application.prepare(Settings.for_test(tmp_path, APPS=["projects", "billing", "timesheets"]))


def test_extenders_point_to_what_they_extend(app: Application) -> None:
    """And never the other way round: what a part of a service asks for is asked by its module."""
    edges = {(edge.source, edge.target): edge.kinds for edge in app.graph().edges}
    assert set(edges) == {("billing", "projects"), ("timesheets", "projects")}
    for kinds in edges.values():
        assert {"requires", "extends", "decorates", "hooks into"} <= set(kinds)


def test_parts_of_a_service_are_its_history(app: Application) -> None:
    """In module order, each with what there would be without it."""
    history = app.explain(IDomainService[Project]).history
    assert [(event.deed, event.module, event.without) for event in history] == [
        ("bound", "projects", "ProjectServices, the default of projects for IDomainService[Project]"),
        ("extended", "billing", "ProjectService"),
        ("extended", "timesheets", "BillingProjectService"),
    ]


def test_what_a_module_adds_is_its_own(app: Application) -> None:
    """Fields, columns, indexes, actions and routes on another's model; and the base's are as it declares them."""
    billing, projects = surface_of(app, "billing"), surface_of(app, "projects")
    for kind, name in (
        ("fields", "projects.Project.billing.rate"),
        ("fields", "projects.Project.bill(amount)"),
        ("columns", "projects_project.x_billing_rate"),
        ("indexes", "ix_projects_project_x_billing_rate"),
        ("actions", "projects.Project.bill"),
        ("routes", "POST /api/projects/projects/{id}/bill"),
        ("permissions", "billing.project.bill"),
    ):
        assert name in billing[kind]
        assert name not in projects[kind]
        assert name in surface_of(app)[kind]
    assert "projects_project" not in billing["tables"]
    assert projects["fields"]["projects.Project.name"]["max_length"] == 200
    assert surface_of(app)["fields"]["projects.Project.name"]["max_length"] == 100
