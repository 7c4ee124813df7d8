"""Where a tenant's database is, from its placement; and what the name of a place may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefiq.contracts import Placement
from prefiq.settings.secret import Secret
from prefiq.sql import DatabaseConfig
from prefiq.sql.errors import PlaceUnusable
from prefiq.sql.tenant_places import account_password, tenant_database

KEY = Secret("k" * 32)
SERVER = DatabaseConfig(engine="postgres", database="app", user="serving", password=Secret("pw"))


def test_a_server_has_a_database_for_each() -> None:
    """Host, user and limits are those of the database of all."""
    found = tenant_database(SERVER, Placement("database", "app_acme"))
    assert (found.database, found.user, found.host) == ("app_acme", "serving", "localhost")


def test_sqlite_has_a_file_for_each(tmp_path: Path) -> None:
    """It lies beside the file of all."""
    found = tenant_database(DatabaseConfig(path=tmp_path / "app.db"), Placement("database", "app_acme"))
    assert found.path == tmp_path / "app_acme.db"


def test_an_account_of_its_own_has_a_derived_password() -> None:
    """The same for the same place, another one for every other tenant, move and key; never the key."""
    placement = Placement("database", "app_acme", epoch=1)
    found = tenant_database(SERVER, placement, KEY)
    assert found.user == "app_acme"
    password = account_password(KEY, placement).reveal()
    assert found.password is not None
    assert found.password.reveal() == password
    others = {
        account_password(KEY, Placement("database", "app_acme", epoch=2)).reveal(),
        account_password(KEY, Placement("database", "app_acme1", epoch=1)).reveal(),
        account_password(Secret("j" * 32), placement).reveal(),
    }
    assert len(others | {password}) == 4
    assert len(password) == 43
    assert password not in repr(found)


@pytest.mark.parametrize(
    "hint",
    [
        "", "../x", "/etc/passwd", "a/b", "a\0b", "a b", 'a"b', "a`b", "a;b", "A", "é", "1a", "_a", "a" * 64, "a.b",
        "public", "pg_catalog", "pg_temp", "information_schema", "mysql", "sys", "performance_schema", "postgres",
        "template1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("database", [SERVER, DatabaseConfig(path=Path("app.db"))], ids=["server", "sqlite"])
def test_no_other_name_is_taken(database: DatabaseConfig, hint: str) -> None:
    """Nothing that leads out of the folder, out of the quotes, or to what is the server's own."""
    with pytest.raises(PlaceUnusable):
        tenant_database(database, Placement("database", hint))


def test_a_database_in_memory_has_no_folder() -> None:
    """It is said, and no file is made anywhere."""
    with pytest.raises(PlaceUnusable) as raised:
        tenant_database(DatabaseConfig(), Placement("database", "app_acme"))
    assert str(raised.value) == (
        "The tenant's place cannot be reached: the application's own database is in memory, and has no folder "
        "(the tenant's placement) [PFQ428]\n"
        "  Try: prefiq tenants show KEY, and compare with the settings of the databases"
    )
