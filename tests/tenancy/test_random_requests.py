"""Random requests of three tenants whose rows have the same ids: no answer ever shows anything of another one.

Every text that a tenant writes holds its mark, and every answer to it is searched for the marks of the others;
beside that, a model of each tenant's rows says what must be found, and how many there are.
A few thousand requests by default; with ``--full`` a hundred thousand on SQLite, and as many on the servers together.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests import servers
from tests.servers import ENGINES, MODES
from tests.unit.web.conftest import MastersProvider, Project, ProjectsProvider, Task

from prefiq import Application, IDomain, can
from prefiq.bridge import run
from prefiq.testing import make_application
from prefiq.testing.attacks.asking import Answered, Asker, asking
from prefiq.web import auth

TENANTS = ("acme", "globex", "initech")
IDS = [uuid.UUID(int=(7 << 76) + (2 << 62) + number) for number in range(12)]
OLD = datetime(2026, 1, 1, tzinfo=UTC)
PROJECTS, TASKS = "/api/projects/projects", "/api/projects/tasks"
PLAIN = (
    "",
    "sort=-effort",
    "sort=-code",
    "effort.gte=1",
    "q=of",
    "code.gt=C-2",
    "count=exact",
    "urgent=false",
)


def mark(tenant: str) -> str:
    """What stands in every text of a tenant, and in no word of the API."""
    return f"zq{tenant[::-1]}qz"


class Player:
    """One tenant: what it has, as it was last written.

    Args:
        tenant: Its key.
    """

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.projects: dict[str, str] = {}
        self.tasks: set[str] = set()
        self.code = 0


class Game:
    """All tenants, and the requests that can be made.

    Args:
        app: Empty.
        asker: Asks its API.
        seed: Of the dice.
    """

    def __init__(self, app: Application, asker: Asker, seed: int) -> None:
        self.asker = asker
        self.dice = random.Random(seed)
        self.players = [Player(tenant) for tenant in TENANTS]
        self.leaks: list[str] = []
        self.ids = [str(id_) for id_ in IDS]
        for number, player in enumerate(self.players):
            with app.scope(player.tenant, can("*")) as scope:
                for id_ in IDS[number : number + 9]:  # most ids are those of two tenants or of all three
                    project = Project(
                        id=id_,
                        code=f"P-{id_.int % 100}",
                        name=f"{mark(player.tenant)} of old",
                        created_at=OLD,
                    )
                    scope[IDomain[Project]].save(project)
                    player.projects[str(id_)] = project.name
                    task = Task(id=id_, title=f"{mark(player.tenant)} task", project_id=id_)
                    scope[IDomain[Task]].save(task)
                    player.tasks.add(str(id_))

    def play(self, requests: int) -> list[str]:
        """Make so many requests; what leaked."""
        moves: list[Callable[[Player], None]] = [
            self.read, self.read, self.read_task, self.list, self.list, self.pages, self.change, self.rename, self.history,
            self.create, self.delete, self.relate, self.name_another, self.select_another, self.tag,
        ]  # fmt: skip
        for _ in range(requests):
            self.dice.choice(moves)(self.dice.choice(self.players))
            if len(self.leaks) > 5:
                break
        return self.leaks

    def ask(
        self, player: Player, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> Answered:
        """A request, whose answer must hold no mark of another tenant."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answered = self.asker(token or player.tenant, method, path, body, given)
        text = answered.body.decode()
        for other in TENANTS:
            if other != player.tenant and (
                mark(other) in text or any(mark(other) in v for v in answered.headers.values())
            ):
                self.leaks.append(f"{player.tenant}: {method} {path} shows {other}: {text[:200]}")
        if answered.status >= 500:
            self.leaks.append(f"{player.tenant}: {method} {path} is {answered.status}")
        return answered

    def expect(self, fits: bool, player: Player, what: str) -> None:
        if not fits:
            self.leaks.append(f"{player.tenant}: {what}")

    def read(self, player: Player) -> None:
        key = self.dice.choice(self.ids)
        answered = self.ask(player, "GET", f"{PROJECTS}/{key}")
        self.expect(answered.status == (200 if key in player.projects else 404), player, f"read {key}")
        if answered.status == 200:
            self.expect(json.loads(answered.body)["name"] == player.projects[key], player, f"value of {key}")

    def read_task(self, player: Player) -> None:
        key = self.dice.choice(self.ids)
        answered = self.ask(player, "GET", f"{TASKS}/{key}?include=project")
        self.expect(answered.status == (200 if key in player.tasks else 404), player, f"task {key}")

    def list(self, player: Player) -> None:
        path = f"{PROJECTS}?limit=50&count=exact&{self.dice.choice(PLAIN[:3])}"
        found = json.loads(self.ask(player, "GET", path).body)
        self.expect(found.get("total") == len(player.projects), player, f"{path}: {found!s:.300}")
        self.ask(player, "GET", f"{TASKS}?include=project&{self.dice.choice(('', 'limit=3', 'sort=-title'))}")
        self.ask(player, "GET", f"{PROJECTS}?id={self.dice.choice(self.ids)}")

    def pages(self, player: Player) -> None:
        path = f"{PROJECTS}?limit={self.dice.randrange(1, 5)}&{self.dice.choice(PLAIN)}"
        following = self.ask(player, "GET", path).next
        if following:
            reader = self.dice.choice(self.players)
            answered = self.ask(reader, "GET", following)
            self.expect((answered.status == 200) is (reader is player), reader, f"cursor of {player.tenant}")

    def change(self, player: Player) -> None:
        key, name = self.dice.choice(self.ids), f"{mark(player.tenant)} {self.dice.random()}"
        answered = self.ask(player, "PATCH", f"{PROJECTS}/{key}", {"name": name})
        self.expect(answered.status == (200 if key in player.projects else 404), player, f"change {key}")
        if key in player.projects:
            player.projects[key] = name

    def rename(self, player: Player) -> None:
        key, name = self.dice.choice(self.ids), f"{mark(player.tenant)} again"
        answered = self.ask(player, "POST", f"{PROJECTS}/{key}/rename", {"name": name})
        self.expect(answered.status == (200 if key in player.projects else 404), player, f"rename {key}")
        if key in player.projects:
            player.projects[key] = name

    def history(self, player: Player) -> None:
        key = self.dice.choice(self.ids)
        answered = self.ask(player, "GET", f"{PROJECTS}/{key}/history")
        self.expect(answered.status == (200 if key in player.projects else 404), player, f"history {key}")

    def create(self, player: Player) -> None:
        if len(player.projects) > 30:
            return
        player.code += 1
        name = f"{mark(player.tenant)} new"
        answered = self.ask(
            player, "POST", PROJECTS, {"code": f"C-{player.code}", "name": name, "effort": player.code % 4}
        )
        self.expect(answered.status == 201, player, f"create: {answered.status}")
        if answered.status == 201:
            key = json.loads(answered.body)["id"]
            player.projects[key] = name
            self.ids.append(key)

    def delete(self, player: Player) -> None:
        key = self.dice.choice(self.ids)
        if key in player.tasks:  # its task keeps it
            return
        answered = self.ask(player, "DELETE", f"{PROJECTS}/{key}")
        self.expect(answered.status == (204 if key in player.projects else 404), player, f"delete {key}")
        player.projects.pop(key, None)
        if not any(key in other.projects for other in self.players) and key not in map(str, IDS):
            self.ids.remove(key)

    def relate(self, player: Player) -> None:
        key, task = self.dice.choice(self.ids), self.dice.choice(sorted(player.tasks))
        if key not in player.projects:  # so that no project is kept by a second task
            answered = self.ask(player, "PATCH", f"{TASKS}/{task}", {"project_id": key})
            self.expect(answered.status == 422, player, f"related to {key}: {answered.status}")

    def name_another(self, player: Player) -> None:
        other = self.dice.choice([*TENANTS, "nobody"])
        by_path = self.ask(player, "GET", f"/t/{other}{PROJECTS}?limit=2")
        by_header = self.ask(player, "GET", f"{PROJECTS}?limit=2", prefiq_tenant=other)
        for answered in (by_path, by_header):
            self.expect(answered.status == (200 if other == player.tenant else 403), player, f"named {other}")

    def select_another(self, player: Player) -> None:
        """A token of all tenants sees the one that it selects."""
        token = ",".join(sorted(TENANTS, key=lambda _: self.dice.random()))
        self.ask(player, "GET", f"{PROJECTS}?limit=3", token=token, prefiq_tenant=player.tenant)
        self.ask(player, "GET", f"/t/{player.tenant}{TASKS}?limit=3&include=project", token=token)

    def tag(self, player: Player) -> None:
        key = self.dice.choice(self.ids)
        answered = self.ask(
            player, "GET", f"{PROJECTS}/{key}", if_none_match=f'"{self.dice.randrange(1, 4)}"'
        )
        self.expect(
            answered.status in ((200, 304) if key in player.projects else (404,)), player, f"tag {key}"
        )


