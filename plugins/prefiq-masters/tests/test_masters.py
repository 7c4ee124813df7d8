"""The lookup tables as people use them: over the API, with what a tenant starts with."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from prefiq import IDomain, IDomainService, Page, can, where
from prefiq.application import Application
from prefiq.lowcode import ModelMeta
from prefiq.migrations import run_seeds
from prefiq.testing import client_for, make_application
from prefiq_masters import (
    LOOKUPS,
    Country,
    Currency,
    District,
    Lookup,
    Month,
    Pincode,
    Subdivision,
    Tax,
    Unit,
    lookup,
    models,
    rows,
)
from prefiq_masters.seeds import SEEDS, code_of, months_of_year

README = Path(__file__).parents[1] / "README.md"
ADMIN = can("masters.*")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """An application whose tenant ``acme`` has its seeds; ``globex`` has none."""
    app = make_application(tmp_path_factory.mktemp("masters"), apps=["masters"])
    run_seeds(app, ["acme"])
    yield app
    app.close()


@pytest.fixture
def scope(app):
    with app.scope("acme", ADMIN) as scope:
        yield scope


@pytest.fixture
def client(app):
    with client_for(app, tenant="acme", actor=ADMIN) as client:
        yield client


def found(scope, model: type[Lookup], code: str) -> Any:
    return scope[IDomain[model]].get_by("code", code)


EXTRA: dict[str, dict[str, Any]] = {
    "Country": {"code": "ZZ", "alpha_3": "ZZZ"},
    "HsnCode": {"code": "87120010"},
    "LedgerGroup": {"nature": "asset"},
    "Month": {"code": "1999-01", "start_date": "1999-01-01", "end_date": "1999-01-31"},
    "Pincode": {"code": "641601-BAZAAR"},
    "Tax": {"rate": "7.50"},
}
"""What a model needs beside a code and a name."""


@pytest.mark.parametrize("model", LOOKUPS, ids=lambda model: model.__name__)
def test_every_table_has_an_api_permissions_and_walls(app, client, model):
    """Made, found, sorted, switched off, seen by its tenant alone, and by nobody without the permission."""
    spec = ModelMeta.of(model, module="masters")
    body = {"code": "NEW", "name": "Zz new one", **EXTRA.get(model.__name__, {})}
    for field in spec.fields:
        if field.ref is not None:
            target = ModelMeta.of(field.ref.target, module="masters").path
            body[field.name] = client.get(target, params={"limit": 1}).json()["items"][0]["id"]

    made = client.post(spec.path, json=body)
    assert made.status_code == 201, made.text
    row = made.json()
    assert (row["sort_order"], row["active"], row["version"]) == (0, True, 1)
    assert client.get(spec.path, params={"q": "Zz new"}).json()["items"] == [row]
    assert client.post(spec.path, json=body).status_code == 409

    path = f"{spec.path}/{row['id']}"
    off = client.patch(
        path, json={"active": False, "sort_order": 5}, headers={"If-Match": made.headers["etag"]}
    )
    assert (off.status_code, off.json()["active"], off.json()["sort_order"]) == (200, False, 5)
    chosen = client.get(spec.path, params={"active": "true", "q": "Zz new"}).json()
    assert chosen["items"] == []

    with client_for(app, tenant="globex", actor=ADMIN) as stranger:
        assert stranger.get(path).status_code == 404
    with client_for(app, tenant="acme", actor=can(f"{spec.qualified.lower()}.nothing")) as nobody:
        assert nobody.get(spec.path).status_code == 403
    assert client.delete(path).status_code in {200, 204}


@pytest.mark.parametrize("model", LOOKUPS, ids=lambda model: model.__name__)
def test_a_tenant_starts_with_rows_in_every_table(scope, model):
    """Where an order was meant, the list begins with the first; the service took every row."""
    page = scope[IDomainService[model]].list(Page(limit=200, count=True))
    assert page.total
    keys = [(row.sort_order, row.name) for row in page.items]
    assert keys == sorted(keys)
    assert all(row.version == 1 for row in page.items)


def test_lists_of_iso_are_whole(scope):
    counts = [scope[IDomain[model]].count() for model in (Country, Currency, Subdivision)]
    assert counts == [249, 178, 5046]
    germany = found(scope, Country, "DE")
    assert (germany.name, germany.alpha_3) == ("Germany", "DEU")
    parts = scope[IDomainService[Subdivision]].list(Page(limit=100, count=True), where(country_id=germany.id))
    assert parts.total == 16
    assert "Bayern" in [part.name for part in parts.items]
    assert found(scope, Currency, "INR").symbol == "₹"
    assert found(scope, Unit, "KGM").symbol == "kg"


def test_every_state_of_india_has_its_gst_code(scope):
    india = found(scope, Country, "IN")
    states = scope[IDomainService[Subdivision]].list(Page(limit=100), where(country_id=india.id)).items
    assert len(states) == 36
    assert sorted(state.gst_code for state in states) == [
        f"{number:02}" for number in range(1, 39) if number not in {25, 28}
    ]
    assert found(scope, Subdivision, "IN-TN").gst_code == "33"


def test_places_hang_together(scope):
    """From a postal code up to the country."""
    tiruppur = found(scope, Pincode, "641601")
    (city,) = scope[IDomain[Pincode]].load([tiruppur], Pincode.city_id).values()
    district = scope[IDomain[District]].get_by_id(city.district_id)
    state = scope[IDomain[Subdivision]].get_by_id(district.subdivision_id)
    assert (city.name, district.code, state.code) == ("Tiruppur", "TN-TIRUPPUR", "IN-TN")
    assert state.country_id == found(scope, Country, "IN").id


def test_rates_that_are_no_longer_general_are_there_but_not_to_choose(scope):
    rates = scope[IDomainService[Tax]].list(Page(limit=50)).items
    assert [row.rate for row in rates if row.active] == [
        Decimal(r) for r in ("0", "0.25", "3", "5", "18", "40")
    ]
    assert [row.rate for row in rates if not row.active] == [12, 28]


@pytest.mark.parametrize(
    ("today", "first"),
    [("2026-03-31", "2025-04-01"), ("2026-04-01", "2026-04-01"), ("2026-12-31", "2026-04-01")],
)
def test_months_are_those_of_the_financial_year(today, first):
    months = list(months_of_year(date.fromisoformat(today)))
    assert months[0][0] == date.fromisoformat(first)
    assert len(months) == 12
    for (_, end), (begin, _) in itertools.pairwise(months):
        assert (begin - end).days == 1
    assert months[-1][1].month == 3


def test_a_month_that_ends_before_it_begins_is_refused(client):
    month = {"code": "1998-01", "name": "x", "start_date": "1998-01-02", "end_date": "1998-01-01"}
    refused = client.post(ModelMeta.of(Month, module="masters").path, json=month)
    assert refused.status_code == 422
    assert "/end_date" in refused.text


def test_what_is_typed_in_has_no_doubles_and_meets_the_declarations():
    """Codes once each; the Harmonized System has 96 chapters, and India's service codes begin with 99."""
    for table in (rows.UNITS, rows.BANKS, rows.LEDGER_GROUPS, rows.LEDGERS, rows.TAXES, rows.CITIES):
        codes = [row[0] for row in table]
        assert len(codes) == len(set(codes))
    chapters = [line[:2] for line in rows.HSN_CHAPTERS.split("\n") if line]
    assert chapters == [f"{number:02}" for number in range(1, 100) if number not in {77, 98}]
    assert all(re.fullmatch("[A-Z]{4}", code) for code, _ in rows.BANKS)
    assert len(rows.DISTRICTS["IN-TN"]) == 38
    assert {district for _, district, _ in rows.CITIES} <= set(rows.DISTRICTS["IN-TN"])
    assert code_of("Jammu & Kashmir (J.K.)") == "JAMMU-KASHMIR-J-K"


