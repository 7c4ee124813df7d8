"""MariaDB: what is looked at on a connection of the serving user; each check asks and finds by itself.

Source: MariaDB, "Server System Variables"; "GRANT"; "Galera Cluster Status Variables".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prefiq.doctor.database import server
from prefiq.doctor.database.asking import Ask
from prefiq.doctor.database.situation import Situation
from prefiq.doctor.finding import Finding
from prefiq.errors import PrefiqError

__all__ = ["CHECKS", "LEAST", "SERVING", "migrating", "privileges"]

LEAST = (10, 6)
"""The oldest release that is supported."""
LEAST_PACKET = 4 * 1024**2
SERVING = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
"""What the serving user needs on its database."""
_HARMLESS = frozenset({"USAGE", "EXECUTE", "SHOW VIEW", "CREATE TEMPORARY TABLES", "LOCK TABLES"})
_MIGRATING = SERVING | {"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "CREATE TEMPORARY TABLES"}
_MODES = ("STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "PIPES_AS_CONCAT")
_GRANT = re.compile(
    r"GRANT (.+?) ON (?:(?:TABLE|FUNCTION|PROCEDURE|PACKAGE(?: BODY)?) )?(\S.*?) TO ", re.DOTALL
)


def version(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The server is MariaDB, and not older than what is supported."""
    [(text,)] = ask("SELECT VERSION()")
    numbers = re.findall(r"\d+", text)
    if "mariadb" not in text.lower():
        yield Finding(
            "PFQ-D231",
            "error",
            f"The server is not MariaDB: its version is {text}",
            at.where,
            f"let {at.prefix}DB_HOST lead to MariaDB; MySQL has neither its collations nor its UUIDs",
        )
    elif tuple(map(int, numbers[:2])) < LEAST:
        yield Finding(
            "PFQ-D230",
            "error",
            f"MariaDB {'.'.join(numbers[:2])} is older than what is supported",
            at.where,
            f"upgrade the server to release {'.'.join(map(str, LEAST))} or newer",
        )


