"""PostgreSQL: what is looked at on a connection of the serving user; each check asks and finds by itself."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.doctor.database import server
from prefiq.doctor.database.asking import Ask
from prefiq.doctor.database.situation import Situation
from prefiq.doctor.finding import Finding

__all__ = ["CHECKS", "LEAST", "migrating"]

LEAST = 14
"""The oldest release that is supported, as its makers do."""
_OTHERS = ("CockroachDB", "-YB-", "Redshift", "Materialize", "QuestDB")
_HELD_BACK = 1024**3
_OLD = 1_000_000_000
"""Transactions since the oldest row was frozen; at some 2,000,000,000 the server stops writing."""

# Tables of people, in the schema where Prefiq's are made.
_TABLES = """FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
    AND c.relkind IN ('r', 'p')"""


def version(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The server is PostgreSQL, and not older than what is supported."""
    [(number, text)] = ask("SELECT current_setting('server_version_num')::int, version()")
    if any(other in text for other in _OTHERS):
        yield Finding(
            "PFQ-D231",
            "warning",
            f"The server speaks PostgreSQL's language and is another one: {text.partition(' (')[0]}",
            at.where,
            "test the application with it: Prefiq is tested with PostgreSQL itself",
        )
    elif number < LEAST * 10000:
        yield Finding(
            "PFQ-D230",
            "error",
            f"PostgreSQL {number // 10000} is older than what is supported",
            at.where,
            f"upgrade the server to release {LEAST} or newer",
        )


