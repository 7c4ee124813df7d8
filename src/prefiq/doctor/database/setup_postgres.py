"""PostgreSQL: databases, roles and grants, as a script for psql and as statements.

The migrating role owns database and tables; the serving one reads and writes rows, also of tables that later
migrations make.  Only what is missing is made: run again, nothing changes.

Source: PostgreSQL, "CREATE ROLE", "ALTER DEFAULT PRIVILEGES", "psql".
"""
# ruff: noqa: S608 - every name in these statements goes through `identifier` or `literal`

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata

from prefiq.doctor.database.asking import Ask
from prefiq.doctor.database.users import Step, User, Users

__all__ = ["MAINTENANCE", "STATE", "identifier", "literal", "script", "set_password", "steps"]

MAINTENANCE = "postgres"
"""The database that every server has, to begin from."""
STATE = (
    "SELECT concat((SELECT string_agg(concat(relname, relowner, relacl), ',' ORDER BY oid) FROM pg_class "
    "WHERE relnamespace = to_regnamespace('public')), "
    "(SELECT concat(nspowner, nspacl) FROM pg_namespace WHERE nspname = 'public'), "
    "(SELECT string_agg(concat(datname, datdba, datacl), ',' ORDER BY oid) FROM pg_database), "
    "(SELECT string_agg(concat(defaclrole, defaclnamespace, defaclobjtype, defaclacl), ',' ORDER BY oid) "
    "FROM pg_default_acl), "
    "(SELECT string_agg(concat(rolname, rolcanlogin, rolbypassrls), ',' ORDER BY oid) FROM pg_roles), "
    "(SELECT string_agg(concat(polrelid, polname, polroles), ',' ORDER BY polrelid, polname) FROM pg_policy), "
    "(SELECT string_agg(concat(roleid, '-', member), ',' ORDER BY roleid, member) FROM pg_auth_members))"
)
"""A query for what the steps change, as one text, in the database where it is asked."""


