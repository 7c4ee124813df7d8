"""MariaDB: databases, users and grants, as a script for its client and as statements.

The migrating user makes and changes tables; the serving one reads and writes rows.  Rights are on the whole
database, so that tables of later migrations have them too.

Source: MariaDB, "CREATE USER"; "GRANT"; "EXECUTE IMMEDIATE".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from prefiq.doctor.database.asking import Ask
from prefiq.doctor.database.users import Step, User, Users
from prefiq.doctor.errors import SetupRefused

__all__ = ["STATE", "accounts", "identifier", "script", "set_password", "steps"]

ANYWHERE = "%"
STATE = (
    "SELECT CONCAT_WS('|', "
    "(SELECT GROUP_CONCAT(schema_name ORDER BY 1) FROM information_schema.schemata), "
    "(SELECT GROUP_CONCAT(DISTINCT grantee ORDER BY 1) FROM information_schema.user_privileges), "
    "(SELECT MD5(GROUP_CONCAT(grantee, table_schema, privilege_type ORDER BY 1)) "
    "FROM information_schema.schema_privileges))"
)
"""A query for what the steps change, as one text."""
_ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# Temporary tables: "doctor database" compares with what a migration would make.
_TABLES = (
    "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "CREATE VIEW", "SHOW VIEW", "LOCK TABLES",
    "CREATE TEMPORARY TABLES",
)  # fmt: skip
_MORE = ("CREATE ROUTINE", "ALTER ROUTINE", "EVENT", "TRIGGER", "DELETE HISTORY")


def identifier(name: str) -> str:
    """A name in SQL, whatever characters it has; a backslash is itself there."""
    return "`" + name.replace("`", "``") + "`"


def account(name: str, host: str = ANYWHERE) -> str:
    """A user in SQL."""
    return f"{identifier(name)}@{identifier(host)}"


def steps(users: Users, hosts: dict[str, list[str]]) -> list[Step]:
    """What is to be done, in order.

    Args:
        users: Whose.
        hosts: From where each user comes, by its name: an account for each.
    """
    database = users.database.database
    found = [
        Step(
            f"database {database}",
            f"CREATE DATABASE IF NOT EXISTS {identifier(database)} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        )
    ]
    for user in users.all:
        for host in hosts[user.name]:
            named = account(user.name, host)
            # Locked until it has a password: one without lets everybody in.
            found.append(Step(f"user {user.name}@{host}", f"CREATE USER IF NOT EXISTS {named} ACCOUNT LOCK"))
            found.append(Step(f"password of {user.name}@{host}", named, "password", user=user))
    for user in users.all:
        for host in hosts[user.name]:
            found += _rights(users, user, host)
    return found


def _rights(users: Users, user: User, host: str) -> list[Step]:
    # In a grant _ and % of a database's name stand for other characters.
    escaped = users.database.database
    for character in "\\_%":
        escaped = escaped.replace(character, "\\" + character)
    on = f"ON {identifier(escaped)}.*"
    what = f"rights of {user.name}@{host}"
    given: tuple[str, ...] = _ROWS + _TABLES
    if users.apart and user is users.serving:
        given = _ROWS
    elif user is users.reading:
        given = ("SELECT",)
    found = [Step(what, f"GRANT {', '.join(given)} {on} TO {account(user.name, host)}")]
    taken = [right for right in (*_ROWS, *_TABLES, *_MORE) if right not in given]
    if user is not users.migrating:
        found.append(Step(what, f"REVOKE {', '.join(taken)} {on} FROM {account(user.name, host)}"))
    return found


def script(users: Users, admin: str) -> str:
    """The steps for the client; passwords come from variables of the session, which stand nowhere.

    Args:
        users: Whose.
        admin: The administrator's name, or empty.
    """
    database = users.database
    variables = ", ".join(f"{_variable(user)} = '…'" for user in users.all)
    lines = [
        f"-- MariaDB, database {database.name}, for the client mariadb; it may be run again:",
        f"--     mariadb -h {database.host} -P {database.port} -u {admin or 'ADMINISTRATOR'} -p",
        f"--     > SET {variables};",
        "--     > source FILE",
        "-- Without the passwords it stops at the first user. '%' is everywhere: name the hosts where they are known.",
        "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES');",
    ]
    found = steps(users, {user.name: [ANYWHERE] for user in users.all})
    lines += [(_asked(step) if step.kind == "password" else step.statement) + ";" for step in found]
    return "\n".join([*lines, "SET sql_mode = DEFAULT;"]) + "\n"


def _asked(step: Step) -> str:
    assert step.user
    # The binary log gets what the password is checked with.  NULL, where there is none, is no statement.
    hashed = f"NULLIF(PASSWORD({_variable(step.user)}), '')"
    head = f"ALTER USER {step.statement} IDENTIFIED BY PASSWORD '".replace("'", "''")
    return f"EXECUTE IMMEDIATE CONCAT('{head}', {hashed}, ''' ACCOUNT UNLOCK')"


def _variable(user: User) -> str:
    # A line with the word PASSWORD stays out of the client's history.
    return f"@{user.setting}WORD"


def set_password(ask: Ask, step: Step) -> bool:
    """Set the password of the settings, as what it is checked with; whether there was anything to do.

    Args:
        ask: As the administrator.
        step: Names the user, and the account in SQL.

    Raises:
        SetupRefused: There is no password, which would let everybody in.
    """
    user, named = step.user, step.statement
    assert user is not None
    if user.password is None:
        raise SetupRefused(
            f"{user.setting} is not set: {user.name} could connect without a password",
            user.setting,
            f"set {user.setting} or {user.setting}_FILE",
        )
    inner = hashlib.sha1(user.password.reveal().encode(), usedforsecurity=False).digest()
    verifier = "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
    [(shown,)] = ask(f"SHOW CREATE USER {named}")
    if verifier in shown and "ACCOUNT LOCK" not in shown:
        return False
    ask(f"ALTER USER {named} IDENTIFIED BY PASSWORD '{verifier}' ACCOUNT UNLOCK")
    return True


def accounts(ask: Ask, users: Sequence[User]) -> dict[str, list[str]]:
    """From where each user may come already: ``'shop'@'localhost'`` is another account than ``'shop'@'%'``."""
    found: dict[str, list[str]] = {}
    for user in users:
        # The name as the table has it: quotes around, and nothing escaped.
        rows = ask("SELECT DISTINCT grantee FROM information_schema.user_privileges")
        start = f"'{user.name}'@'"
        hosts = [text[len(start) : -1] for (text,) in rows if text.startswith(start)]
        found[user.name] = sorted(hosts) or [ANYWHERE]
    return found
