"""Two tenants use one application at once, at random; neither ever sees, changes or counts a row of the other."""

import random

import pytest
from tests.servers import ENGINES, MODES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("place"),
    pytest.mark.parametrize(
        "place", [f"{engine}-{mode}" for engine in ENGINES for mode in MODES], indirect=True
    ),
]

STEPS = 600


class Tenant:
    """What one tenant should see: its own rows, as they were last written."""

    def __init__(self, api, key, others):
        self.api, self.key, self.others = api, key, others
        self.rows = {}

    def request(self, method, path, **options):
        answer = self.api.request(method, path, tenant=self.key, **options)
        assert answer.status_code < 500, answer.text
        for foreign in self.others():
            assert foreign not in answer.text, (method, path)
        return answer

    def create(self, dice):
        code = f"C-{dice.randrange(40)}"
        answer = self.request(
            "POST",
            "/projects",
            json={"code": code, "name": f"{self.key} {code}", "effort": dice.randrange(4)},
        )
        taken = any(row["code"] == code for row in self.rows.values())
        assert answer.status_code == (409 if taken else 201)
        if not taken:
            self.rows[answer.json()["id"]] = answer.json()

    def change(self, dice):
        key, row = dice.choice(list(self.rows.items()))
        answer = self.request(
            "PATCH",
            f"/projects/{key}",
            json={"note": str(dice.random())},
            headers={"If-Match": f'"{row["version"]}"'},
        )
        assert answer.status_code == 200
        self.rows[key] = answer.json()

    def act(self, dice):
        key = dice.choice(list(self.rows))
        answer = self.request("POST", f"/projects/{key}/rename", json={"name": f"{self.key} again"})
        assert answer.status_code == 200
        self.rows[key] = answer.json()

    def delete(self, dice):
        key = dice.choice(list(self.rows))
        assert self.request("DELETE", f"/projects/{key}").status_code == 204
        del self.rows[key]

    def read(self, dice):
        key = dice.choice(list(self.rows))
        assert self.request("GET", f"/projects/{key}").json() == self.rows[key]

    def history(self, dice):
        key = dice.choice(list(self.rows))
        assert self.request("GET", f"/projects/{key}/history").status_code == 200

    def list(self, dice):
        query = dice.choice(
            ["", "sort=-effort", "effort=1", "q=again", "code.gt=C-2", "id.nin=" + next(iter(self.rows), "")]
        )
        if query.endswith("="):
            return
        path, seen = f"/projects?limit={dice.randrange(1, 9)}&count=exact&{query}", []
        while path:
            answer = self.request("GET", path)
            seen += answer.json()["items"]
            total = answer.json()["total"]
            link = answer.headers.get("link")
            path = link and link[1 : link.index(">")]
        assert len(seen) == total
        assert all(self.rows[item["id"]] == item for item in seen)
        if query in {"", "sort=-effort"}:
            assert total == len(self.rows)

    def reach_over(self, dice):
        """Every verb at a row of the other tenant: as if it did not exist."""
        foreign = dice.choice(list(self.others()) or ["01890000-0000-7000-8000-000000000001"])
        method, suffix, body = dice.choice([
            ("GET", "", None), ("PATCH", "", {"name": "stolen"}), ("DELETE", "", None), ("POST", "/rename", {"name": "x"}),
            ("POST", "/close", {"reason": "x"}), ("GET", "/history", None),
        ])  # fmt: skip
        assert (
            self.api.request(method, f"/projects/{foreign}{suffix}", tenant=self.key, json=body).status_code
            == 404
        )
        answer = self.api.post("/tasks", {"title": "t", "project_id": foreign}, tenant=self.key)
        assert answer.status_code == 422
        assert self.api.get(f"/projects?id={foreign}&count=exact", tenant=self.key).json()["total"] == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_tenants_never_cross(api, seed):
    """Whatever the two do in whatever order, each sees exactly what it wrote itself."""
    dice = random.Random(seed)
    first = Tenant(api, "acme", lambda: second.rows)
    second = Tenant(api, "globex", lambda: first.rows)
    steps = [Tenant.create] * 4 + [
        Tenant.change, Tenant.act, Tenant.delete, Tenant.read, Tenant.history, Tenant.list, Tenant.list, Tenant.reach_over,
    ]  # fmt: skip
    for _ in range(STEPS):
        tenant, step = dice.choice([first, second]), dice.choice(steps)
        if tenant.rows or step in {Tenant.create, Tenant.list, Tenant.reach_over}:
            step(tenant, dice)
    assert first.rows
    assert second.rows
