"""What is written from the table: the reference page of settings, and ``.env.example``."""

from __future__ import annotations

from prefiq.settings.table import DATABASE_ROLES, SECTIONS, TABLE, Setting

__all__ = ["env_example", "settings_page"]

_INTRODUCTION = """\
# Settings

<!-- Written by `prefiq.settings.reference` from the table of settings; change it there. -->

Deployment and secrets come from the environment or from a file `.env` in the application's folder.
The environment wins.
A variable that is set to nothing counts as not given.
In `.env`, values are literal: `${NAME}` is not replaced.

A secret may come from a file instead: `JWT_SECRET_KEY_FILE=/run/secrets/key` reads `JWT_SECRET_KEY` from there.
One newline at the file's end is removed.
`X` and `X_FILE` at the same source are an error; one in the environment hides both in `.env`.

All mistakes are reported together, each with its source, what is accepted, and the nearest name.
A command that ends so has exit code 3.
"""

_NAMED = """\
## Further databases

`<NAME>_DB_ENGINE` makes another database, called by the name in lower case, with the same fields:

```text
ANALYTICS_DB_ENGINE=sqlite
ANALYTICS_DB_NAME=analytics.db
```

```text
REPORTS_DB_ENGINE=postgres
REPORTS_DB_HOST=reports.internal
REPORTS_DB_NAME=reports
REPORTS_DB_USER=prefiq
REPORTS_DB_PASS_FILE=/run/secrets/reports_db_pass
```

Engines may differ from database to database; `DB_MODE` is one for all.
`DB_NAME` has no default for a further database, nor for a server.

{roles} before `_DB_` are no databases but roles on the default one: `MIGRATE_DB_*` alters tables, `ACROSS_DB_*` reads across tenants, `ADMIN_DB_*` creates databases and roles.
A field that a role does not give comes from `DB_*`, the password only together with the user.

The times around a request are ordered: `REQUEST_TIMEOUT` ≥ `DB_STATEMENT_TIMEOUT` ≥ `DB_POOL_TIMEOUT`.
A default gives way to a smaller one around it; a value that is given and does not fit is an error.
"""

_TOML = """\
## prefiq.toml

The composition of the application: committed, beside `.env`.
A secret or a deployment setting in it is an error.

```toml
apps = [
    "projects",                                           # the name of an entry point
    "demo.invoice:InvoiceProvider",                       # an import path; its name is `invoice`
    { path = "demo.crm.provider:Crm", name = "crm" },     # an import path with another name
]
disable = ["projects.check_code"]                         # named hooks, validators, guards

[replace]                                                 # contract = import path
"projects.IProject" = "acme.repos:FastProjects"

[settings.projects]                                       # what one app is told
archive_after_days = 90

[roles]                                                   # what a token with the scope `role:viewer` may do
viewer = ["*.*.read"]                                     # permissions, wildcards by segment

[issuers.acme]                                            # tokens of others that are accepted
issuer = "https://login.acme.example"
audience = "prefiq"
jwks_uri = "https://login.acme.example/keys"              # or jwks = {…}, or jwks_file = "keys.json"
algorithms = ["RS256"]
claims = { actor = "sub", tenants = "tenants", scopes = "scope", name = "name" }
```

`APPS` in the environment replaces `apps` as a whole, `JWT_ISSUERS` replaces `[issuers]`.
"""


def settings_page() -> str:
    """The page ``docs/reference/settings.md``."""
    parts = [_INTRODUCTION]
    for section in SECTIONS:
        parts.append(f"## {section}\n")
        parts += [_entry(setting) for setting in TABLE if setting.section == section]
    roles = ", ".join(f"`{role}`" for role in DATABASE_ROLES)
    parts += [_NAMED.format(roles=roles), _TOML]
    return "\n".join(parts)


def _entry(setting: Setting[object]) -> str:
    default = f"`{setting.default}`" if setting.default is not None else setting.unset
    lines = [f"### {setting.name}\n", setting.help, "", f"- Accepted: {setting.kind.accepted}"]
    lines.append(f"- Default: {default}")
    if setting.engines:
        lines.append(f"- Engines: {', '.join(setting.engines)}; without effect with others")
    if setting.secret:
        lines.append(f"- Secret: never shown; `{setting.name}_FILE` reads it from a file")
    lines.append(f"- Since: {setting.since}\n")
    return "\n".join(lines)


def env_example() -> str:
    """The file ``.env.example``: fit for production as it stands, with every setting in it."""
    lines = [
        "# Copy to .env, or set these in the environment, which wins.  Reference: docs/reference/settings.md",
        "# Lines with a # before the name show the default.  No secret belongs here in production: use <NAME>_FILE.",
    ]
    for section in SECTIONS:
        lines += ["", f"# {section}"]
        for setting in (s for s in TABLE if s.section == section):
            only = f"; with {', '.join(setting.engines)}" if setting.engines else ""
            lines += ["", f"# {setting.help}", f"# {setting.kind.accepted}{only}"]
            if setting.secret:
                lines.append(f"# {setting.name}_FILE=/run/secrets/{setting.name.lower()}")
            elif setting.example:
                lines.append(f"{setting.name}={setting.example}")
            else:
                lines.append(f"# {setting.name}={setting.default or ''}")
    lines += ["", "# Further databases: <NAME>_DB_ENGINE and the other DB_* names with <NAME>_ before them."]
    lines += ["# ANALYTICS_DB_ENGINE=sqlite", "# ANALYTICS_DB_NAME=analytics.db"]
    return "\n".join(lines) + "\n"