def play(engine: str, mode: str, folder: Path, requests: int, seed: int, **more: object) -> list[str]:
    """A game in an application of its own."""

    def within() -> list[str]:
        with (
            servers.database(engine, mode, folder=folder) as database,
            make_application(
                folder,
                modules=[ProjectsProvider, MastersProvider],
                tenants=TENANTS,
                **database.variables(),
                **more,
            ) as app,
            asking(app) as asker,
        ):
            return Game(app, asker, seed).play(requests)

    return run(within) if mode == "async" else within()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_answer_shows_another_tenant(engine: str, mode: str, tmp_path: Path) -> None:
    """The same seed is the same game, so that what fails can be played again."""
    assert play(engine, mode, tmp_path, 600 if engine == "sqlite" else 300, seed=1) == []


@pytest.mark.parametrize("mode", MODES)
def test_no_answer_shows_another_tenants_file(mode: str, tmp_path: Path) -> None:
    """The same where each tenant has a file of its own, and the ids in it are those of the others."""
    assert play("sqlite", mode, tmp_path, 600, seed=3, tenancy="database") == []
    assert len(list(tmp_path.glob("*.db"))) == 1 + len(TENANTS)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_answer_of_very_many_shows_another_tenant(engine: str, mode: str, tmp_path: Path) -> None:
    """A hundred thousand on SQLite, and as many on the servers together."""
    requests = {("sqlite", "sync"): 100_000}.get((engine, mode), 25_000)
    assert play(engine, mode, tmp_path, requests, seed=2) == []


def test_a_leak_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a token is good for every tenant that a request names."""
    monkeypatch.setattr(
        auth.Identity, "tenant", lambda self, wanted: (wanted or b"").decode() or self.default
    )
    assert play("sqlite", "sync", tmp_path, 400, seed=1) != []


def test_a_leak_of_rows_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reads are not confined."""
    from tests.tenancy.numbered import no_predicate

    no_predicate(monkeypatch)
    assert play("sqlite", "sync", tmp_path, 100, seed=1) != []
