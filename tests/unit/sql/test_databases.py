"""A scope's executors on several databases side by side, of different engines."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.servers import SERVERS, database

from prefiq.contracts import System
from prefiq.sql import ConnectionManager, Databases, Tables, UnknownDatabase
from prefiq.testing import make_application

VISITS = sa.Table("visits", sa.MetaData(), sa.Column("page", sa.String(50)), sa.Column("number", sa.Integer))


@pytest.mark.parametrize("engine", SERVERS)
def test_a_named_database_of_another_engine(engine: str, tmp_path: Path) -> None:
    """The default database is a file, the other one stands on a server; transactions are apart."""
    with database(engine) as there, make_application(tmp_path, **there.variables("ANALYTICS_")) as app:
        app.container.resolve(None, Tables).add(VISITS, "shared")
        with app.container.resolve(None, ConnectionManager).schema_connection("analytics") as connection:
            VISITS.create(connection)
            connection.commit()
        with app.scope(as_system="counts visits") as scope:
            databases = scope[Databases]
            analytics = databases["analytics"]
            assert databases["analytics"] is analytics
            assert databases["default"].scalar("SELECT 1") == 1
            with pytest.raises(ZeroDivisionError), analytics.tx():  # noqa: PT012
                analytics.exec(sa.insert(VISITS).values(page="/", number=1))
                1 / 0  # noqa: B018
            assert analytics.scalar(sa.select(sa.func.count()).select_from(VISITS)) == 0
            analytics.exec(sa.insert(VISITS).values(page="/", number=1))
            assert analytics.scalar(sa.select(sa.func.sum(VISITS.c.number))) == 1
            assert isinstance(scope.tenancy, System)


def test_a_database_that_no_setting_names(tmp_path: Path) -> None:
    """The error says which there are."""
    with (
        make_application(tmp_path) as app,
        app.scope(as_system="looks") as scope,
        pytest.raises(UnknownDatabase, match="analytics"),
    ):
        scope[Databases]["analytics"]
