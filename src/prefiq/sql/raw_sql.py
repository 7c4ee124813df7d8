"""Reads SQL given as text for a server, where nothing behind it sees through views and functions.

So the text is admitted only if every word of it is known: a shared table where a table stands, a column of one, a
name that the statement itself gives, a keyword or a function of a list.  What needs more to be read with certainty
(comments, WITH, text with escapes, dollar quotes, variables) is refused: statements of SQLAlchemy Core have no such
limits, because they are not read but written.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prefiq.sql.errors import RawSqlRefused

__all__ = ["WRITES", "Names", "Token", "check", "tokens"]

WRITES = frozenset({"insert", "update", "delete", "replace", "merge"})

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<value>%s|%\([A-Za-z_]\w*\)s)
    | (?P<name>[A-Za-z_]\w*)(?!['"`$])
    | '(?P<text>(?:[^'\\\0]|'')*)'(?!['"`\w])
    | "(?P<double>(?:[^"\\\0]|"")*)"(?!['"`\w(])
    | `(?P<back>(?:[^`\\\0]|``)*)`(?!['"`\w(])
    | (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.$'"`])
    | (?P<sign>::|-(?!-)|/(?!\*)|[()\[\],.+*%=<>!|&^~:;?])
    """,
    re.VERBOSE | re.ASCII,
)
_KEYWORDS = frozenset(["select", "distinct", "all", "from", "where", "and", "or", "not", "in", "is", "null", "like", "ilike", "escape", "between", "exists", "case", "when", "then", "else", "end", "as", "on", "join", "inner", "left", "right", "full", "outer", "cross", "union", "intersect", "except", "order", "by", "group", "having", "limit", "offset", "asc", "desc", "nulls", "first", "last", "fetch", "next", "row", "rows", "only", "true", "false", "unknown", "cast", "interval", "over", "partition", "range", "unbounded", "preceding", "following", "current", "filter", "within", "insert", "into", "values", "default", "update", "set", "delete", "replace", "any", "some", "array", "div", "mod", "xor", "regexp", "rlike", "similar", "to", "at", "time", "zone", "returning", "separator", "year", "quarter", "month", "week", "day", "hour", "minute", "second", "microsecond", "date", "timestamp", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "utc_date", "utc_time", "utc_timestamp"])  # fmt: skip
# Words that a parenthesis may follow without being a function.
_BEFORE_PARENTHESIS = _KEYWORDS - {"left", "right", "insert", "replace", "interval"}
_TYPES = frozenset(["int", "integer", "bigint", "smallint", "signed", "unsigned", "boolean", "bool", "numeric", "decimal", "double", "precision", "real", "float", "text", "varchar", "char", "binary", "date", "time", "timestamp", "timestamptz", "datetime", "interval", "json", "jsonb", "uuid", "bytea"])  # fmt: skip
_FIRST = frozenset({"select", "insert", "update", "delete", "replace", "("})
# What one tenant alone may say besides: there is nobody to be kept apart.
_FIRST_ALONE = _FIRST | {"with", "values", "table", "explain", "show"}
_LEAVES_SOMETHING = frozenset({
    "set_config", "get_lock", "release_lock", "pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
})  # fmt: skip
# Reserved by both engines: no column and no alias without AS has such a name, so that the list of tables has ended.
_ENDS_FROM = frozenset([
    "where", "group", "order", "having", "limit", "offset", "fetch", "union", "intersect", "except", "returning",
])  # fmt: skip
# What begins the list of tables, and what ends it besides: elsewhere these may be columns.
_ENDS = {"update": frozenset({"set"}), "into": frozenset({"set", "values", "select"})}
# Reserved as well, and what follows them is another table, or no column.
_NEVER_COLUMNS = frozenset({
    "table", "using", "straight_join", "natural", "lateral", "with", "for", "window", "procedure", "tablesample", "lock",
})  # fmt: skip
_INSERTS = frozenset({"insert", "replace", "merge"})
_READS = frozenset({"select", "values", "table"})

Kind = Literal["name", "quoted", "text", "number", "sign", "value"]


