"""An export holds every row of one tenant, exactly, in constant memory, and nobody else's."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest

from prefiq import (
    Application,
    Child,
    Entity,
    IDomain,
    IDomainService,
    ModelMeta,
    ProviderBase,
    Status,
    UnknownTenant,
    can,
    children,
    field,
    transition,
)
from prefiq.application import tenant_export
from prefiq.application.export_files import guarded
from prefiq.testing import make_application

AT = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
FORMULAS = ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]


class Stage(Status):
    """Where a thing is."""

    NEW = "new"
    DONE = "done"


class Part(Child):
    """A part of a thing."""

    text: str = field(max_length=40)
    secret: str = field(default="", max_length=40, hidden=True)


class Thing(Entity):
    """Something of every kind."""

    name: str = field(text=True)
    code: str | None = field(default=None, max_length=20)
    amount: int = field(default=0)
    price: Decimal | None = field(default=None, precision=18, scale=6)
    weight: float = field(default=0.5)
    sold: bool = field(default=False)
    day: date | None = field(default=None)
    at: datetime | None = field(default=None)
    token: UUID | None = field(default=None)
    data: dict[str, Any] = field(default_factory=dict)
    secret: str = field(default="", max_length=40, hidden=True)
    stage: Stage = field(default=Stage.NEW)
    parts: list[Part] = children(Part)

    end = transition(Stage.NEW, to=Stage.DONE)


class Note(Entity):
    """A row of no history."""

    text: str = field(max_length=200)

    meta = ModelMeta(audit=False)


class Word(Entity):
    """All tenants share it."""

    text: str = field(max_length=20)

    meta = ModelMeta(scope="shared")


class Things(ProviderBase):
    """Things."""

    name = "things"
    models = (Thing, Note, Word)


def thing(**more: Any) -> Thing:
    values: dict[str, Any] = {
        "name": 'a, "b"\nc', "amount": -7, "price": Decimal("-12345678901.123456"), "weight": 0.1, "sold": True,
        "day": date(2026, 5, 1), "at": AT, "token": UUID(int=7), "data": {"a": [1, None, "é"]},
        "secret": "HIDDEN", "parts": [Part(text="one", secret="HIDDEN"), Part(text="=two")],
    }  # fmt: skip
    return Thing(**{**values, **more})


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with make_application(tmp_path, modules=[Things]) as made:
        for tenant in ("acme", "globex"):
            with made.scope(tenant, can("*")) as scope:
                service = scope[IDomainService[Thing]]
                service.run(Thing.end, service.create(thing(code=f"of {tenant}")).id)
                service.create(
                    thing(code=tenant, name="second", parts=[], price=None, day=None, at=None, token=None)
                )
                for text in FORMULAS:
                    scope[IDomain[Note]].save(Note(text=text))
        yield made


def sheets(path: Path) -> dict[str, list[list[tuple[str, str]]]]:
    """Kind and text of each cell of a workbook, by sheet."""
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    found: dict[str, list[list[tuple[str, str]]]] = {}
    with zipfile.ZipFile(path) as book:
        names = [s.get("name", "") for s in ET.fromstring(book.read("xl/workbook.xml")).iter(f"{main}sheet")]
        for number, name in enumerate(names, 1):
            root = ET.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
            found[name] = [
                [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row]
                for row in root.iter(f"{main}row")
            ]
            assert not list(root.iter(f"{main}f")), "a formula"
    return found


def test_csv_holds_every_value(app: Application, tmp_path: Path) -> None:
    """Each model and child is a file; values read back are the ones that were stored."""
    path = tmp_path / "acme.zip"
    manifest = app.tenants.export("acme", path, "csv", operator="ann", reason="asked for it")
    with zipfile.ZipFile(path) as archive:
        files = {n: list(csv.reader(io.StringIO(archive.read(n).decode(), newline=""))) for n in archive.namelist() if n.endswith(".csv")}  # fmt: skip
        assert json.loads(archive.read("manifest.json")) == json.loads(json.dumps(manifest))
    assert set(files) == {"things.Thing.csv", "things.Thing.parts.csv", "things.Note.csv", "prefiq.HistoryEntry.csv", "prefiq.SeedRecord.csv"}  # fmt: skip
    head, first, second = files["things.Thing.csv"]
    row = dict(zip(head, first, strict=True))
    assert row["version"] == "2"
    assert row | {"id": ""} == {
        "id": "", "version": "2", "name": 'a, "b"\nc', "code": "of acme", "amount": "-7",
        "price": "-12345678901.123456", "weight": "0.1", "sold": "true", "day": "2026-05-01",
        "at": "2026-05-01T12:30:15.123456Z", "token": str(UUID(int=7)), "data": '{"a":[1,null,"é"]}',
        "stage": "done",
    }  # fmt: skip
    assert dict(zip(head, second, strict=True))["price"] == ""
    parts = files["things.Thing.parts.csv"]
    assert parts[0] == ["thing_id", "position", "id", "text"]
    assert [(p[0], p[1], p[3]) for p in parts[1:]] == [(row["id"], "0", "one"), (row["id"], "1", "'=two")]
    history = files["prefiq.HistoryEntry.csv"]
    assert [dict(zip(history[0], h, strict=True))["action"] for h in history[1:]] == [
        "created",
        "end",
        "created",
    ]
    assert "HIDDEN" not in json.dumps(files)
    assert "globex" not in json.dumps(files)
    assert [(s["name"], s["rows"], s["guarded"]) for s in manifest["sections"] if s["rows"]] == [
        ("prefiq.HistoryEntry", 3, 0), ("things.Thing", 2, 0), ("things.Thing.parts", 2, 1), ("things.Note", 7, 7),
    ]  # fmt: skip
    assert manifest["left_out"]["hidden_fields"] == ["things.Thing.secret", "things.Thing.parts.secret"]
    entry = app.tenants.life("acme")[-1]
    assert (entry.action, entry.operator, entry.reason) == ("export", "ann", "asked for it")
    assert entry.details == {"format": "csv", "rows": 14}


def test_no_cell_is_a_formula(app: Application, tmp_path: Path) -> None:
    """In CSV an apostrophe stands before what a spreadsheet might run; in a workbook it is text as it is."""
    app.tenants.export("acme", tmp_path / "a.zip", "csv")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        rows = list(csv.reader(io.StringIO(archive.read("things.Note.csv").decode(), newline="")))
    assert [row[2] for row in rows[1:]] == ["'" + text for text in FORMULAS]
    app.tenants.export("acme", tmp_path / "a.xlsx", "xlsx")
    notes = sheets(tmp_path / "a.xlsx")["things.Note"]
    assert [row[2][0] for row in notes[1:]] == ["inlineStr"] * len(FORMULAS)
    assert guarded("plain -2 = @") == "plain -2 = @"


def test_workbook_has_a_sheet_for_each_table(app: Application, tmp_path: Path) -> None:
    """Numbers are numbers where a cell keeps all their digits, days and times are such, the rest is text."""
    path = tmp_path / "acme.xlsx"
    app.tenants.export("acme", path, "xlsx")
    found = sheets(path)
    assert list(found)[-1] == "manifest"
    assert {"things.Thing", "things.Thing.parts", "prefiq.HistoryEntry"} <= set(found)
    head = [text for _, text in found["things.Thing"][0]]
    row = dict(zip(head, found["things.Thing"][1], strict=True))
    assert row["amount"] == ("n", "-7")
    assert row["weight"] == ("n", "0.1")
    assert row["price"] == ("inlineStr", "-12345678901.123456")
    assert row["sold"] == ("b", "1")
    assert row["day"][0] == row["at"][0] == "n"
    assert row["data"] == ("inlineStr", '{"a":[1,null,"é"]}')


def test_workbook_goes_on_where_a_sheet_ends(
    app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than a sheet takes, names longer than a sheet's, and text longer than a cell's are all told."""
    from prefiq.application import export_files

    monkeypatch.setattr(export_files, "MOST_ROWS", 4)
    monkeypatch.setattr(export_files, "LONGEST_SHEET", 8)
    monkeypatch.setattr(export_files, "LONGEST_CELL", 5)
    manifest = app.tenants.export("acme", tmp_path / "a.xlsx", "xlsx")
    notes = next(section for section in manifest["sections"] if section["name"] == "things.Note")
    assert len(notes["sheets"]) == 3
    found = sheets(tmp_path / "a.xlsx")
    assert sum(len(found[name]) - 1 for name in notes["sheets"]) == len(FORMULAS)
    assert all(len(name) <= 8 for name in found)
    assert notes["shortened"] == len(FORMULAS) + 1  # every id, and one text