def test_seeding_again_keeps_what_a_tenant_edited(tmp_path):
    """Also in the columns that are filled in later: an empty one is filled, one with a value is not."""
    app = make_application(tmp_path, apps=["masters"])
    try:
        with app.scope("acme", ADMIN) as scope:
            service = scope[IDomainService[Currency]]
            service.create(Currency(code="INR", name="Rupiya"))
            service.create(Currency(code="USD", name="US Dollar", symbol="US$"))
        run_seeds(app, ["acme"])
        assert run_seeds(app, ["acme"]) == []
        with app.scope("acme", ADMIN) as scope:
            rupee, dollar = found(scope, Currency, "INR"), found(scope, Currency, "USD")
            assert (rupee.name, rupee.symbol) == ("Rupiya", "₹")
            assert (dollar.name, dollar.symbol, dollar.version) == ("US Dollar", "US$", 1)
            assert scope[IDomain[Currency]].count() == 178
    finally:
        app.close()


def test_a_seed_leaves_history_as_every_write_does(scope):
    euro = found(scope, Currency, "EUR")
    (entry,) = scope[IDomainService[Currency]].history(euro.id)
    assert (entry.action, entry.actor) == ("created", "system")


def test_every_table_has_a_seed():
    names = [seed.name for seed in SEEDS]
    assert {ModelMeta.of(model, module="masters").plural for model in LOOKUPS} <= set(names)
    assert len(names) == len(set(names))


def test_readme_counts_what_was_written():
    """Its figures are those of the two files with the declarations; its table names every model and its path."""
    text = README.read_text(encoding="utf-8")
    lines = [
        line for part in (lookup, models) for line in Path(part.__file__).read_text("utf-8").splitlines()
    ]
    written = [line for line in lines if line.strip() and not line.startswith(("#", "from ", '"""'))]
    assert len(LOOKUPS) == 31
    assert f"{len(lines)} lines in 2 files" in text
    assert f"{len(written)} without" in text
    for model in LOOKUPS:
        spec = ModelMeta.of(model, module="masters")
        assert f"| `{model.__name__}` | `{spec.path}` |" in text
    assert text.count("| `/api/masters/") == 31
