"""The graph of modules: what it knows, and that its picture can be read."""

from __future__ import annotations

import random
import re
from itertools import combinations
from pathlib import Path
from typing import Protocol
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest

from prefiq import Application, Binder, Entity, ProviderBase, Settings, field, on, ref
from prefiq.application.drawing import svg
from prefiq.application.module_graph import Edge, ModuleGraph, ModuleNode, mermaid

SVG = "{http://www.w3.org/2000/svg}"


class Project(Entity):
    name: str = field(max_length=20)


class Task(Entity):
    project_id: UUID = ref(Project)


class IBoard(Protocol):
    def columns(self) -> int: ...


class Board:
    def columns(self) -> int:
        return 3


class Wide:
    def __init__(self, inner: IBoard) -> None: ...

    def columns(self) -> int:
        return 5


class Chart:
    def __init__(self, board: IBoard) -> None: ...


@on.before_create(Project)
def stamp(project: Project) -> None: ...


class ProjectProvider(ProviderBase):
    name = "projects"
    models = (Project,)

    def bind(self, to: Binder) -> None:
        to.bind(IBoard, Board)


class TaskProvider(ProviderBase):
    name = "tasks"
    models = (Task,)

    def bind(self, to: Binder) -> None:
        to.bind(Chart)


class WideProvider(ProviderBase):
    name = "end"
    hooks = (stamp,)

    def bind(self, to: Binder) -> None:
        to.decorate(IBoard, Wide)


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application.prepare(
        Settings.for_test(tmp_path), modules=[ProjectProvider, TaskProvider, WideProvider]
    )


def test_what_modules_have_from_each_other(app: Application) -> None:
    """Contracts, references, decorators and hooks; what everybody has from Prefiq is left out."""
    graph = app.graph()
    assert [(module.name, module.models) for module in graph.modules] == [
        ("projects", 1),
        ("tasks", 1),
        ("end", 0),
    ]
    assert [(edge.source, edge.target, edge.kinds, edge.strong) for edge in graph.edges] == [
        ("tasks", "projects", ("refers to",), True),
        ("tasks", "end", ("uses",), True),
        ("end", "projects", ("decorates", "hooks into"), False),
    ]
    assert graph.edges[2].details == ("decorates IBoard", "hooks into projects.Project, before_create")


def test_mermaid(app: Application) -> None:
    """Names that mean something to mermaid are escaped; what is only added is dotted."""
    assert app.graph("mermaid") == (
        "flowchart TD\n"
        '    m_projects["projects"]\n'
        '    m_tasks["tasks"]\n'
        '    m_end["end"]\n'
        '    m_tasks -->|"refers to"| m_projects\n'
        '    m_tasks -->|"uses"| m_end\n'
        '    m_end -.->|"decorates, hooks into"| m_projects\n'
    )
    named = ModuleGraph((ModuleNode("a-b", "acme-a 1.0", 0, 0),), ())
    assert mermaid(named) == 'flowchart TD\n    m_a_b["a-b<br><small>acme-a 1.0</small>"]\n'


def graph_of(number: int, seed: int) -> ModuleGraph:
    """Modules of which each has something from up to three earlier ones, and now and then from a later one."""
    chance = random.Random(seed)
    names = [f"module_{place}" for place in range(number)]
    edges = {}
    for place, name in enumerate(names):
        for other in chance.sample(names[:place], min(place, chance.choice([0, 1, 1, 2, 3]))):
            edges[name, other] = Edge(name, other, ("requires",), (f"requires {other}",))
        if place + 1 < number and chance.random() < 0.1:
            edges[name, names[-1]] = Edge(name, names[-1], ("hooks into",), ("hooks into <X> & Y",))
    nodes = tuple(
        ModuleNode(name, f"acme-{name} 1.0" if place % 2 else "", 1, 2) for place, name in enumerate(names)
    )
    return ModuleGraph(nodes, tuple(edges.values()))


@pytest.mark.parametrize("number", [0, 1, 2, 30, 60])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_box_lies_on_another_or_outside(number: int, seed: int) -> None:
    """Every module has its place inside the picture, with its name."""
    graph = graph_of(number, seed)
    root = ET.fromstring(svg(graph))
    left, top, width, height = (float(part) for part in root.attrib["viewBox"].split())
    boxes = []
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        assert left <= x <= x + w <= left + width
        assert top <= y <= y + h <= top + height
        boxes.append((x, y, w, h))
    assert len(boxes) == number
    for (ax, ay, aw, ah), (bx, by, bw, bh) in combinations(boxes, 2):
        assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay
    names = {text.text for text in root.iter(f"{SVG}text")}
    assert names >= {module.name for module in graph.modules}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_line_runs_through_a_box(seed: int) -> None:
    """Where a line crosses a layer it runs straight down between the modules."""
    root = ET.fromstring(svg(graph_of(30, seed)))
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
    ]
    crossing = 0
    for line in lines(root):
        crossing += len(verticals(line))
        for start, end, x in verticals(line):
            for bx, by, bw, bh in boxes:
                crosses = min(start, end) < by + bh and by < max(start, end)
                assert not (crosses and bx < x < bx + bw)
    assert crossing > 0


def lines(root: ET.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter(f"{SVG}path") if "C" in path.attrib["d"]]


def verticals(line: str) -> list[tuple[float, float, float]]:
    """Start, end and place of every straight piece."""
    found = []
    for x, y, end in re.findall(r"([\d.-]+),([\d.-]+) V([\d.-]+)", line):
        found.append((float(y), float(end), float(x)))
    return found


def test_every_edge_is_a_line_with_its_reasons() -> None:
    """Also those of a circle; what is only added is dashed; texts are escaped."""
    graph = graph_of(30, 1)
    text = svg(graph)
    root = ET.fromstring(text)
    assert len(lines(root)) == len(graph.edges)
    soft = [path for path in root.iter(f"{SVG}path") if path.attrib.get("class") == "soft"]
    assert len(soft) == sum(not edge.strong for edge in graph.edges) > 0
    assert "hooks into &lt;X&gt; &amp; Y" in text


def test_what_is_built_upon_stands_below() -> None:
    """A module stands above everything that it has something from."""
    graph = graph_of(30, 2)
    root = ET.fromstring(svg(graph))
    y = {}
    for group in root.iter(f"{SVG}g"):
        rect, text = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        assert rect is not None
        assert text is not None
        y[text.text] = float(rect.attrib["y"])
    for edge in graph.edges:
        if edge.strong:
            assert y[edge.source] < y[edge.target]


def test_the_picture_is_the_same_each_time() -> None:
    """It can be committed, and a change of it is a change of the application."""
    assert svg(graph_of(30, 3)) == svg(graph_of(30, 3))
