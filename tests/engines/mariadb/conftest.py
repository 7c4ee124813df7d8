"""A shop on MariaDB for each test, in both modes; the same as on PostgreSQL."""

from __future__ import annotations

import pytest
from tests.engines.postgres.shop import Shop
from tests.servers import Database


@pytest.fixture(scope="session")
def engine() -> str:
    return "mariadb"


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database).create()
