"""Prefiq's own tables, from its first migration to its last, with the rows of an application that is in use."""

from __future__ import annotations

import importlib.resources
from datetime import UTC, datetime

from tests.unit.migrations.kit import Workshop

from prefiq.providers.lowcode_provider import LowcodeProvider

OWN = importlib.resources.files("prefiq.migrations.own")


def test_a_directory_in_use_is_kept(workshop: Workshop) -> None:
    """Tenants of the first release are there afterwards, in row mode and in the state that they had."""
    workshop.declare("prefiq", *LowcodeProvider.models)
    names = sorted(one.name for one in OWN.iterdir() if one.name[:1].isdigit())
    workshop.write("prefiq", names[0], OWN.joinpath(names[0]).read_text(encoding="utf-8"))
    workshop.migrate()
    for key in ("active", "suspended"):
        at = datetime(2026, 5, 1, tzinfo=UTC)
        workshop.put("prefiq_tenant", key=key, name="A customer", state=key, created_at=at)
    for name in names[1:]:
        workshop.write("prefiq", name, OWN.joinpath(name).read_text(encoding="utf-8"))
    workshop.migrate()
    assert workshop.drifted() == []
    found = workshop.rows(
        "SELECT state, mode, hint, epoch, hold, retain_until, purging_since FROM prefiq_tenant ORDER BY state"
    )
    assert found == [
        ("active", "row", "", 0, "", None, None),
        ("suspended", "row", "", 0, "", None, None),
    ]
