"""The libraries that people use today, over the table that Prefiq made, each in the way that its users write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm

from benchmarks._data import COLUMNS, Item, Server, key, stored


def table_of(engine: sa.Engine) -> sa.Table:
    """The table with the engine's own types, as reflection finds it."""
    return sa.Table("items_item", sa.MetaData(), autoload_with=engine, resolve_fks=False)


class Core:
    """SQLAlchemy Core with statements built once."""

    def __init__(self, server: Server, tenant: str) -> None:
        self.kind, self.tenant, self.engine = server.engine, tenant, server.peer()
        self.table = table = table_of(self.engine)
        here = table.c.tenant_id == sa.bindparam("tenant")
        self.one = sa.select(table).where(here, table.c.id == sa.bindparam("key"))
        self.fifty = sa.select(table).where(here).order_by(table.c.code, table.c.id).limit(50)
        self.all = sa.select(table).where(here)
        self.number = sa.select(sa.func.count()).select_from(table).where(here)
        self.change = (
            sa.update(table)
            .where(here, table.c.id == sa.bindparam("key"), table.c.version == sa.bindparam("old"))
            .values(name=sa.bindparam("new"), version=table.c.version + 1)
        )
        self.versions: dict[UUID, int] = {}

    def get(self, id: UUID) -> object:
        with self.engine.connect() as connection:
            return connection.execute(self.one, {"tenant": self.tenant, "key": key(self.kind, id)}).one()

    def page(self) -> object:
        with self.engine.connect() as connection:
            rows = connection.execute(self.fifty, {"tenant": self.tenant}).all()
            return rows, connection.scalar(self.number, {"tenant": self.tenant})

    def insert(self, made: Item) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.table), self._row(made))

    def update(self, id: UUID, name: str) -> None:
        version = self.versions.get(id, 1)
        values = {"tenant": self.tenant, "key": key(self.kind, id), "old": version, "new": name}
        with self.engine.begin() as connection:
            assert connection.execute(self.change, values).rowcount == 1
        self.versions[id] = version + 1

    def bulk(self, many: list[Item]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.table), [self._row(made) for made in many])

    def read(self) -> object:
        with self.engine.connect() as connection:
            return connection.execute(self.all, {"tenant": self.tenant}).all()

    def _row(self, made: Item) -> dict[str, Any]:
        return dict(zip(COLUMNS, stored(self.kind, self.tenant, made), strict=True))


class Orm:
    """Sessions of the SQLAlchemy ORM; the version is its ``version_id_col``."""

    def __init__(self, server: Server, tenant: str) -> None:
        self.kind, self.tenant, self.engine = server.engine, tenant, server.peer()
        self.model, self.session = self.classes(table_of(self.engine))

    def classes(self, table: sa.Table) -> tuple[Any, Callable[..., Any]]:
        base: Any = orm.declarative_base()
        mapped = type(
            "OrmItem",
            (base,),
            {"__table__": table, "__mapper_args__": {"version_id_col": table.c.version}},
        )
        return mapped, orm.Session

    def get(self, id: UUID) -> object:
        with self.session(self.engine) as session:
            return session.get(self.model, (self.tenant, key(self.kind, id)))

    def page(self) -> object:
        model = self.model
        with self.session(self.engine) as session:
            base = sa.select(model).where(model.tenant_id == self.tenant)
            found = session.scalars(base.order_by(model.code, model.id).limit(50)).all()
            return found, session.scalar(sa.select(sa.func.count()).select_from(base.subquery()))

    def insert(self, made: Item) -> None:
        with self.session(self.engine) as session:
            session.add(self._entity(made))
            session.commit()

    def update(self, id: UUID, name: str) -> None:
        with self.session(self.engine) as session:
            found = session.get(self.model, (self.tenant, key(self.kind, id)))
            found.name = name
            session.commit()

    def bulk(self, many: list[Item]) -> None:
        with self.session(self.engine) as session:
            session.add_all([self._entity(made) for made in many])
            session.commit()

    def read(self) -> object:
        with self.session(self.engine) as session:
            return session.scalars(sa.select(self.model).where(self.model.tenant_id == self.tenant)).all()

    def _entity(self, made: Item) -> Any:
        return self.model(**dict(zip(COLUMNS, stored(self.kind, self.tenant, made), strict=True)))


class SqlModel(Orm):
    """SQLModel: the ORM with pydantic's classes."""

    def classes(self, table: sa.Table) -> tuple[Any, Callable[..., Any]]:
        import sqlmodel

        field: Any = sqlmodel.Field
        base: Any = sqlmodel.SQLModel
        base.metadata.clear()
        base._sa_registry.dispose()
        columns = {
            c.name: sa.Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable) for c in table.c
        }
        annotations: dict[str, Any] = {}
        names: dict[str, Any] = {
            "__tablename__": "items_item",
            "__annotations__": annotations,
            "__module__": __name__,
            "__mapper_args__": {"version_id_col": columns["version"]},
        }
        for column in columns.values():
            kind = column.type.python_type
            annotations[column.name] = kind | None if column.nullable else kind
            given = {"default": None} if column.nullable else {}
            names[column.name] = field(sa_column=column, **given)
        make: Any = type(base)
        return make("SqlModelItem", (base,), names, table=True), sqlmodel.Session