def texts(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Character set and collation."""
    [(charset,)] = ask("SELECT @@character_set_database")
    if charset != "utf8mb4":
        name = at.database.database.replace("`", "``")
        yield Finding(
            "PFQ-D232",
            "warning",
            f"The database's character set is {charset}: tables made by hand cannot keep every text",
            at.where,
            f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        )
    if not ask("SELECT 1 FROM information_schema.collations WHERE collation_name = 'utf8mb4_nopad_bin'"):
        yield Finding(
            "PFQ-D234",
            "error",
            "The server has no collation utf8mb4_nopad_bin, which every text is stored with",
            at.where,
            "upgrade the server",
        )


def session(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The connection has what it asked for when it was opened, also behind a proxy."""
    [(zone, isolation, charset, collation, modes, checks)] = ask(
        "SELECT @@time_zone, @@tx_isolation, @@character_set_client, @@collation_connection, @@sql_mode, "
        "@@foreign_key_checks"
    )
    missing = ",".join(mode for mode in _MODES if mode not in modes.split(","))
    found = (
        ("time_zone", zone, "+00:00"),
        ("tx_isolation", isolation, "READ-COMMITTED"),
        ("character_set_client", charset, "utf8mb4"),
        ("collation_connection", collation, "utf8mb4_nopad_bin"),
        ("sql_mode", f"… without {missing}" if missing else "", ""),
        ("foreign_key_checks", checks, 1),
    )
    yield from server.setting(at, found, "let what stands between keep the session's variables apart")


def strictness(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The server refuses what it cannot keep, also from other programs, and takes statements of some length."""
    [(strict, modes, packet, names)] = ask(
        "SELECT @@innodb_strict_mode, @@GLOBAL.sql_mode, @@max_allowed_packet, @@lower_case_table_names"
    )
    lax = [] if strict else ["innodb_strict_mode = OFF"]
    if "STRICT_TRANS_TABLES" not in modes and "STRICT_ALL_TABLES" not in modes:
        lax.append("sql_mode without STRICT_TRANS_TABLES")
    if lax:
        yield Finding(
            "PFQ-D246",
            "warning",
            f"The server accepts what it cannot keep, and stores something else: {' and '.join(lax)}",
            at.where,
            "SET GLOBAL innodb_strict_mode = ON, add STRICT_TRANS_TABLES to sql_mode, and keep both in my.cnf",
        )
    wanted = max(LEAST_PACKET, 2 * at.body_limit)
    if packet < wanted:
        yield Finding(
            "PFQ-D247",
            "warning",
            f"max_allowed_packet is {packet // 1024} KiB: long values, and many rows at once, are refused",
            at.where,
            f"SET GLOBAL max_allowed_packet = {wanted}, and keep it in my.cnf",
        )
    if names and at.database.database != at.database.database.lower():
        yield Finding(
            "PFQ-D248",
            "warning",
            f"lower_case_table_names is {names}: the server knows the database by another name than the settings",
            at.where,
            f"write {at.prefix}DB_NAME in lower case",
        )


def writable(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The server is no replica that only reads."""
    [(read_only,)] = ask("SELECT @@GLOBAL.read_only")
    if str(read_only) not in {"0", "OFF"}:
        yield Finding(
            "PFQ-D241",
            "error",
            "The server is set to read only, as replicas are",
            at.where,
            f"let {at.prefix}DB_HOST lead to the primary",
        )


def rights(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The serving user may do no more than serve; in production."""
    if not at.production:
        return
    everywhere, here = privileges(ask, at.database.database)
    wide = sorted(everywhere - _HARMLESS)
    if wide:
        yield Finding(
            "PFQ-D236",
            "warning",
            f"The serving user has {server.listed(wide)} on the whole server: a mistake in a query could do anything",
            at.where,
            f"set {at.prefix}DB_USER to a user of its own; prefiq doctor database --setup prints it",
        )
    changing = sorted(here - SERVING - _HARMLESS)
    if changing and not wide and at.database.name == "default":
        yield Finding(
            "PFQ-D237",
            "warning",
            f"The serving user may change the tables: it has {server.listed(changing)}",
            at.where,
            "prefiq doctor database --apply"
            if at.migrating is not None
            else "set MIGRATE_DB_USER and MIGRATE_DB_PASS; prefiq doctor database --setup prints the rest",
        )


def privileges(ask: Ask, database: str) -> tuple[set[str], set[str]]:
    """What the asking user may do on the whole server, and on a database.

    Args:
        ask: As the user.
        database: Its name.
    """
    everywhere: set[str] = set()
    here: set[str] = set()
    # In a grant on a database _ and % stand for other characters, unless escaped.
    quoted = database.replace("`", "``")
    names = {f"`{quoted}`.*", "`" + re.sub(r"([_%\\])", r"\\\1", quoted) + "`.*", "`%`.*"}
    for (text,) in ask("SHOW GRANTS"):
        match = _GRANT.match(text)
        if match is None:  # a role that the user has
            continue
        words = {word.strip() for word in re.sub(r"\([^)]*\)", "", match[1]).split(",")}
        if "WITH GRANT OPTION" in text.rpartition(" TO ")[2]:
            words.add("GRANT OPTION")
        if match[2] == "*.*":
            everywhere |= words
        elif match[2] in names:
            here |= words
    return everywhere - {"USAGE", "PROXY"}, here


def connections(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The pools fit into the server's limits."""
    [(server_wide, of_user)] = ask("SELECT @@max_connections, @@max_user_connections")
    yield from server.connections(at, (("max_connections", server_wide), ("max_user_connections", of_user)))


def clock(ask: Ask, at: Situation) -> Iterator[Finding]:
    """Both machines agree on the time."""
    yield from server.clock(at, lambda: float(ask("SELECT UNIX_TIMESTAMP(SYSDATE(6))")[0][0]))


def encryption(ask: Ask, at: Situation) -> Iterator[Finding]:
    """What crosses a network is encrypted."""
    rows = ask("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    yield from server.encryption(at, encrypted=bool(rows and rows[0][1]))


def durability(ask: Ask, at: Situation) -> Iterator[Finding]:
    """What was committed is on the disk."""
    [(flush, doublewrite, log, sync)] = ask(
        "SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite, @@log_bin, @@sync_binlog"
    )
    lost = [] if flush == 1 else [f"innodb_flush_log_at_trx_commit = {flush}"]
    lost += ["innodb_doublewrite = OFF"] if str(doublewrite) in {"0", "OFF"} else []
    if lost:
        yield Finding(
            "PFQ-D249",
            "error" if at.production else "warning",
            f"A crash loses what was committed: {' and '.join(lost)}",
            at.where,
            "set innodb_flush_log_at_trx_commit = 1 and innodb_doublewrite = ON where the data matter",
        )
    elif log and sync != 1 and at.production:
        yield Finding(
            "PFQ-D249",
            "warning",
            f"A crash loses what replicas shall get: sync_binlog = {sync}",
            at.where,
            "SET GLOBAL sync_binlog = 1, and keep it in my.cnf",
        )


def replication(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The binary log takes what we write, and a cluster's node belongs to it."""
    [(log, form)] = ask("SELECT @@log_bin, @@binlog_format")
    if log and form == "STATEMENT":
        yield Finding(
            "PFQ-D257",
            "error",
            "The binary log holds statements: the server refuses every write at READ COMMITTED",
            at.where,
            "SET GLOBAL binlog_format = 'MIXED', and keep it in my.cnf",
        )
    state: dict[str, str] = dict(
        ask("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status')")
    )
    switched_on = ask("SELECT 1 FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON' "
                      "AND variable_value = 'ON'")  # fmt: skip
    if switched_on and (state.get("wsrep_ready") != "ON" or state.get("wsrep_cluster_status") != "Primary"):
        yield Finding(
            "PFQ-D255",
            "error",
            f"The node is not part of its cluster: wsrep_cluster_status is {state.get('wsrep_cluster_status')}",
            at.where,
            "bring the node back, or let the load balancer leave it out",
        )


def disk(ask: Ask, at: Situation) -> Iterator[Finding]:
    """There is room where the server keeps its files, where that can be known."""
    [(folder,)] = ask("SELECT @@datadir")
    yield from server.disk(at, folder)


def statement_timeout(ask: Ask, at: Situation) -> Iterator[Finding]:
    """No statement takes for ever."""
    del ask
    yield from server.statement_timeout(at)


CHECKS = (
    version, texts, session, strictness, writable, rights, connections, clock, encryption, durability,
    replication, disk, statement_timeout,
)  # fmt: skip
"""What is looked at, in order."""


def migrating(ask: Ask, at: Situation) -> Iterator[Finding]:
    """The migrating user may make and change tables.

    Args:
        ask: As the migrating user.
        at: Of the database.
    """
    try:
        everywhere, here = privileges(ask, at.database.database)
    except PrefiqError:  # a server that does not show them
        return
    has = everywhere | here
    missing = sorted(_MIGRATING - has)
    if missing and not has & {"ALL PRIVILEGES", "ALL"}:
        yield Finding(
            "PFQ-D238",
            "error",
            f"The migrating user may not change tables: it lacks {', '.join(missing)}",
            at.where,
            "prefiq doctor database --apply",
        )
