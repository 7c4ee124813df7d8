"""PostgreSQL's wall: row-level security, which confines every statement to the tenant that its connection names.

A table has it enabled *and* forced, so that its owner is confined as well, and two policies: one shows the
rows of the tenant in ``prefiq.tenant`` (where nobody has set that, the statement fails), the other shows its
owner all of them while ``prefiq.migrating`` is on, which only connections for migrations say.

Source: PostgreSQL, "Row Security Policies", "CREATE POLICY".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from prefiq.migrations import raw
from prefiq.migrations.dialects.postgres_changes import quoted
from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.walls import Breach, Walls
from prefiq.sql.dialects.postgres_walls import ACROSS, MIGRATING, TENANT, TENANT_RULE

__all__ = ["breaches", "wall_of"]

_MIGRATING_RULE = (
    "(( SELECT current_setting('prefiq.migrating'::text, true) AS current_setting) = 'on'::text)"
)
"""As the server tells it."""
_LOOK = """
SELECT w.name, c.relrowsecurity, c.relforcerowsecurity, p.polname, p.polcmd::text, p.polpermissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
       p.polroles = ARRAY[c.relowner], p.polroles = ARRAY[0::oid],
       p.polroles = ARRAY(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {across}),
       EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {across}), pg_get_userbyid(c.relowner)
FROM (VALUES {names}) AS w (name, quoted)
JOIN pg_catalog.pg_class c ON c.oid = to_regclass(w.quoted)
LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid
ORDER BY w.name, p.polname
"""


@dataclass(frozen=True, slots=True)
class _Policy:
    name: str
    command: str
    permissive: bool
    rule: str
    check: str
    of_owner: bool
    of_everybody: bool
    of_across: bool


@dataclass(slots=True)
class _Found:
    enabled: bool
    forced: bool
    owner: str
    has_across: bool
    policies: dict[str, _Policy]


def wall_of(table: str, owner: str = "CURRENT_USER", across: str = "") -> list[str]:
    """The statements that raise the wall of a table that has none.

    Args:
        table: Its name.
        owner: Its owner, as SQL.
        across: The role that reads across tenants, where there is one.
    """
    alter = f"ALTER TABLE {quoted(table)}"
    return [
        f"{alter} ENABLE ROW LEVEL SECURITY",
        f"{alter} FORCE ROW LEVEL SECURITY",
        *(_policy(table, name, owner, across) for name in (TENANT, MIGRATING, *([ACROSS] if across else ()))),
    ]


def breaches(connection: sa.Connection, schema: Schema, walls: Walls) -> list[Breach]:
    """Tables of tenants whose wall is not as it should be.

    Args:
        connection: Any; only the catalog is asked.
        schema: The tables; those that are not there are left out.
        walls: What is wanted.
    """
    tables = [model.table for model in schema.tables if not model.shared]
    return [
        Breach(table, tuple(said for said, _ in wrong), tuple(text for _, texts in wrong for text in texts))
        for table, found in _look(connection, tables, walls.across)
        if (wrong := list(_wrong(table, found, walls.across if found.has_across else "")))
    ]


def _policy(table: str, name: str, owner: str, across: str) -> str:
    create = f"CREATE POLICY {name} ON {quoted(table)}"
    match name:
        case "prefiq_tenant":
            # In a sub-select it is asked once for a statement, not for each row.
            return f"{create} USING (tenant_id = (SELECT current_setting('prefiq.tenant')))"
        case "prefiq_migrating":
            return f"{create} TO {owner} USING ((SELECT current_setting('prefiq.migrating', true)) = 'on')"
    return f"{create} FOR SELECT TO {quoted(across)} USING (true)"


def _look(connection: sa.Connection, tables: Sequence[str], across: str) -> Iterable[tuple[str, _Found]]:
    if not tables:
        return ()
    names = ", ".join(f"({literal(table)}, {literal(quoted(table))})" for table in tables)
    found: dict[str, _Found] = {}
    for row in raw.run(connection, _LOOK.format(names=names, across=literal(across))):
        table, enabled, forced, name, command, permissive, rule, check, own, everybody, theirs, has, owner = (
            row
        )
        one = found.setdefault(table, _Found(enabled, forced, owner, has, {}))
        if name is not None:
            policy = _Policy(name, command, permissive, rule or "", check or "", own, everybody, theirs)
            one.policies[name] = policy
    return found.items()


def _wrong(table: str, found: _Found, across: str) -> Iterator[tuple[str, list[str]]]:
    alter = f"ALTER TABLE {quoted(table)}"
    if not found.enabled:
        yield "row security is not enabled", [f"{alter} ENABLE ROW LEVEL SECURITY"]
    if not found.forced:
        yield "row security is not forced on its owner", [f"{alter} FORCE ROW LEVEL SECURITY"]
    for name in (TENANT, MIGRATING, *([ACROSS] if across else ())):
        policy = found.policies.get(name)
        if policy is not None and _is_right(policy):
            continue
        drop = [] if policy is None else [f"DROP POLICY {name} ON {quoted(table)}"]
        said = f"policy {name} is missing" if policy is None else f"policy {name} is another one"
        yield said, [*drop, _policy(table, name, quoted(found.owner), across)]


def _is_right(policy: _Policy) -> bool:
    if not policy.permissive or policy.check:
        return False
    match policy.name:
        case "prefiq_tenant":
            return policy.command == "*" and policy.of_everybody and policy.rule == TENANT_RULE
        case "prefiq_migrating":
            return policy.command == "*" and policy.of_owner and policy.rule == _MIGRATING_RULE
    return policy.command == "r" and policy.of_across and policy.rule == "true"
