"""The story that ``prefiq try --check`` tells over HTTP; each step says what it expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from uuid import UUID

from prefiq.cli.trial.client import Answer, Client

__all__ = ["Differs", "Step", "Story", "Told"]


Step = Callable[[], None]
"""Does one thing and raises ``Differs`` where the answer is another; its docstring is its name."""


class Differs(Exception):
    """An answer is not the expected one."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a step went.

    Args:
        name: The step's.
        differs: What was not as expected; empty where all was.
    """

    name: str
    differs: str = ""


class Story:
    """Steps on one server with the modules projects and masters, and two tenants.

    Args:
        anonymous: A client without a token.
        acme: A client for one tenant, with every permission.
        globex: A client for the other.
        reader: A client for the first that may only read.
        modules: The listed modules; steps of others are left out.
        demo: How many projects the first tenant has already.
    """

    def __init__(
        self,
        anonymous: Client,
        acme: Client,
        globex: Client,
        reader: Client,
        *,
        modules: frozenset[str],
        demo: int,
    ) -> None:
        self.anonymous = anonymous
        self.acme = acme
        self.globex = globex
        self.reader = reader
        self.modules = modules
        self.demo = demo
        self.project: dict[str, Any] = {}
        self.tag = ""

    def run(self) -> Iterator[Told]:
        """Take every step, also after one that differs."""
        for step in self.steps():
            name = (step.__doc__ or "").rstrip(".")
            try:
                step()
            except Differs as error:
                yield Told(name, str(error))
            except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
                # An answer of another shape, or none at all.
                yield Told(name, f"{type(error).__name__}: {error}")
            else:
                yield Told(name)

    def steps(self) -> list[Step]:
        """The steps, in order."""
        steps = [
            self.health,
            self.me,
            self.openapi,
            self.no_token,
            self.forged,
        ]
        if "projects" in self.modules:
            steps += [
                self.create,
                self.read,
                self.unchanged,
                self.listed,
                self.paged,
                self.filtered,
                self.unknown_parameter,
                self.field_errors,
                self.taken,
                self.change,
                self.stale,
                self.status_assigned,
                self.out_of_order,
                self.activate,
                self.refused,
                self.close,
                self.forbidden,
                self.other_tenant,
                self.own_list,
                self.history,
                self.include,
                self.message,
                self.delete,
            ]
        if "masters" in self.modules:
            steps += [
                self.countries,
                self.lookups,
                self.search,
                self.edit,
            ]
        return steps

    # ---- the server

    def health(self) -> None:
        """The server is alive and ready."""
        _is(self.anonymous.call("GET", "/livez"), 200)
        _is(self.anonymous.call("GET", "/readyz"), 200)

    def me(self) -> None:
        """GET /api/me says who asks."""
        answer = _is(self.acme.call("GET", "/api/me"), 200)
        _same("tenant", answer.body["tenant"], "acme")

    def openapi(self) -> None:
        """The API describes itself (OpenAPI 3.1)."""
        answer = _is(self.acme.call("GET", "/openapi.json"), 200)
        _true("openapi 3.1", answer.body["openapi"].startswith("3.1"))

    def no_token(self) -> None:
        """Without a token: 401."""
        answer = _is(self.anonymous.call("GET", "/api/me"), 401)
        _true("WWW-Authenticate", "www-authenticate" in answer.headers)

    def forged(self) -> None:
        """With a forged token: 401."""
        token = self.acme._token
        head, claims, mark = token.split(".")
        other = "A" if mark[0] != "A" else "B"
        forged = self.acme.using(f"{head}.{claims}.{other}{mark[1:]}")
        _is(forged.call("GET", "/api/me"), 401)
        forged.close()

    # ---- projects

    @property
    def path(self) -> str:
        """Path of the project of this story."""
        return f"/api/projects/projects/{self.project['id']}"

    def create(self) -> None:
        """Create a project: 201, Location, ETag."""
        body = {"code": "STORY-1", "name": "The story", "budget": "1200.50", "starts": "2026-01-01"}
        answer = _is(self.acme.call("POST", "/api/projects/projects", body), 201)
        self.project = answer.body
        UUID(answer.body["id"])
        _same("budget", answer.body["budget"], "1200.50")
        _same("stage", answer.body["stage"], "draft")
        _true("Location", answer.headers.get("location", "").endswith(self.path))
        _true("ETag", bool(answer.headers.get("etag")))

    def read(self) -> None:
        """Read it back."""
        answer = _is(self.acme.call("GET", self.path), 200)
        _same("the project", answer.body, self.project)
        self.tag = answer.headers["etag"]

    def unchanged(self) -> None:
        """Unchanged since: 304."""
        _is(self.acme.call("GET", self.path, if_none_match=self.tag), 304)

    def listed(self) -> None:
        """List, with the exact count."""
        answer = _is(self.acme.call("GET", "/api/projects/projects?count=exact&limit=200"), 200)
        _same("total", answer.body["total"], self.demo + 1)
        _true(
            "the new one is among them", self.project["id"] in {item["id"] for item in answer.body["items"]}
        )

    def paged(self) -> None:
        """Page through the list by cursor."""
        seen: list[str] = []
        path = "/api/projects/projects?limit=2"
        for _ in range(self.demo + 2):
            answer = _is(self.acme.call("GET", path), 200)
            seen += [item["code"] for item in answer.body["items"]]
            if answer.body["next"] is None:
                break
            path = f"/api/projects/projects?limit=2&cursor={answer.body['next']}"
        _same("projects seen", len(seen), self.demo + 1)
        _same("the order", seen, sorted(set(seen)))

    def filtered(self) -> None:
        """Filter and sort."""
        answer = _is(self.acme.call("GET", "/api/projects/projects?code=STORY-1"), 200)
        _same("found", [item["code"] for item in answer.body["items"]], ["STORY-1"])
        answer = _is(self.acme.call("GET", "/api/projects/projects?starts.gte=2026-01-01&sort=-name"), 200)
        names = [item["name"] for item in answer.body["items"]]
        _same("the order", names, sorted(names, reverse=True))

    def unknown_parameter(self) -> None:
        """Unknown parameter: 422."""
        answer = _is(self.acme.call("GET", "/api/projects/projects?colour=red"), 422)
        _same("content type", answer.headers["content-type"], "application/problem+json")
        _same("parameter", answer.body["errors"][0]["parameter"], "colour")

    def field_errors(self) -> None:
        """Every field error at once: 422 with pointers."""
        body = {"code": "not good", "budget": "-1", "colour": "red"}
        answer = _is(self.acme.call("POST", "/api/projects/projects", body), 422)
        found = {error["pointer"] for error in answer.body["errors"]}
        _same("pointers", found, {"#/code", "#/name", "#/budget", "#/colour"})

    def taken(self) -> None:
        """A code that is taken: 409."""
        answer = _is(
            self.acme.call("POST", "/api/projects/projects", {"code": "STORY-1", "name": "again"}), 409
        )
        _same("pointer", answer.body["errors"][0]["pointer"], "#/code")

    def change(self) -> None:
        """Change one field."""
        answer = _is(self.acme.call("PATCH", self.path, {"name": "The story, told"}, if_match=self.tag), 200)
        _same("name", answer.body["name"], "The story, told")
        _true("the ETag changed", answer.headers["etag"] != self.tag)
        self.project = answer.body

    def stale(self) -> None:
        """Stale write: 412, nothing changed."""
        _is(self.acme.call("PATCH", self.path, {"name": "Too late"}, if_match=self.tag), 412)
        _same("name", self.acme.call("GET", self.path).body["name"], "The story, told")

    def status_assigned(self) -> None:
        """A status assigned directly is refused."""
        _is(self.acme.call("PATCH", self.path, {"stage": "closed"}), 422)
        _same("stage", self.acme.call("GET", self.path).body["stage"], "draft")

    def out_of_order(self) -> None:
        """Action out of order: 409 with what is possible."""
        answer = _is(self.acme.call("POST", f"{self.path}/close", {"reason": "too early"}), 409)
        _same("allowed", answer.body["allowed"], ["activate"])

    def activate(self) -> None:
        """Action: activate."""
        answer = _is(self.acme.call("POST", f"{self.path}/activate"), 200)
        _same("stage", answer.body["stage"], "active")

    def refused(self) -> None:
        """Action with a wrong body: 422."""
        answer = _is(self.acme.call("POST", f"{self.path}/close", {"reason": " "}), 422)
        _same("pointer", answer.body["errors"][0]["pointer"], "#/reason")
        _is(self.acme.call("POST", f"{self.path}/close", {}), 422)

    def close(self) -> None:
        """Action with a body: close."""
        answer = _is(self.acme.call("POST", f"{self.path}/close", {"reason": "the end"}), 200)
        _same("stage", answer.body["stage"], "closed")

    def forbidden(self) -> None:
        """Without the permission: 403."""
        _is(self.reader.call("GET", self.path), 200)
        answer = _is(self.reader.call("POST", "/api/projects/projects", {"code": "NO-1", "name": "no"}), 403)
        _same("permission", answer.body["permission"], "projects.project.create")

    def other_tenant(self) -> None:
        """Another tenant's id answers as a missing one: 404."""
        missing = f"/api/projects/projects/{UUID(int=7)}"
        foreign = _is(self.globex.call("GET", self.path), 404)
        absent = _is(self.globex.call("GET", missing), 404)
        _same("the answer", _without_ids(foreign.body), _without_ids(absent.body))
        for method, body in (("PATCH", {"name": "stolen"}), ("DELETE", None)):
            _is(self.globex.call(method, self.path, body), 404)
        _same("name", self.acme.call("GET", self.path).body["name"], "The story, told")

    def own_list(self) -> None:
        """Another tenant has its own list."""
        answer = _is(self.globex.call("GET", "/api/projects/projects?limit=200"), 200)
        mine = {
            item["id"] for item in self.acme.call("GET", "/api/projects/projects?limit=200").body["items"]
        }
        _same("in common", mine & {item["id"] for item in answer.body["items"]}, set())
        # The same code is free for another tenant.
        created = _is(
            self.globex.call("POST", "/api/projects/projects", {"code": "STORY-1", "name": "Ours"}), 201
        )
        _is(self.globex.call("DELETE", f"/api/projects/projects/{created.body['id']}"), 204)

    def history(self) -> None:
        """History: who, when, what before and after."""
        answer = _is(self.acme.call("GET", f"{self.path}/history"), 200)
        entries = answer.body["items"]
        _same("entries", len(entries), 4)
        text = answer.text
        _true("who", "developer" in text)
        _true("what was before and after", "The story" in text and "The story, told" in text)
        _is(self.globex.call("GET", f"{self.path}/history"), 404)

    def include(self) -> None:
        """A task with its checklist, project included."""
        body = {
            "project_id": self.project["id"],
            "title": "Write it down",
            "checklist": [{"title": "begin"}, {"title": "end", "done": True}],
        }
        made = _is(self.acme.call("POST", "/api/projects/tasks", body), 201)
        _same("checklist", [row["title"] for row in made.body["checklist"]], ["begin", "end"])
        answer = _is(self.acme.call("GET", f"/api/projects/tasks?id={made.body['id']}&include=project"), 200)
        _same("project", answer.body["items"][0]["project"]["code"], "STORY-1")
        foreign = _is(self.globex.call("POST", "/api/projects/tasks", body), 422)
        _same("pointer", foreign.body["errors"][0]["pointer"], "#/project_id")
        _is(self.acme.call("DELETE", f"/api/projects/tasks/{made.body['id']}"), 204)

    def message(self) -> None:
        """A subscriber wrote a message."""
        answer = _is(self.acme.call("GET", "/api/projects/messages"), 200)
        _true("a message", "STORY-1 is closed" in {item["subject"] for item in answer.body["items"]})

    def delete(self) -> None:
        """Delete: 204, then 404."""
        _is(self.acme.call("DELETE", self.path), 204)
        _is(self.acme.call("GET", self.path), 404)

    # ---- masters

    def countries(self) -> None:
        """Countries of ISO 3166, for both tenants."""
        for client in (self.acme, self.globex):
            _same("countries", _total(client, "/api/masters/countries"), 249)

    def lookups(self) -> None:
        """Currencies, subdivisions, units."""
        _true("about 180 currencies", 150 <= _total(self.acme, "/api/masters/currencies") <= 220)
        _true("about 5,000 subdivisions", _total(self.acme, "/api/masters/subdivisions") > 4500)
        _true("units", _total(self.acme, "/api/masters/units") > 20)

    def search(self) -> None:
        """Search by name."""
        answer = _is(self.acme.call("GET", "/api/masters/countries?q=zealand"), 200)
        _same("found", [item["code"] for item in answer.body["items"]], ["NZ"])

    def edit(self) -> None:
        """A tenant's edit of a lookup stays its own."""
        found = _is(self.acme.call("GET", "/api/masters/countries?code=NZ"), 200).body["items"][0]
        path = f"/api/masters/countries/{found['id']}"
        _is(self.acme.call("PATCH", path, {"name": "Aotearoa"}), 200)
        other = _is(self.globex.call("GET", "/api/masters/countries?code=NZ"), 200).body["items"][0]
        _same("the other tenant's name", other["name"], "New Zealand")


def _is(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise Differs(f"expected {status}, got {answer.status}: {answer.text[:300]}")
    return answer


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Differs(f"{what}: expected {expected!r}, got {found!r}")


def _true(what: str, holds: object) -> None:
    if not holds:
        raise Differs(f"not so: {what}")


def _total(client: Client, path: str) -> int:
    total: int = _is(client.call("GET", f"{path}?count=exact&limit=1"), 200).body["total"]
    return total


def _without_ids(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "instance"}