def identifier(name: str) -> str:
    """A name in SQL, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL; ``E''`` means the same whether or not backslashes are special."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{quoted}'" if "\\" in text else f"'{quoted}'"


def steps(users: Users) -> list[Step]:
    """What is to be done, in order."""
    database = users.database.database
    named, serving, migrating = map(identifier, (database, users.serving.name, users.migrating.name))
    found: list[Step] = []
    for user in users.all:
        found += _role(user)
    for user in {users.serving.name: users.serving, users.migrating.name: users.migrating}.values():
        # Who is no superuser gives a role's things away only as a member of it.
        found.append(
            _generate(
                f"membership in {user.name}",
                f"GRANT {identifier(user.name)} TO CURRENT_USER",
                "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user) "
                f"OR pg_has_role(current_user, {literal(user.name)}, 'MEMBER')",
            )
        )
    found.append(
        _generate(
            f"database {database}",
            f"CREATE DATABASE {named} OWNER {migrating} ENCODING 'UTF8' TEMPLATE template0",
            f"EXISTS (SELECT FROM pg_database WHERE datname = {literal(database)})",
        )
    )
    what = f"rights on database {database}"
    everybody = ", ".join(identifier(user.name) for user in users.all)
    found.append(Step(what, f"REVOKE TEMPORARY ON DATABASE {named} FROM PUBLIC"))
    found.append(Step(what, f"GRANT CONNECT ON DATABASE {named} TO {everybody}"))
    # "doctor database" compares with what a migration would make, in temporary tables.
    found.append(Step(what, f"GRANT TEMPORARY ON DATABASE {named} TO {migrating}"))
    if users.apart:
        found.append(
            _generate(
                what,
                f"ALTER DATABASE {named} OWNER TO {migrating}",
                f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {literal(database)} "
                f"AND pg_get_userbyid(datdba) = {literal(users.serving.name)})",
            )
        )
        found.append(Step(what, f"REVOKE CREATE, TEMPORARY ON DATABASE {named} FROM {serving}"))
    return found + _inside(users)


def _role(user: User) -> list[Step]:
    named = identifier(user.name)
    exists = f"EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(user.name)}"
    return [
        _generate(f"role {user.name}", f"CREATE ROLE {named} LOGIN", exists + ")"),
        _generate(f"role {user.name}", f"ALTER ROLE {named} LOGIN", exists + " AND rolcanlogin)"),
        Step(f"password of role {user.name}", f"\\password {named}", "password", user=user),
    ]


def _inside(users: Users) -> list[Step]:
    serving, migrating = identifier(users.serving.name), identifier(users.migrating.name)
    what = "rights on schema public"
    found = [
        Step(what, "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        Step(what, f"GRANT USAGE, CREATE ON SCHEMA public TO {migrating}"),
    ]
    if users.apart:
        found += [
            Step(what, f"REVOKE CREATE ON SCHEMA public FROM {serving}"),
            Step("owner of tables", _handing_over(users), "generate"),
            Step("owner of tables", _following(users), "generate"),
            *_granted(users, users.serving, "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"),
            # The first empties a table for all tenants, the others look at its rows past every policy.
            Step(f"rights of {users.serving.name}", _revoking(users.serving), "generate"),
            _generate(
                f"role {users.serving.name}",
                f"ALTER ROLE {serving} NOBYPASSRLS",
                f"EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(users.serving.name)} "
                "AND (rolsuper OR NOT rolbypassrls))",
            ),
        ]
    if users.reading is not None:
        found += _granted(users, users.reading, "SELECT", "")
        found.append(Step(f"rights of {users.reading.name}", _showing(users.reading), "generate"))
    return [Step(step.what, step.statement, step.kind, inside=True) for step in found]


def _revoking(user: User) -> str:
    """The query for rights on tables that nobody needs who serves."""
    name = literal(user.name)
    return (
        "SELECT format('REVOKE TRUNCATE, REFERENCES, TRIGGER ON %s FROM %s', c.oid::regclass, "
        f"quote_ident({name})) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace "
        "AND c.relkind IN ('r', 'p', 'v', 'm') AND EXISTS (SELECT FROM aclexplode(c.relacl) a "
        f"WHERE pg_get_userbyid(a.grantee) = {name} "
        "AND a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')) ORDER BY c.relname"
    )


def _showing(user: User) -> str:
    """The query for policies that show the rows of all tenants, where a wall stands that does not yet.

    Narrower than BYPASSRLS, which only a superuser gives, and which is for every table of every database.
    """
    return (
        "SELECT format('CREATE POLICY prefiq_across ON %s FOR SELECT TO %s USING (true)', c.oid::regclass, "
        f"quote_ident({literal(user.name)})) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace "
        "AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'prefiq_tenant') "
        "AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'prefiq_across') "
        "ORDER BY c.relname"
    )


def _handing_over(users: Users) -> str:
    """The query for tables and the like that the serving role owns; an identity's sequence follows its table."""
    return (
        "SELECT format('ALTER %s %s OWNER TO %I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' "
        "WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, c.oid::regclass, "
        f"{literal(users.migrating.name)}) FROM pg_class c "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') "
        f"AND pg_get_userbyid(c.relowner) = {literal(users.serving.name)} AND NOT EXISTS (SELECT FROM pg_depend d "
        "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i', 'e')) "
        "ORDER BY c.relname"
    )


def _following(users: Users) -> str:
    """The query for policies that show a former owner the rows of all tenants, while he migrates."""
    return (
        "SELECT format('ALTER POLICY prefiq_migrating ON %s TO %s', c.oid::regclass, "
        f"quote_ident({literal(users.migrating.name)})) FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid "
        "WHERE c.relnamespace = 'public'::regnamespace AND p.polname = 'prefiq_migrating' "
        f"AND p.polroles <> ARRAY[c.relowner] AND pg_get_userbyid(c.relowner) = {literal(users.migrating.name)} "
        "ORDER BY c.relname"
    )


