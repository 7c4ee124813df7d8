"""``TenantScope``: what the present scope may reach; asked by the statement compiler and the raw door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from prefiq.contracts import Across, Bound, System, Tenancy, TenantNotBound
from prefiq.sql import raw_sql
from prefiq.sql.errors import RawSqlRefused, SharedTableProtected
from prefiq.sql.known_functions import known_functions
from prefiq.sql.tables import Tables

__all__ = ["TenantScope"]

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*(?:\n|$) | /\*(?:[^*]|\*(?!/))*\*/)
    | (?P<name>[^\W\d][\w$]*)
    | '(?P<single>(?:[^']|'')*)'
    | "(?P<double>(?:[^"]|"")*)"
    | `(?P<back>(?:[^`]|``)*)`
    | \[(?P<bracket>[^\]]*)\]
    | (?P<number>\d[\w.]*)
    | (?P<sign>[^'"`\[/\-\s\w] | /(?!\*) | -(?!-) | \])
    """,
    re.VERBOSE,
)
_QUOTES = {"single": "'", "double": '"', "back": "`"}
_STEERS = frozenset({
    "begin", "commit", "end", "rollback", "savepoint", "release", "attach", "detach", "pragma", "vacuum", "create",
    "alter", "drop", "reindex", "analyze", "truncate", "grant", "revoke", "set", "reset", "discard", "copy", "call",
    "do", "lock", "use", "rename",
})  # fmt: skip


class TenantScope:
    """The rules of one tenancy, for all statements of one unit of work.

    Args:
        tenancy: Of the scope, taken when its work began.
        tables: Every table and whose rows it holds.
        is_own: Whether the whole database is the tenant's, so that its tables hold no other's rows.
    """

    __slots__ = ("_tables", "is_across", "is_own", "is_single", "is_system", "tenancy", "tenant")

    def __init__(self, tenancy: Tenancy, tables: Tables, *, is_own: bool = False) -> None:
        self.tenancy = tenancy
        self.tenant = tenancy.tenant if isinstance(tenancy, Bound) else None
        """Key of the bound tenant; None in a scope of the system, and one that reads across tenants."""
        self.is_across = isinstance(tenancy, Across)
        self.is_system = isinstance(tenancy, System)
        self.is_single = isinstance(tenancy, Bound) and tenancy.placement.mode == "single"
        self.is_own = is_own or self.is_single
        self._tables = tables

    def require_tenant(self, table: str) -> str:
        """The tenant's key.

        Raises:
            TenantNotBound: The scope belongs to no tenant.
        """
        if self.tenant is None:
            raise TenantNotBound(table)
        return self.tenant

    def require_shared_write(self, table: str) -> None:
        """Nothing, or an error.

        Raises:
            SharedTableProtected: Only the system writes what all tenants read.
        """
        if not self.is_system:
            raise SharedTableProtected(table)

    def reads(self, table: str) -> bool:
        """Whether raw SQL may read this table: a shared one, or any of the application where all is one tenant's."""
        if self.is_single:
            return True
        scope = self._tables.scope_of(table)
        return scope == "shared" or (scope == "tenant" and self.is_own)

    def writes(self, table: str) -> bool:
        """Whether raw SQL may write this table."""
        if self._tables.scope_of(table) == "tenant":
            return self.is_own
        return self.is_system and self._tables.scope_of(table) == "shared"

    def check_raw(
        self,
        sql: str,
        dialect: str = "sqlite",
        *,
        bound: bool = False,
        walled: Callable[[], frozenset[str]] = frozenset,
    ) -> bool:
        """Refuse SQL as text that names a tenant's table, changes the schema or steers the transaction.

        On a server nothing behind it sees through views and functions: there every word must be known.

        Args:
            sql: The text.
            dialect: The engine as SQLAlchemy calls it.
            bound: Whether values are bound to it.
            walled: Asks which tables the database itself confines to the tenant.

        Returns:
            Whether it writes.

        Raises:
            RawSqlRefused: For each of these, and for text that cannot be read to its end.
        """
        if dialect != "sqlite":
            return self._check_for_server(sql, dialect, bound=bound, walled=walled)
        first = ""
        names: set[str] = set()
        words: set[str] = set()
        for kind, text in _tokens(sql):
            if kind == "name":
                first = first or text
                words.add(text)
            names.add(text)
        if first in _STEERS or not first:
            raise RawSqlRefused(
                "Raw SQL reads and writes rows, nothing else",
                "SQL given as text",
                "use tx() for transactions, and migrations for the schema",
            )
        writes = first in raw_sql.WRITES or (first == "with" and bool(words & raw_sql.WRITES))
        self._check_tables(names, writes=writes)
        return writes

    def _check_for_server(
        self, sql: str, dialect: str, *, bound: bool, walled: Callable[[], frozenset[str]]
    ) -> bool:
        if self.is_single:
            return raw_sql.check(sql, None, bound=bound)
        found = {token.text for token in raw_sql.tokens(sql, bound=bound) if token.kind in {"name", "quoted"}}
        named = {name.casefold() for name in found if self._tables.scope_of(name) == "tenant"}
        # The wall adds what the text does not say; it is asked for only where it matters.
        opened = self.is_own or (self.tenant is not None and bool(named) and named <= walled())
        self._check_tables(found, writes=False, opened=opened)  # its answer is the plainest
        tables, columns = self._tables.columns("shared")
        if opened:  # and no word leads out: the name of another schema or database is not known
            more, of_more = self._tables.columns("tenant")
            tables, columns = tables | more, columns | of_more
        functions = known_functions(dialect) or frozenset()
        names = raw_sql.Names(tables, columns, functions, are_exact=dialect == "mariadb")
        writes = raw_sql.check(sql, names, bound=bound)
        self._check_tables(found, writes=writes, opened=opened)
        return writes

    def _check_tables(self, names: Iterable[str], *, writes: bool, opened: bool = False) -> None:
        for name in names:
            scope = self._tables.scope_of(name)
            if scope == "tenant" and not (opened or self.is_own):
                raise RawSqlRefused(
                    "Raw SQL cannot be confined to one tenant",
                    f"table {name}",
                    "use RepositoryQuery.select(), or statements of SQLAlchemy Core",
                )
            if scope == "shared" and writes:
                self.require_shared_write(name)


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    """Kind and text, folded to one case, of every name; a quoted text may be a name too, for SQLite."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise RawSqlRefused(
                "The SQL cannot be read to its end", f"character {position}", "close every quote and comment"
            )
        position = match.end()
        kind = match.lastgroup or ""
        if kind in {"name", "single", "double", "back", "bracket"}:
            text = match[kind]
            if kind in _QUOTES:
                text = text.replace(_QUOTES[kind] * 2, _QUOTES[kind])
            yield kind, text.casefold()