def test_json_lines(app: Application, tmp_path: Path) -> None:
    """One object a line, and the manifest at the end."""
    path = tmp_path / "acme.jsonl"
    manifest = app.tenants.export("acme", path, "json")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1] == {"manifest": json.loads(json.dumps(manifest))}
    first = next(line["row"] for line in lines if line.get("table") == "things.Thing")
    assert first["data"] == {"a": [1, None, "é"]}
    assert first["price"] == "-12345678901.123456"
    assert [line["row"]["text"] for line in lines if line.get("table") == "things.Note"] == FORMULAS
    assert "globex" not in path.read_text()


@pytest.mark.parametrize("format", ["csv", "json", "xlsx"])
def test_memory_does_not_grow_with_the_rows(
    app: Application, tmp_path: Path, format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the rows take as much."""
    monkeypatch.setattr(tenant_export, "BATCH", 200)
    peaks = []
    for count in (2000, 8000):
        with app.scope("acme", can("*")) as scope:
            store = scope[IDomain[Note]]
            for _ in range(count // 1000):
                store.save_many([Note(text="x" * 100) for _ in range(1000)])
        if not peaks:  # what is imported and compiled once does not count
            app.tenants.export("acme", tmp_path / "warm", format)
        gc.collect()
        tracemalloc.start()
        app.tenants.export("acme", tmp_path / str(count), format)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3


def test_who_is_not_served_has_its_rows_too(app: Application, tmp_path: Path) -> None:
    """While it is suspended, and in the time of grace; not once its rows go."""
    app.tenants.suspend("acme")
    assert app.tenants.export("acme", tmp_path / "1", "json")["total"] == 14
    app.tenants.delete("acme")
    assert app.tenants.export("acme", tmp_path / "2", "json")["total"] == 14
    app.tenants.delete("acme", now=True)
    for key in ("acme", "nobody"):
        with pytest.raises(UnknownTenant):
            app.tenants.export(key, tmp_path / "3", "json")
    assert not (tmp_path / "3").exists()


def test_file_is_whole_or_not_there(
    app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is there is left alone, one that broke off leaves nothing, and others may not read it."""
    path = tmp_path / "acme.json"
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(tenant_export.JsonLines, "finish", None)
    with pytest.raises(TypeError):
        app.tenants.export("acme", path, "json")
    assert set(tmp_path.iterdir()) == before
    monkeypatch.undo()
    app.tenants.export("acme", path, "json")
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    with pytest.raises(FileExistsError):
        app.tenants.export("acme", path, "json")
    assert path.read_text() == text


def test_export_is_of_one_moment(app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while it runs is not in it."""

    def write(section: str, rows: int) -> None:
        if section == "things.Thing":
            with app.scope("acme", can("*")) as scope:
                scope[IDomain[Note]].save(Note(text=f"while {rows} things"))

    app.tenants.export("acme", tmp_path / "a.json", "json", report=write)
    assert not re.search("while", (tmp_path / "a.json").read_text())
