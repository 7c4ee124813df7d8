"""The lookup tables of the first release, with rows, become those of the second on every engine."""

from __future__ import annotations

import importlib.resources
import json
from uuid import UUID

from tests.unit.migrations.kit import Workshop

from prefiq_masters import LOOKUPS

FILES = importlib.resources.files("prefiq_masters.migrations")


def test_rows_of_the_first_release_are_kept(workshop: Workshop) -> None:
    """A country and its states are there afterwards, the new columns are empty, and code of before still writes."""
    workshop.declare("masters", *LOOKUPS)
    first, second = sorted(one.name for one in FILES.iterdir() if one.name[:1].isdigit())
    workshop.write("masters", first, FILES.joinpath(first).read_text(encoding="utf-8"))
    workshop.migrate()
    before = {"tenant_id": "acme", "version": 1, "sort_order": 0, "active": True}
    country = {**before, "id": UUID(int=1), "code": "IN", "name": "India", "alpha_3": "IND"}
    workshop.put("masters_country", **country)
    state = {**before, "code": "IN-TN", "name": "Tamil Nadu", "country_id": UUID(int=1), "kind": "State"}
    workshop.put("masters_subdivision", id=UUID(int=2), **state)
    workshop.put("masters_currency", **before, id=UUID(int=3), code="INR", name="Rupee")

    workshop.write("masters", second, FILES.joinpath(second).read_text(encoding="utf-8"))
    workshop.migrate()
    assert workshop.drifted() == []
    state["code"] = "IN-KL"
    workshop.put("masters_subdivision", id=UUID(int=4), **state)
    assert workshop.rows("SELECT code, gst_code FROM masters_subdivision ORDER BY code") == [
        ("IN-KL", None),
        ("IN-TN", None),
    ]
    assert workshop.rows("SELECT code, symbol FROM masters_currency") == [("INR", None)]


def test_the_snapshot_is_that_of_the_declarations(workshop: Workshop) -> None:
    """Nobody changed a declaration without its migration: comparing them again writes nothing."""
    workshop.declare("masters", *LOOKUPS)
    for file in FILES.iterdir():
        if file.name[:1].isdigit() or file.name == "snapshot.json":
            workshop.write("masters", file.name, file.read_text(encoding="utf-8"))
    assert workshop.make("masters") == []
    assert len(json.loads(FILES.joinpath("snapshot.json").read_text("utf-8"))["models"]) == 31