class Token(NamedTuple):
    """A part of the text: its kind, and its text; names without quotes are in small letters."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """What raw SQL may name.

    Args:
        tables: Shared tables.
        columns: Their columns.
        functions: Those of the engine that do no harm.
        are_exact: Whether the engine tells tables apart by capitals also where they are not quoted.
    """

    tables: frozenset[str]
    columns: frozenset[str]
    functions: frozenset[str]
    are_exact: bool


def _refused(what: str, where: str) -> RawSqlRefused:
    return RawSqlRefused(what, where, "use RepositoryQuery.select(), or statements of SQLAlchemy Core")


def tokens(sql: str, *, bound: bool) -> Iterator[Token]:
    """The parts of a text.

    Args:
        sql: As the caller gave it.
        bound: Whether values are bound to it: then a driver looks for ``%s`` in quoted text, too.

    Raises:
        RawSqlRefused: Something in it can be read in two ways, or is a comment.
    """
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise _refused("The SQL cannot be read with certainty", f"character {position}")
        position = match.end()
        kind = match.lastgroup
        if kind in {"text", "double", "back"}:
            text = match[kind]
            if bound and "%" in text.replace("%%", ""):
                raise _refused("A bound value, or half a percent sign, in quotes", f"character {position}")
            yield Token("text" if kind == "text" else "quoted", text)
        elif kind == "name":
            yield Token("name", match["name"].lower())
        elif kind in {"number", "sign", "value"}:
            if kind == "value" and not bound:  # then it is a remainder, and a name
                raise _refused("A place for a value, and no value is bound", f"character {position}")
            yield Token(kind, match[0])  # type: ignore[arg-type]


def check(sql: str, names: Names | None, *, bound: bool) -> bool:
    """Refuse what is not surely harmless.

    Args:
        sql: As the caller gave it.
        names: What it may name; None where there is but one tenant, and all tables are its own.
        bound: Whether values are bound to it.

    Returns:
        Whether it writes.

    Raises:
        RawSqlRefused: It is not.
    """
    found = list(tokens(sql, bound=bound))
    if found and found[-1] == ("sign", ";"):
        found.pop()
    first = found[0].text if found else ""
    if first not in (_FIRST_ALONE if names is None else _FIRST) or ("sign", ";") in found:
        raise RawSqlRefused(
            "Raw SQL reads and writes rows, one statement at a time, nothing else",
            "SQL given as text",
            "use tx() for transactions, and migrations for the schema",
        )
    words = {token.text for token in found if token.kind == "name"}
    called = words | {token.text.lower() for token in found if token.kind == "quoted"}
    if _makes_something(found) or called & _LEAVES_SOMETHING:
        raise _refused(
            "Raw SQL makes no tables or files, and leaves nothing on the connection", "SQL given as text"
        )
    if names is not None:
        if names.are_exact:
            _require_small_letters(sql, names)
        _Reader(found, names).read()
    return first in WRITES or (names is None and _has_writing_verb(found))


def _has_writing_verb(found: list[Token]) -> bool:
    """Whether a part of it writes; REPLACE(…) and INSERT(…) are functions."""
    following = [*found[1:], Token("sign", "")]
    return any(
        token.kind == "name" and token.text in WRITES and after != ("sign", "(")
        for token, after in zip(found, following, strict=True)
    )


def _is_operand(token: Token) -> bool:
    """Whether it is a name or a value, between which there must be a sign or a keyword."""
    return token.kind != "sign" and not (token.kind == "name" and token.text in _KEYWORDS)


def _makes_something(found: list[Token]) -> bool:
    """Whether INTO stands anywhere but in front of the table of an INSERT: a SELECT makes a table or a file of it."""
    verbs = [""]  # what each parenthesis around here begins with
    for token in found:
        if token == ("sign", "("):
            verbs.append("")
        elif token == ("sign", ")"):
            verbs = verbs[:-1] or [""]
        elif token == ("name", "into"):
            if verbs[-1] not in _INSERTS:
                return True
            verbs[-1] = "into"
        elif token.kind == "name" and (
            (not verbs[-1] and token.text in WRITES | _READS)
            or (verbs[-1] in _INSERTS and token.text in _READS)
        ):
            verbs[-1] = token.text
    return False


def _require_small_letters(sql: str, names: Names) -> None:
    """A table in other letters is another table there."""
    for match in re.finditer(r"\w+", sql):
        if match[0].lower() in names.tables and match[0] not in names.tables:
            raise _refused("A table is written in other letters", f"table {match[0].lower()}")


@dataclass(slots=True)
class _Frame:
    """What stands between two parentheses."""

    is_cast: bool = False
    tables: str = ""
    """The word that began a list of tables here, which has not ended."""


class _Reader:
    """Goes through the parts once and knows where a table must stand."""

    def __init__(self, found: list[Token], names: Names) -> None:
        self._found = found
        self._names = names
        # Names that the text gives by AS; never good where a table must stand, so it does not matter where.
        self._given = {token.text for before, token in itertools.pairwise(found) if before == ("name", "as")}
        self._frames = [_Frame()]
        self._wants_table = False

    def read(self) -> None:
        """Nothing, or an error."""
        padded = [Token("sign", ""), *self._found, Token("sign", "")]
        for before, token, after in zip(padded, self._found, padded[2:], strict=False):
            if _is_operand(before) and _is_operand(token):  # one is a keyword that our list does not have
                raise _refused("Raw SQL has two names or values in a row", f"at {token.text}")
            if token.kind == "sign":
                self._sign(token.text, before)
            elif self._wants_table:
                self._table(token, before, after)
            elif token.kind in {"name", "quoted"}:
                self._name(token, before, after)
        if self._wants_table:
            raise _refused("The SQL ends where a table is to be named", "SQL given as text")

    def _sign(self, sign: str, before: Token) -> None:
        if sign == "(":
            opens = before.text if before.kind == "name" else ""
            # Where a table is wanted there may be several of them, or a subquery, whose SELECT says so.
            self._frames.append(
                _Frame(is_cast=opens in {"cast", "convert"}, tables="from" if self._wants_table else "")
            )
        elif sign == ")":
            if self._wants_table or len(self._frames) == 1:
                raise _refused("The SQL cannot be read with certainty", "a parenthesis")
            self._frames.pop()
        elif self._wants_table:
            raise _refused("A table must be named here", f"before {sign}")
        elif sign == "," and self._frames[-1].tables:
            self._wants_table = True

    def _table(self, token: Token, before: Token, after: Token) -> None:
        is_call = after == ("sign", "(") and before != ("name", "into")
        if token == ("name", "select") and before == ("sign", "("):
            self._wants_table, self._frames[-1].tables = False, ""
        elif token.kind in {"name", "quoted"} and token.text in self._names.tables and not is_call:
            # A point behind it would make it a schema.
            if after == ("sign", "."):
                raise _refused("Raw SQL names tables without a schema", f"table {token.text}")
            self._wants_table = False
        else:
            raise _refused(
                "Raw SQL reads tables that all tenants share, and no others", f"table {token.text}"
            )

    def _name(self, token: Token, before: Token, after: Token) -> None:
        word, calls = token.text, after == ("sign", "(")
        if before == ("sign", "::") or (before == ("name", "as") and self._frames[-1].is_cast):
            self._require(word in _TYPES, "a type", word)
        elif before == ("sign", "."):
            # Nothing that the text gives: "row.name" calls a function where the row has no such column.
            self._require(word in self._names.columns and not calls, "a column", word)
        elif before == ("name", "as"):
            self._require(word not in _KEYWORDS and not calls, "a name", word)
        elif token == ("name", word) and word in (_BEFORE_PARENTHESIS if calls else _KEYWORDS):
            self._keyword(word, before, after)
        elif token.kind == "name" and word in _NEVER_COLUMNS:
            raise _refused("Raw SQL has a word that leads to what cannot be read", word)
        elif calls:
            self._require(token.kind == "name" and word in self._names.functions, "a function", word)
        elif after == ("sign", "."):
            self._require(word in self._given or word in self._names.tables, "a table", word)
        else:
            self._require(word in self._given or word in self._names.columns, "a column", word)

    def _keyword(self, word: str, before: Token, after: Token) -> None:
        frame = self._frames[-1]
        if word in {"insert", "replace"} and after != (
            "name",
            "into",
        ):  # MariaDB writes a table without INTO, too
            raise _refused("INSERT and REPLACE have INTO before the table", word)
        if word == "only" and before.text not in {"row", "rows"}:
            raise _refused("ONLY leads to a table that stands where none is read", word)
        if word in {"from", "join", "update", "into"}:
            self._wants_table, frame.tables = True, word
        elif word in _ENDS_FROM or word in _ENDS.get(frame.tables, ()):
            frame.tables = ""

    @staticmethod
    def _require(known: bool, kind: str, word: str) -> None:
        if not known:
            raise _refused(f"Raw SQL names {kind} that Prefiq does not know", word)
