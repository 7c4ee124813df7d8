"""The files of an export: a zip of CSV files, a workbook with a sheet for each table, or lines of JSON.

Each is written as the rows come.  JSON holds every value exactly, and so does CSV but for NULL; a workbook is for people: times are
whole milliseconds there, and what no cell takes is shortened and counted.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import msgspec

__all__ = ["CsvFiles", "JsonLines", "Writer", "XlsxSheets", "guarded"]

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for the beginning of a formula; the last four are the wide forms of the first."""
MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
LONGEST_SHEET = 31
EXACT = 2**53
FIRST_YEAR = 1900


class Writer(Protocol):
    """Writes one file; a context manager, whose end completes the file."""

    def __init__(self, path: Path) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, name: str, columns: Sequence[str]) -> None:
        """The next table."""
        ...

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of it, of Python's values."""
        ...

    def end(self) -> dict[str, Any]:
        """The table is complete; what the manifest says of it."""
        ...

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest."""
        ...


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before what it might.

    Source: OWASP, CSV Injection.
    """
    return "'" + text if _FORMULA.match(text) else text


def _plain(value: Any) -> Any:
    """A value as JSON has it; a decimal as its text, which keeps its digits."""
    return msgspec.to_builtins(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class CsvFiles:
    """A zip with one CSV file for each table (RFC 4180, UTF-8); NULL and an empty text are both empty."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._text: io.TextIOWrapper | None = None
        self._file = ""
        self._guarded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._text is not None:
            self._text.close()
        self._zip.close()

    def begin(self, name: str, columns: Sequence[str]) -> None:
        """See ``Writer``."""
        self._file, self._guarded = f"{name}.csv", 0
        member = self._zip.open(self._file, "w", force_zip64=True)
        self._text = io.TextIOWrapper(member, encoding="utf-8", newline="")
        self._rows = csv.writer(self._text)
        self._rows.writerow(columns)

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """See ``Writer``."""
        self._rows.writerows([self._cell(value) for value in row] for row in rows)

    def end(self) -> dict[str, Any]:
        """See ``Writer``."""
        assert self._text is not None
        self._text.close()
        self._text = None
        return {"file": self._file, "guarded": self._guarded}

    def finish(self, manifest: dict[str, Any]) -> None:
        """See ``Writer``."""
        self._zip.writestr("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False))

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and not isinstance(value, Enum):
            safe = guarded(value)
            self._guarded += safe is not value
            return safe
        plain = _plain(value)
        return plain if isinstance(plain, str) else _json(plain)


class JsonLines:
    """One JSON object a line: table and row; the manifest is the last line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._name = ""
        self._columns: Sequence[str] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def begin(self, name: str, columns: Sequence[str]) -> None:
        """See ``Writer``."""
        self._name, self._columns = name, columns

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """See ``Writer``."""
        for row in rows:
            values = dict(zip(self._columns, map(_plain, row), strict=True))
            self._file.write(_json({"table": self._name, "row": values}) + "\n")

    def end(self) -> dict[str, Any]:
        """See ``Writer``."""
        return {}

    def finish(self, manifest: dict[str, Any]) -> None:
        """See ``Writer``."""
        self._file.write(_json({"manifest": manifest}) + "\n")


class XlsxSheets:
    """A workbook with a sheet for each table, and further ones where a table has more rows than a sheet."""

    options: ClassVar[dict[str, Any]] = {
        "constant_memory": True,  # a row is written when the next one begins
        "remove_timezone": True,  # a cell has none; all of Prefiq's times are UTC
    }

    def __init__(self, path: Path) -> None:
        import xlsxwriter  # type: ignore[import-untyped]

        self._book = xlsxwriter.Workbook(str(path), {**self.options, "tmpdir": str(path.parent)})
        self._formats = {
            datetime: self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"}),
            date: self._book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.close()

    def begin(self, name: str, columns: Sequence[str]) -> None:
        """See ``Writer``."""
        self._name, self._columns = name, columns
        self._sheets: list[str] = []
        self._shortened = 0
        self._next_sheet()

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """See ``Writer``."""
        for row in rows:
            if self._row == MOST_ROWS:
                self._next_sheet()
            for column, value in enumerate(row):
                self._cell(column, value)
            self._row += 1

    def end(self) -> dict[str, Any]:
        """See ``Writer``."""
        return {"sheets": self._sheets, "shortened": self._shortened}

    def finish(self, manifest: dict[str, Any]) -> None:
        """See ``Writer``."""
        self.begin("manifest", ("what", "value"))
        for name, value in manifest.items():
            if name != "sections":
                self.write([(name, value)])
        for section in manifest["sections"]:
            self.write([(f"rows of {section['name']}", section["rows"])])

    def _next_sheet(self) -> None:
        self._sheet = self._book.add_worksheet(self._free_name())
        self._row = 0
        for column, name in enumerate(self._columns):
            self._sheet.write_string(0, column, name)
        self._row = 1

    def _free_name(self) -> str:
        number = 1
        while True:
            end = f" {number}" if number > 1 else ""
            name = re.sub(r"[\[\]:*?/\\]", "_", self._name)[: LONGEST_SHEET - len(end)] + end
            if name.casefold() not in self._names:
                self._names.add(name.casefold())
                self._sheets.append(name)
                return name
            number += 1

    def _cell(self, column: int, value: Any) -> None:
        sheet, row = self._sheet, self._row
        if value is None:
            return
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int | float | Decimal) and _is_exact(value):
            sheet.write_number(row, column, value)
        elif isinstance(value, date) and value.year > FIRST_YEAR:  # a datetime is a date
            sheet.write_datetime(row, column, value, self._formats[type(value)])
        else:
            plain = value if isinstance(value, str) else _plain(value)
            text = str(plain) if isinstance(plain, str) else _json(plain)
            if len(text) > LONGEST_CELL:
                self._shortened += 1
                text = text[:LONGEST_CELL]
            sheet.write_string(row, column, text)  # never `write`, which takes "=…" for a formula


def _is_exact(value: float | Decimal) -> bool:
    """Whether a cell, which is a binary number of 64 bits, shows the same digits."""
    if isinstance(value, int):
        return abs(value) <= EXACT
    return isinstance(value, float) or Decimal(repr(float(value))) == value