class AdvancedAlchemy(Orm):
    """The repository of advanced-alchemy, on a session each."""

    def __init__(self, server: Server, tenant: str) -> None:
        import advanced_alchemy.repository

        super().__init__(server, tenant)
        base: Any = advanced_alchemy.repository.SQLAlchemySyncRepository
        self.repository: Any = type("Repository", (base,), {"model_type": self.model})

    def get(self, id: UUID) -> object:
        with self.session(self.engine) as session:
            return self.repository(session=session).get_one(tenant_id=self.tenant, id=key(self.kind, id))

    def page(self) -> object:
        from advanced_alchemy.filters import LimitOffset, OrderBy

        with self.session(self.engine) as session:
            order = (OrderBy("code", "asc"), OrderBy("id", "asc"), LimitOffset(50, 0))
            return self.repository(session=session).list_and_count(*order, tenant_id=self.tenant)

    def insert(self, made: Item) -> None:
        with self.session(self.engine, expire_on_commit=False) as session:
            self.repository(session=session, auto_commit=True, auto_refresh=False).add(self._entity(made))

    def bulk(self, many: list[Item]) -> None:
        with self.session(self.engine) as session:
            self.repository(session=session, auto_commit=True).add_many([self._entity(made) for made in many])

    def read(self) -> object:
        with self.session(self.engine) as session:
            return self.repository(session=session).list(tenant_id=self.tenant)


class Django:
    """Django's ORM; it keeps a connection for each thread."""

    def __init__(self, server: Server, tenant: str) -> None:
        self.kind, self.tenant = server.engine, tenant
        self.model = _django_model(server)
        self.versions: dict[UUID, int] = {}

    def get(self, id: UUID) -> object:
        return self.model.objects.get(tenant_id=self.tenant, id=key(self.kind, id))

    def page(self) -> object:
        found = self.model.objects.filter(tenant_id=self.tenant)
        return list(found.order_by("code", "id")[:50]), found.count()

    def insert(self, made: Item) -> None:
        from django.db import transaction

        with transaction.atomic():
            self._entity(made).save(force_insert=True)

    def update(self, id: UUID, name: str) -> None:
        from django.db import models, transaction

        version = self.versions.get(id, 1)
        rows = self.model.objects.filter(tenant_id=self.tenant, id=key(self.kind, id), version=version)
        with transaction.atomic():
            assert rows.update(name=name, version=models.F("version") + 1) == 1
        self.versions[id] = version + 1

    def bulk(self, many: list[Item]) -> None:
        from django.db import transaction

        with transaction.atomic():
            self.model.objects.bulk_create([self._entity(made) for made in many])

    def read(self) -> object:
        return list(self.model.objects.filter(tenant_id=self.tenant))

    def _entity(self, made: Item) -> Any:
        return self.model(**dict(zip(COLUMNS, stored(self.kind, self.tenant, made), strict=True)))


def _django_model(server: Server) -> Any:
    import django
    from django.conf import settings
    from django.db import connections, models

    backend = {"sqlite": "sqlite3", "postgres": "postgresql", "mariadb": "mysql"}[server.engine]
    if server.engine == "mariadb":
        import pymysql

        pymysql.version_info = (2, 2, 1, "final", 0)
        pymysql.install_as_MySQLdb()
    url = server.url
    database = {
        "ENGINE": f"django.db.backends.{backend}", "NAME": url.database, "HOST": url.host or "", "PORT": url.port or "",
        "USER": url.username or "", "PASSWORD": url.password or "", "CONN_MAX_AGE": None,
    }  # fmt: skip
    if not settings.configured:
        settings.configure(
            DATABASES={"default": database}, INSTALLED_APPS=[], USE_TZ=server.engine == "postgres"
        )
        django.setup()
    else:
        connections.close_all()
    text = models.TextField()
    types: dict[str, Any] = {
        "tenant_id": models.CharField(max_length=63), "version": models.IntegerField(),
        "code": models.CharField(max_length=32), "name": models.CharField(max_length=100), "weight": models.FloatField(),
        "amount": models.IntegerField(), "active": models.BooleanField(), "note": models.TextField(null=True),
        "owner": models.CharField(max_length=40),
    }  # fmt: skip
    if server.engine == "postgres":
        types["id"] = models.UUIDField(primary_key=True)
    else:
        types["id"] = models.BinaryField(primary_key=True)
    if server.engine == "sqlite":
        types |= {"price": models.IntegerField(), "made": text, "day": models.TextField()}
    else:
        types |= {
            "price": models.DecimalField(max_digits=12, decimal_places=2), "made": models.DateTimeField(),
            "day": models.DateField(),
        }  # fmt: skip
    meta = type("Meta", (), {"app_label": "bench", "db_table": "items_item", "managed": False})
    names = {name: types[name] for name in COLUMNS}
    return type("DjangoItem", (models.Model,), {**names, "Meta": meta, "__module__": __name__})


PEERS: dict[str, Callable[[Server, str], Any]] = {
    "Core": Core,
    "ORM": Orm,
    "Django": Django,
    "SQLModel": SqlModel,
    "advanced-alchemy": AdvancedAlchemy,
}