def texts(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Encoding and collations."""
    [(name, encoding)] = ask(
        "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    )
    if encoding != "UTF8":
        yield Finding(
            "PFQ-D232",
            "error",
            f"The database's encoding is {encoding}: it cannot keep every text",
            at.where,
            "make another one with ENCODING 'UTF8' TEMPLATE template0, and move the data with pg_dump",
        )
    if not ask("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"):
        yield Finding(
            "PFQ-D234",
            "error",
            "The server was built without ICU: searches without regard to case fail",
            at.where,
            "use a server with ICU, as the makers' and distributions' packages are",
        )
    [(versioned,)] = ask("SELECT current_setting('server_version_num')::int >= 150000")
    if versioned and ask(
        "SELECT 1 FROM pg_database WHERE datname = current_database() "
        "AND datcollversion <> pg_database_collation_actual_version(oid)"
    ):
        identifier = '"' + name.replace('"', '""') + '"'
        yield Finding(
            "PFQ-D233",
            "warning",
            "The operating system sorts otherwise than when the database was made: indexes may be out of order",
            at.where,
            f"REINDEX DATABASE {identifier}; ALTER DATABASE {identifier} REFRESH COLLATION VERSION",
        )


def session(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The connection has what it asked for when it was opened, also behind a pooler of sessions."""
    if at.database.pooler == "transaction":  # then every transaction says it
        return
    database = at.database
    wanted = {
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
        "default_transaction_isolation": "read committed",
        "statement_timeout": str(int(-(-database.statement_timeout * 1000 // 1))),
    }
    names = ", ".join(f"'{name}'" for name in wanted)
    found: dict[str, str] = dict(ask(f"SELECT name, setting FROM pg_settings WHERE name IN ({names})"))  # noqa: S608  our own
    cause = "let what stands between pass startup options on (PgBouncer: take them out of ignore_startup_parameters)"
    yield from server.setting(at, ((name, found.get(name), value) for name, value in wanted.items()), cause)


def writable(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The server is no standby, and there is a place for tables."""
    [(standby, read_only, schema)] = ask(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_schema()"
    )
    if standby or read_only == "on":
        yield Finding(
            "PFQ-D241",
            "error",
            "The server is a standby and only reads" if standby else "The database is set to read only",
            at.where,
            f"let {at.prefix}DB_HOST lead to the primary"
            if standby
            else "ALTER DATABASE … RESET default_transaction_read_only",
        )
    if schema is None:
        yield Finding(
            "PFQ-D252",
            "error",
            "There is no schema for tables: none of search_path exists, or the user may not use it",
            at.where,
            "prefiq doctor database --setup",
        )


def rights(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The serving user may do no more than serve; in production."""
    public = """SELECT 1 FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
        WHERE nspname = current_schema() AND a.grantee = 0 AND a.privilege_type = 'CREATE'"""
    if at.production and ask(public):
        yield Finding(
            "PFQ-D251",
            "warning",
            "Every user of the database may make tables and functions beside Prefiq's",
            at.where,
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
    if not at.production:
        return
    [row] = ask(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, "
        "pg_has_role(current_user, 'pg_execute_server_program', 'MEMBER'), "
        "pg_has_role(current_user, 'pg_read_server_files', 'MEMBER'), "
        "pg_has_role(current_user, 'pg_write_server_files', 'MEMBER') "
        "FROM pg_roles WHERE rolname = current_user"
    )
    words = (
        "is a superuser", "bypasses row-level security", "makes roles", "makes databases", "replicates",
        "runs programs on the server", "reads files of the server", "writes files of the server",
    )  # fmt: skip
    wide = [word for word, has in zip(words, row, strict=True) if has]
    if wide:
        yield Finding(
            "PFQ-D236",
            "warning",
            f"The serving user {wide[0] if row[0] else server.listed(wide)}: a mistake in a query could do anything",
            at.where,
            f"set {at.prefix}DB_USER to a user of its own; prefiq doctor database --setup prints it",
        )
    elif at.database.name == "default":
        yield from _owning(ask, at)


def _owning(ask: Ask, at: Situation) -> Iterator[Finding]:
    [(owned, creates)] = ask(
        f"SELECT (SELECT count(*) {_TABLES} AND pg_has_role(c.relowner, 'USAGE')), "
        "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) "
        "OR has_database_privilege(current_database(), 'CREATE')"
    )
    if owned or creates:
        yield Finding(
            "PFQ-D237",
            "warning",
            f"The serving user {f'owns {owned} tables' if owned else 'may make tables'}: it could change them",
            at.where,
            "prefiq doctor database --apply"
            if at.migrating is not None
            else "set MIGRATE_DB_USER and MIGRATE_DB_PASS; prefiq doctor database --setup prints the rest",
        )


def usable(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The serving user may read and write every table that another one made."""
    names = ask(
        f"SELECT c.relname {_TABLES} AND NOT (has_table_privilege(c.oid, 'SELECT') "
        "AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') "
        "AND has_table_privilege(c.oid, 'DELETE')) ORDER BY 1"
    )
    if names:
        yield Finding(
            "PFQ-D239",
            "warning",
            f"The serving user may not read and write {server.listed(name for (name,) in names)}",
            at.where,
            "prefiq doctor database --apply",
        )


def connections(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The pools fit into the server's limits."""
    [(server_wide, of_role, of_database)] = ask(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
        "- coalesce(current_setting('reserved_connections', true)::int, 0), "
        "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), "
        "(SELECT datconnlimit FROM pg_database WHERE datname = current_database())"
    )
    limits = (
        ("max_connections", server_wide),
        ("the user's CONNECTION LIMIT", of_role),
        ("the database's CONNECTION LIMIT", of_database),
    )
    yield from server.connections(at, limits)


def clock(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Both machines agree on the time."""
    yield from server.clock(at, lambda: float(ask("SELECT extract(epoch FROM clock_timestamp())")[0][0]))


def encryption(ask: Ask, at: Situation) -> Iterator[Finding]:
    """What crosses a network is encrypted."""
    rows = ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    # Behind a pooler the row is that of its connection: then only the settings' own warning speaks.
    yield from server.encryption(at, encrypted=not rows or bool(rows[0][0]))


def durability(ask: Ask, at: Situation) -> Iterator[Finding]:
    """What was committed is on the disk."""
    lost = ask(
        "SELECT name || ' = ' || setting FROM pg_settings "
        "WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name"
    )
    if lost:
        yield Finding(
            "PFQ-D249",
            "error" if at.production else "warning",
            f"A crash loses what was committed: {server.listed(name for (name,) in lost)}",
            at.where,
            "switch them on where the data matter",
        )


def replication(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Standbys neither hold up commits nor fill the disk."""
    [(names, seen)] = ask(
        "SELECT current_setting('synchronous_standby_names'), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
    )
    if names and seen and not ask("SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"):
        yield Finding(
            "PFQ-D255",
            "error",
            "Commits wait for a synchronous standby, and none is connected",
            at.where,
            "start the standby, or take it out of synchronous_standby_names",
        )
    slots = ask(
        "SELECT slot_name, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
        "ELSE pg_current_wal_lsn() END, restart_lsn) FROM pg_replication_slots WHERE NOT active "
        "AND restart_lsn IS NOT NULL ORDER BY 1"
    )
    held = [name for name, size in slots if size is not None and size > _HELD_BACK]
    if held:
        yield Finding(
            "PFQ-D256",
            "warning",
            f"Replication slots that nobody reads keep the log, until the disk is full: {server.listed(held)}",
            at.where,
            "let the reader run again, or SELECT pg_drop_replication_slot(…)",
        )


def upkeep(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Vacuum keeps up, and indexes are whole."""
    [(age, autovacuum)] = ask(
        "SELECT age(datfrozenxid), current_setting('autovacuum') FROM pg_database WHERE datname = current_database()"
    )
    if autovacuum == "off" or age > _OLD:
        reason = "autovacuum is off" if autovacuum == "off" else f"the oldest row is {age:,} transactions old"
        yield Finding(
            "PFQ-D253",
            "warning",
            f"Vacuum does not keep up: {reason}",
            at.where,
            "switch autovacuum on, end transactions that stay open for days, and run VACUUM",
        )
    broken = ask(
        "SELECT i.indexrelid::regclass::text FROM pg_index i "  # noqa: S608  our own
        f"WHERE NOT i.indisvalid AND i.indrelid IN (SELECT c.oid {_TABLES}) ORDER BY 1"
    )
    if broken:
        yield Finding(
            "PFQ-D254",
            "warning",
            f"Indexes that were not finished serve nothing: {server.listed(name for (name,) in broken)}",
            at.where,
            "REINDEX INDEX CONCURRENTLY …",
        )


def disk(ask: Ask, at: Situation) -> Iterator[Finding]:
    """There is room where the server keeps its files, where that can be known."""
    if ask("SELECT 1 WHERE pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')"):
        [(folder,)] = ask("SELECT current_setting('data_directory')")
        yield from server.disk(at, folder)


def statement_timeout(ask: Ask, at: Situation) -> Iterator[Finding]:
    """No statement takes for ever."""
    del ask
    yield from server.statement_timeout(at)


CHECKS = (
    version, texts, session, writable, rights, usable, connections, clock, encryption, durability, replication,
    upkeep, disk, statement_timeout,
)  # fmt: skip
"""What is looked at, in order."""


def migrating(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The migrating user may make tables and change those that are there, for the serving user to use.

    Args:
        ask: As the migrating user.
        at: Of the database.
    """
    [(creates,)] = ask("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
    if not creates:
        yield Finding(
            "PFQ-D238",
            "error",
            "The migrating user may not make tables",
            at.where,
            "prefiq doctor database --apply",
        )
    others = ask(f"SELECT c.relname {_TABLES} AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1")
    if others:
        yield Finding(
            "PFQ-D238",
            "error",
            f"The migrating user does not own {server.listed(name for (name,) in others)}, and cannot change them",
            at.where,
            "prefiq doctor database --apply",
        )
    serving = at.database.user.replace("'", "''")
    granted = ask(
        "SELECT 1 FROM pg_default_acl d, aclexplode(d.defaclacl) a "  # noqa: S608  quoted above
        "WHERE d.defaclobjtype = 'r' AND pg_get_userbyid(d.defaclrole) = current_user "
        "AND (d.defaclnamespace = 0 OR d.defaclnamespace = to_regnamespace(quote_ident(current_schema()))) "
        f"AND pg_get_userbyid(a.grantee) = '{serving}' "
        "AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') HAVING count(*) >= 4"
    )
    if not granted:
        yield Finding(
            "PFQ-D239",
            "error",
            "The serving user could not use the tables of later migrations",
            at.where,
            "prefiq doctor database --apply",
        )