def _granted(users: Users, user: User, on_tables: str, on_sequences: str) -> list[Step]:
    """Rights on the tables that there are, and on those that the migrating role will make."""
    named, owner = identifier(user.name), literal(users.migrating.name)
    what = f"rights of {user.name}"
    found = [Step(what, f"GRANT USAGE ON SCHEMA public TO {named}")]
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(users.migrating.name)} IN SCHEMA public GRANT"
    for rights, kinds, plural in (
        (on_tables, "'r', 'p', 'v', 'm'", "tables"),
        (on_sequences, "'S'", "sequences"),
    ):
        if not rights:
            continue
        word = "SEQUENCE " if plural == "sequences" else ""
        query = (
            f"SELECT format('GRANT {rights} ON {word}%s TO %s', c.oid::regclass, "
            f"quote_ident({literal(user.name)})) FROM pg_class c "
            f"WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ({kinds}) "
            f"AND pg_get_userbyid(c.relowner) = {owner} AND {_lacking(user, rights)} ORDER BY c.relname"
        )
        found += [
            Step(what, query, "generate"),
            Step(
                what,
                f"{default} {rights} ON {plural.upper()} TO {named}",
            ),
        ]
    return found


def _lacking(user: User, rights: str) -> str:
    wanted = ", ".join(literal(right) for right in rights.split(", "))
    return (
        f"(SELECT count(*) FROM aclexplode(c.relacl) a WHERE pg_get_userbyid(a.grantee) = {literal(user.name)} "
        f"AND a.privilege_type IN ({wanted})) < {rights.count(',') + 1}"
    )


def _generate(what: str, statement: str, unless: str) -> Step:
    return Step(what, f"SELECT {literal(statement)} WHERE NOT ({unless})", "generate")


def script(users: Users, admin: str) -> str:
    """The steps for psql; it asks for the passwords, and sends what they are checked with, never themselves.

    Args:
        users: Whose.
        admin: The administrator's name, or empty.
    """
    database = users.database
    lines = [
        f"-- PostgreSQL, database {database.name}, for psql; it may be run again:",
        f"--     psql -X -h {database.host} -p {database.port} -U {admin or 'ADMINISTRATOR'} -d {MAINTENANCE} -f FILE",
        "-- \\password asks for " + ", then ".join(f"{u.setting} of {u.name}" for u in users.all) + ".",
        "\\set ON_ERROR_STOP on",
    ]
    inside = False
    for step in steps(users):
        if step.inside and not inside:
            inside = True
            name = database.database.replace("\\", "\\\\").replace("'", "\\'").replace('"', '""')
            lines.append(f"\\connect -reuse-previous=on \"dbname='{name}'\"")
        end = {"run": ";", "generate": " \\gexec", "password": ""}[step.kind]
        lines.append(step.statement + end)
    return "\n".join(lines) + "\n"


def set_password(ask: Ask, step: Step) -> bool:
    """Set the password of the settings, as what it is checked with; whether there was anything to do.

    Args:
        ask: As the administrator.
        step: Names the user.
    """
    user = step.user
    if user is None or user.password is None:
        return False
    secret = user.password.reveal()
    if ask("SELECT 1 WHERE has_table_privilege('pg_authid', 'SELECT')"):
        rows = ask(f"SELECT rolpassword FROM pg_authid WHERE rolname = {literal(user.name)}")
        if rows and rows[0][0] and _checks(rows[0][0], secret):
            return False
    verifier = ask.driver.pgconn.encrypt_password(
        secret.encode(), user.name.encode(), b"scram-sha-256"
    ).decode()
    ask(f"ALTER ROLE {identifier(user.name)} PASSWORD {literal(verifier)}")
    return True


def _checks(verifier: str, secret: str) -> bool:
    """Whether a stored verifier is this password's; False also where it cannot be told.

    Source: RFC 5803; RFC 7677.
    """
    try:
        mechanism, costs, keys = verifier.split("$")
        rounds, salt = costs.split(":")
        stored = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    prepared = unicodedata.normalize("NFKC", secret).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, base64.b64decode(salt), int(rounds))
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return mechanism == "SCRAM-SHA-256" and hmac.compare_digest(key, stored)
