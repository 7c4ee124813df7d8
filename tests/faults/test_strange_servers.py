"""A server that was set up strangely: another collation, character set, time zone, isolation, strictness.

The same use cases give the same answers as on SQLite, which has none of this.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.faults.kit import EVERYTHING, Shop, query
from tests.own_server import OwnServer, own_server
from tests.servers import MODES, SERVERS, Database

from prefiq.application import Application
from prefiq.contracts import IDomainService, Page, UniqueViolation, where
from prefiq.foundation.entity import Entity
from prefiq.lowcode import ModelMeta, field
from prefiq.plugins import ProviderBase
from prefiq.testing import make_application

STRANGE: dict[str, dict[str, Any]] = {
    "postgres": {
        "initial": (
            "--locale-provider=icu",
            "--icu-locale=de-u-kn-true-ks-level2",  # numbers by value, case ignored
        ),
        "options": (
            *("-c", "timezone=Asia/Kolkata"),
            *("-c", "datestyle=SQL, DMY"),
            *("-c", "intervalstyle=iso_8601"),
            *("-c", "bytea_output=escape"),
            *("-c", "extra_float_digits=0"),
            *("-c", "default_transaction_isolation=serializable"),
            *("-c", "default_transaction_read_only=off"),
            *("-c", "client_encoding=latin1"),
        ),
    },
    "mariadb": {
        "initial": (),
        "options": (
            "--character-set-server=latin1",
            "--collation-server=latin1_swedish_ci",
            "--default-time-zone=+05:30",
            "--sql-mode=",  # cuts and bends what does not fit
            "--transaction-isolation=SERIALIZABLE",
            "--lower-case-table-names=1",
            "--autocommit=0",
            "--innodb-strict-mode=OFF",
        ),
    },
}
TEXTS = (
    *("a", "B", "b", "A", "Z", "z", "ä", "Ä", "é", "ß", "ss", "SS", "ö", "o", "ø", "æ", "ae", "ı", "I", "i", "İ"),
    *("a2", "a10", "a-b", "ab", "a b", " a", "a ", "_", "%", "a%", "\\", "'", '"', "0", "10", "9", "😀", "日本", "я", "Я"),
)  # fmt: skip
INSTANTS = (
    datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=2))),  # skipped by clocks in Europe
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # twice on those clocks
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(2999, 12, 31, 23, 59, 59, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
)


class Word(Entity):
    """Something whose text, instant and numbers are to come back as they were."""

    text: str = field(max_length=40, unique=True, search=True)
    other: str | None = field(default=None, max_length=40, index=True)
    at: datetime = field(index=True)
    day: date = field(index=True)
    price: Decimal = field(precision=18, scale=6, index=True)
    weight: float = field(index=True)

    meta = ModelMeta(order_by="text")


class WordsProvider(ProviderBase):
    """The words' module."""

    name = "words"
    models = (Word,)


def words() -> Iterator[Word]:
    for number, text in enumerate(TEXTS):
        at = INSTANTS[number % len(INSTANTS)] + timedelta(days=number)
        yield Word(
            text=text,
            other=None if number % 5 == 0 else TEXTS[-number],
            at=at,
            day=at.date(),
            price=Decimal(number) / 8 - 2,
            weight=1 / (number + 1),
        )


def observe(app: Application) -> dict[Any, Any]:
    """What use cases answer."""
    seen: dict[Any, Any] = {}
    with app.scope("acme", EVERYTHING) as scope:
        service = scope[IDomainService[Word]]
        for word in words():
            service.create(word)
        everything = Page(limit=100)
        for text in TEXTS:
            with pytest.raises(UniqueViolation):
                service.create(
                    Word(text=text, at=INSTANTS[0], day=date(2026, 1, 1), price=Decimal(1), weight=1.0)
                )
        for sort in ("text", "-text", "other", "-other", "at", "-at", "day", "price", "-weight"):
            page = Page(limit=100, sort=(sort,))
            rows = service.list(page).items
            seen[sort] = [(w.text, w.other, w.at, w.at.tzinfo, w.day, w.price, w.weight) for w in rows]
        for text in TEXTS:
            for operator in ("eq", "gt", "lte", "contains", "startswith", "ne"):
                for name in ("text", "other"):
                    criteria = where(**{f"{name}__{operator}": text})
                    seen[name, operator, text] = [w.text for w in service.list(everything, criteria).items]
        for at in INSTANTS:
            seen["at", at] = [w.text for w in service.list(everything, where(at__gte=at)).items]
            seen["day", at] = [w.text for w in service.list(everything, where(day=at.date())).items]
        seen["pages"] = [
            word.text
            for offset in range(0, len(TEXTS), 7)
            for word in service.list(Page(limit=7, offset=offset, sort=("-other",))).items
        ]
    return seen


def observed(database: Database, folder: Path) -> dict[Any, Any]:
    folder.mkdir()
    app = make_application(folder, modules=[WordsProvider], tenants=(), **database.variables())
    shop = Shop(app)
    try:
        shop.run(app.tenants.create, "acme")
        return shop.run(observe, app)
    finally:
        shop.close()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    folder = tmp_path_factory.mktemp("expected")
    return observed(Database(engine="sqlite", path=folder / "test.db"), folder / "app")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    with own_server(
        request.param, *STRANGE[request.param]["options"], initial=STRANGE[request.param]["initial"]
    ) as s:
        yield s


_numbers = itertools.count()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_answers_are_as_everywhere(
    server: OwnServer, mode: str, expected: dict[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order, uniqueness, filters and instants; the client's own time zone is another one, too."""
    database = replace(server.database, mode=mode, name=f"strange_{next(_numbers)}")
    with closing(server.database.connect()) as connection:
        connection.cursor().execute(f"CREATE DATABASE {database.name}")
    monkeypatch.setenv("TZ", "America/St_Johns")
    time.tzset()
    try:
        seen = observed(database, tmp_path / "app")
    finally:
        monkeypatch.undo()
        time.tzset()
    different = {key: (seen[key], value) for key, value in expected.items() if seen[key] != value}
    assert not different
    assert seen.keys() == expected.keys()


@pytest.mark.slow
def test_server_is_strange_indeed(server: OwnServer) -> None:
    """What the tests here rely on: a table of somebody else sorts and compares otherwise."""
    values = "SELECT 'B' AS t UNION ALL SELECT 'a' UNION ALL SELECT 'ä'"
    if server.engine == "mariadb":
        values = values.replace("'ä'", "'b'")
    rows = query(server.database, f"SELECT t FROM ({values}) AS v ORDER BY t")
    assert [row[0] for row in rows] != ["B", "a", "ä"]
    offset = {"postgres": "SELECT CAST(EXTRACT(timezone FROM now()) AS int)", "mariadb": "SELECT @@time_zone"}
    assert query(server.database, offset[server.engine])[0][0] in {19800, "+05:30"}
