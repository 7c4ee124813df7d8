"""What ``doctor database`` finds on MariaDB alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests import servers
from tests.own_server import OwnServer, own_server
from tests.servers import Database
from tests.unit.doctor.kit import found, looking

from prefiq.doctor.database import mariadb


def run(database: Database, *statements: str) -> None:
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def strange() -> Iterator[OwnServer]:
    """A server that is set up as badly as it can be."""
    options = (
        "--log-bin=binlog", "--binlog-format=STATEMENT", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
        "--innodb-doublewrite=0", "--sql-mode=", "--innodb-strict-mode=OFF", "--max-allowed-packet=1M",
        "--lower-case-table-names=1", "--max-connections=10", "--max-user-connections=4",
    )  # fmt: skip
    with own_server("mariadb", *options) as server:
        yield server


def test_server_that_is_set_up_badly(strange: OwnServer) -> None:
    """Everything at once."""
    here = found(strange.database)
    accepts = "The server accepts what it cannot keep, and stores something else"
    assert here == {
        "PFQ-D232": (
            "warning",
            "The database's character set is latin1: tables made by hand cannot keep every text",
        ),
        "PFQ-D246": (
            "warning",
            f"{accepts}: innodb_strict_mode = OFF and sql_mode without STRICT_TRANS_TABLES",
        ),
        "PFQ-D247": (
            "warning",
            "max_allowed_packet is 1024 KiB: long values, and many rows at once, are refused",
        ),
        "PFQ-D240": ("error", "max_user_connections leaves 4 connections, and 1 process opens up to 8"),
        "PFQ-D249": (
            "warning",
            "A crash loses what was committed: innodb_flush_log_at_trx_commit = 2 and innodb_doublewrite = OFF",
        ),
        "PFQ-D257": (
            "error",
            "The binary log holds statements: the server refuses every write at READ COMMITTED",
        ),
    }
    assert found(strange.database, ENV="production")["PFQ-D249"][0] == "error"


def test_name_in_another_case(strange: OwnServer) -> None:
    """The server folds it, and the settings do not."""
    upper = replace(strange.database, name="PREFIQ")
    assert found(upper)["PFQ-D248"][0] == "warning"


def test_large_bodies_need_large_packets(strange: OwnServer) -> None:
    """Twice a request's body fits."""
    run(strange.database, "SET GLOBAL max_allowed_packet = 16777216")
    try:
        assert "PFQ-D247" not in found(strange.database)
        assert "PFQ-D247" in found(strange.database, BODY_LIMIT="10MiB")
    finally:
        run(strange.database, "SET GLOBAL max_allowed_packet = 1048576")


def test_log_that_replicas_may_miss(strange: OwnServer) -> None:
    """Only production minds."""
    run(strange.database, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    try:
        with looking(strange.database, ENV="production") as (ask, situation):

            def sound(statement: str) -> list[tuple[object, ...]]:
                return ask(statement.replace("@@innodb_doublewrite", "1"))

            (finding,) = mariadb.durability(sound, situation)
    finally:
        run(strange.database, "SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    assert finding.what == "A crash loses what replicas shall get: sync_binlog = 0"


def test_server_that_only_reads() -> None:
    """As replicas are."""
    with own_server("mariadb") as server:
        run(server.database, "SET GLOBAL read_only = ON")
        assert found(server.database)["PFQ-D241"][0] == "error"


def test_character_set_that_cannot_keep_every_text() -> None:
    """Prefiq's tables say their own; what is made by hand has the database's."""
    with servers.database("mariadb", reuse=False) as made:
        run(made, f"ALTER DATABASE {made.name} CHARACTER SET latin1")
        assert found(made)["PFQ-D232"] == (
            "warning",
            "The database's character set is latin1: tables made by hand cannot keep every text",
        )


def test_node_outside_its_cluster() -> None:
    """It still answers reads."""

    def answers(statement: str) -> list[tuple[object, ...]]:
        if statement.startswith("SHOW"):
            return [("wsrep_ready", "OFF"), ("wsrep_cluster_status", "non-Primary")]
        return [(1,)] if "WSREP_ON" in statement else [(0, "ROW")]

    with servers.database("mariadb") as made, looking(made) as (_, situation):
        (finding,) = mariadb.replication(answers, situation)
    assert finding.what == "The node is not part of its cluster: wsrep_cluster_status is non-Primary"


@pytest.mark.parametrize(
    ("grants", "everywhere", "here"),
    [
        (["GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A'"], set(), set()),
        (
            ["GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION"],
            {"ALL PRIVILEGES", "GRANT OPTION"},
            set(),
        ),
        (["GRANT SELECT, INSERT ON `my\\_shop`.* TO `u`@`%`"], set(), {"SELECT", "INSERT"}),
        (["GRANT CREATE ON `my_shop`.* TO `u`@`%`"], set(), {"CREATE"}),
        (["GRANT DROP ON `%`.* TO `u`@`%`"], set(), {"DROP"}),
        (["GRANT DROP ON `other`.* TO `u`@`%`", "GRANT `r` TO `u`@`%`"], set(), set()),
        (["GRANT SELECT (`a`, `b`), INSERT ON `my_shop`.`t` TO `u`@`%`"], set(), set()),
        (["GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION"], set(), set()),
    ],
)
def test_grants_are_read(grants: list[str], everywhere: set[str], here: set[str]) -> None:
    """As SHOW GRANTS writes them."""
    assert mariadb.privileges(lambda _: [(text,) for text in grants], "my_shop") == (everywhere, here)
