"""PostgreSQL: whether row-level security confines the role that a connection has, whatever SQL it sends.

The wall is raised by migrations (``prefiq.migrations.dialects.postgres_walls``); here the serving role looks
whether it stands: for *it*, in every table of tenants, and so that it cannot take it down or step around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["ACROSS", "MIGRATING", "SETTING", "TENANT", "TENANT_RULE", "gaps", "question"]

SETTING = "prefiq.tenant"
"""The setting of a connection that names the tenant whose rows it sees."""
TENANT = "prefiq_tenant"
"""The policy that shows a tenant's rows."""
MIGRATING = "prefiq_migrating"
"""The policy that shows a table's owner all rows while he migrates."""
ACROSS = "prefiq_across"
"""The policy that lets one role read all rows."""
TENANT_RULE = "((tenant_id)::text = ( SELECT current_setting('prefiq.tenant'::text) AS current_setting))"
"""The tenants' policy as the server tells it."""
_QUESTION = """
SELECT w.name, c.oid IS NOT NULL, c.relrowsecurity AND c.relforcerowsecurity, row_security_active(c.oid),
       pg_has_role(current_user, c.relowner, 'MEMBER'),
       (SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p WHERE p.polrelid = c.oid
        AND p.polname = 'prefiq_tenant' AND p.polpermissive AND p.polcmd = '*' AND p.polroles = ARRAY[0::oid]
        AND p.polwithcheck IS NULL),
       (SELECT string_agg(p.polname, ', ' ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid
        AND p.polname <> 'prefiq_tenant' AND p.polpermissive
        AND EXISTS (SELECT FROM unnest(p.polroles) r (id)
                    WHERE r.id = 0 OR pg_has_role(current_user, nullif(r.id, 0), 'MEMBER'))),
       (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_roles r
        WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER')),
       c.relkind
FROM (VALUES {names}) AS w (name, quoted)
LEFT JOIN pg_class c ON c.oid = to_regclass(w.quoted)
ORDER BY w.name
"""


def question(tables: Iterable[str]) -> str:
    """The query whose rows ``gaps`` reads; asked as the role that serves.

    Args:
        tables: Names of the tenants' tables.
    """
    names = ", ".join(f"({_literal(table)}, {_literal(_identifier(table))})" for table in tables)
    return _QUESTION.format(names=names)


def gaps(rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    """Table → why the wall does not stand there for the role that asked; tables that are not there are left out.

    Args:
        rows: Answers to ``question``.
    """
    found: dict[str, str] = {}
    for name, there, forced, active, owns, rule, others, climbs, kind in rows:
        if not there:
            continue
        if climbs:
            found[name] = f"the role is, or may become, {climbs}, whom no policy binds"
        elif kind not in {"r", "p"}:
            found[name] = "it is no table"
        elif not forced:
            found[name] = "row-level security is not enabled and forced"
        elif owns:
            found[name] = "the role owns it, or may become its owner, and could take the wall down"
        elif not active:
            found[name] = "row-level security is not active for the role"
        elif rule != TENANT_RULE:
            found[name] = "the policy prefiq_tenant is missing, or another one"
        elif others:
            found[name] = f"it has a policy that shows the role more rows: {others}"
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
