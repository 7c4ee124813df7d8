"""Whether the database itself keeps tenants apart: looked at, tried as the serving user, and what it leaves out.

PostgreSQL has a wall, row-level security.  SQLite and MariaDB have none where tenants share tables: there the
compiler of statements confines them, and raw SQL that names their tables is refused.
"""

# ruff: noqa: S608  names come from the declarations and are quoted, keys are Prefiq's own
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefiq.doctor.database import server
from prefiq.doctor.database.asking import Ask, asking
from prefiq.doctor.database.setup_postgres import identifier, literal
from prefiq.doctor.database.situation import Situation
from prefiq.doctor.finding import Finding
from prefiq.sql import DatabaseError, Tables
from prefiq.sql.dialects.postgres_walls import SETTING, gaps, question

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["NOT_COVERED", "Wall", "leaks", "standing", "tenant_tables", "trial", "walls_of"]

NOT_COVERED = (
    "functions that run with the rights of another user (SECURITY DEFINER)",
    "materialized views, and views of a user whom no policy binds",
    "partitions of a table, by their own names",
    "copies of a table (CREATE TABLE … LIKE)",
    "SQL that sets prefiq.tenant itself: Prefiq's raw SQL refuses it, another program's does not",
)
"""What row-level security does not confine, for people."""
_ONE, _OTHER = "prefiq-trial-one", "prefiq-trial-other"
_DENIED = "42501"
"""``insufficient_privilege``, also where a policy refuses a row."""
_TRIAL_LOCK = "SET LOCAL lock_timeout = '200ms'"
_LEAKS = """
WITH walled (name, oid) AS (SELECT w.name, c.oid FROM (VALUES {names}) AS w (name, quoted)
    JOIN pg_class c ON c.oid = to_regclass(w.quoted)),
unbound (oid) AS (SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls)
SELECT 'the function ' || p.oid::regprocedure || ' runs with the rights of ' || pg_get_userbyid(p.proowner)
FROM pg_proc p WHERE p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE')
AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
UNION ALL
SELECT 'the materialized view ' || c.oid::regclass || ' shows all rows of ' || min(w.name)
FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass JOIN walled w ON w.oid = d.refobjid
WHERE c.relkind = 'm' AND has_table_privilege(c.oid, 'SELECT') GROUP BY c.oid
UNION ALL
SELECT 'the view ' || c.oid::regclass || ' shows all rows of ' || min(w.name)
FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass JOIN walled w ON w.oid = d.refobjid
WHERE c.relkind = 'v' AND c.relowner IN (SELECT oid FROM unbound) AND has_table_privilege(c.oid, 'SELECT')
AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'] OR c.reloptions @> ARRAY['security_invoker=on'], false)
GROUP BY c.oid
UNION ALL
SELECT 'the table ' || c.oid::regclass || ' has rows of tenants and no wall'
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
AND a.atttypid IN ('varchar'::regtype, 'text'::regtype)
AND c.oid NOT IN (SELECT oid FROM walled) AND (has_table_privilege(c.oid, 'SELECT')
OR has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Wall:
    """What keeps tenants apart in one database.

    Args:
        database: What the application calls it.
        wall: One sentence.
        tables: How many tables it confines.
        not_covered: What it does not confine.
    """

    database: str
    wall: str
    tables: int = 0
    not_covered: tuple[str, ...] = ()


def tenant_tables(app: Application) -> tuple[str, ...]:
    """Names of the tables that hold rows of tenants, as they are made; none for an installation of one tenant."""
    if app.settings.tenancy == "single":
        return ()
    tables = Tables(app.catalog)
    return tuple(sorted(table.name for table in tables if tables.scope_of(table.name) == "tenant"))


def standing(ask: Ask, at: Situation, tables: Sequence[str]) -> Iterator[Finding]:
    """The wall stands, in every table and for the serving user; in production."""
    found = gaps(ask(question(tables))) if tables and at.production else {}
    if found:
        table = min(found)
        yield Finding(
            "PFQ-D260",
            "warning",
            f"PostgreSQL does not keep tenants apart in {server.listed(sorted(found))}: {found[table]}",
            at.where,
            "prefiq doctor database --apply, then prefiq run migrate",
        )


def leaks(ask: Ask, at: Situation, tables: Sequence[str]) -> Iterator[Finding]:
    """What the serving user may use that shows rows past the wall."""
    if not tables:
        return
    names = ", ".join(f"({literal(table)}, {literal(identifier(table))})" for table in tables)
    for (what,) in ask(_LEAKS.format(names=names)):
        yield Finding(
            "PFQ-D262",
            "warning",
            f"Row-level security does not reach everything: {what}",
            at.where,
            "take the serving user's right to it away, or make it check the tenant itself",
        )


def trial(ask: Ask, at: Situation, tables: Iterable[str]) -> Iterator[Finding]:
    """Everything that would get past the wall, tried as the serving user for two tenants; nothing of it is kept."""
    for table in tables:
        past = list(_attempts(ask, table))
        if past:
            yield Finding(
                "PFQ-D261",
                "error",
                f"The serving user gets past the wall in {table}: {'; '.join(past)}",
                at.where,
                "prefiq doctor database --apply, then prefiq run migrate",
            )
    climbed = [
        name
        for (name,) in ask(
            "SELECT rolname FROM pg_roles WHERE rolname <> current_user AND (rolsuper OR rolbypassrls OR oid IN "
            "(SELECT relowner FROM pg_class WHERE relrowsecurity)) ORDER BY 1"
        )
        if not _is_refused(ask, f"SET LOCAL ROLE {identifier(name)}")
    ]
    if climbed:
        yield Finding(
            "PFQ-D261",
            "error",
            f"The serving user may become {server.listed(climbed)}, whom the wall does not stop",
            at.where,
            f"REVOKE {identifier(climbed[0])} FROM {identifier(at.database.user)}",
        )


def _attempts(ask: Ask, table: str) -> Iterator[str]:
    """What succeeded that should have been refused."""
    named = identifier(table)
    foreign = f"SELECT count(*) FROM {named} WHERE tenant_id <> {literal(_ONE)}"
    as_one = f"SELECT set_config('{SETTING}', {literal(_ONE)}, true)"
    if not ask(f"SELECT to_regclass({literal(identifier(table))}) IS NOT NULL")[0][0]:
        return
    reads = (
        ("reads rows of others", (as_one, foreign)),
        ("reads rows as nobody", (f"SELECT set_config('{SETTING}', '', true)", foreign)),
        ("reads rows of others as if it migrated", (as_one, "SET LOCAL prefiq.migrating = on", foreign)),
        ("reads rows of others without row_security", (as_one, "SET LOCAL row_security = off", foreign)),
    )
    for what, statements in reads:
        seen = _tried(ask, *statements)
        if seen is not None and seen[0][0]:
            yield what
    row = f"INSERT INTO {named} (tenant_id, id) VALUES ({literal(_OTHER)}, gen_random_uuid())"
    denied: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("writes rows of others", (as_one, row)),
        ("switches the wall off", (f"ALTER TABLE {named} DISABLE ROW LEVEL SECURITY",)),
        ("makes policies", (f"CREATE POLICY prefiq_trial ON {named} USING (true)",)),
        ("empties the table", (f"TRUNCATE {named}",)),
        ("hides the table behind a temporary one", (f"CREATE TEMPORARY TABLE {named} (id int)",)),
        ("makes tables", (f"CREATE TABLE prefiq_trial (LIKE {named})",)),
    )
    for what, steps in denied:
        if not _is_refused(ask, *steps):
            yield what


def _is_refused(ask: Ask, *statements: str) -> bool:
    """Whether the server refuses the last one for want of a right; any other end is none of a refusal."""
    try:
        _run(ask, statements)
    except DatabaseError as error:
        return getattr(error.__cause__, "sqlstate", "") == _DENIED
    return False


def _tried(ask: Ask, *statements: str) -> list[tuple[Any, ...]] | None:
    """The rows of the last statement, or None where the server refuses."""
    try:
        return _run(ask, statements)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") == _DENIED:
            return None
        raise


def _run(ask: Ask, statements: Iterable[str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    ask("BEGIN")
    try:
        ask(_TRIAL_LOCK)
        for statement in statements:
            rows = ask(statement)
    finally:
        ask("ROLLBACK")
    return rows


def walls_of(app: Application) -> tuple[Wall, ...]:
    """What keeps tenants apart in every database, for people; the servers are asked."""
    found: list[Wall] = []
    tables = tenant_tables(app)
    for database in app.settings.databases.values():
        if app.settings.tenancy == "single":
            found.append(Wall(database.name, "none is needed: there is one tenant"))
        elif database.engine != "postgres":
            text = (
                "none of its own where tenants share tables: every statement is confined by Prefiq's compiler, "
                "and raw SQL that names tenants' tables is refused"
            )
            found.append(Wall(database.name, text))
        else:
            with asking(database) as ask:
                rows = ask(question(tables)) if tables else []
            made = sum(1 for row in rows if row[1])
            open_ = gaps(rows)
            stands = made > 0 and not open_
            text = "row-level security" if stands else "row-level security, which does not stand everywhere"
            found.append(Wall(database.name, text, made - len(open_), NOT_COVERED))
    return tuple(found)
