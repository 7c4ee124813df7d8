"""Tables so large that nobody may be held up while all of one is read or written; here, those with any row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.engines.migration_models import NAME, shop
from tests.servers import SERVERS
from tests.unit.migrations.kit import Workshop, model

from prefiq.lowcode import field, ref
from prefiq.migrations import apply, plan, raw, status
from prefiq.migrations.errors import BlockingChange, HalfApplied, MigrationFailed

PRICE = {"price": (Decimal, field(precision=8, scale=2))}


@pytest.fixture(autouse=True)
def _any_table_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefiq.migrations.dialects.plain.LARGE", 1)


def counted(workshop: Workshop, table: str = "shop_thing") -> None:
    """Let the server count the rows, as it does by itself now and then."""
    workshop.rows(f"ANALYZE TABLE {table}" if workshop.engine == "mariadb" else f"ANALYZE {table}")


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_it_is_copied_only_where_somebody_says_so(workshop: Workshop) -> None:
    """Another type is another copy of all rows, which others would wait for."""
    shop(workshop, NAME | PRICE)
    workshop.put("shop_thing", name="a", price=Decimal("1.50"))
    counted(workshop)
    shown = {"name": (str, field(max_length=30)), "size": (int, field(default=1, index=True))}
    shop(workshop, shown | PRICE)  # nobody waits for these
    workshop.declare("shop", model("Thing", shown | {"price": (Decimal, field(precision=9, scale=3))}))
    workshop.make("shop")
    with pytest.raises(BlockingChange) as caught:
        workshop.migrate()
    assert str(caught.value) == (
        "To alter field Thing.price the engine copies the table shop_thing (about 1 rows), and others wait "
        "(module shop, 0003_alter_thing_price) [PFQ626]\n"
        "  Try: do it at a quiet hour with prefiq run migrate --allow-blocking, or add a new field"
    )
    with workshop.connect() as connection:
        apply(plan(workshop.parts, connection), connection, allow_blocking=True)
    assert workshop.drifted() == []
    assert workshop.get("shop_thing", "price", "size") == [(Decimal("1.50"), 1)]


@pytest.mark.parametrize("engine", ["postgres"], scope="session")
class TestPostgres:
    """Indexes and references are put off until the transaction is over."""

    def grow(self, workshop: Workshop, **more: Any) -> None:
        """A table with a row gets an indexed field and a reference."""
        other = model("Other", NAME)
        workshop.declare("shop", other, model("Thing", NAME))
        workshop.make("shop")
        workshop.migrate()
        workshop.put("shop_thing", name="a")
        counted(workshop)
        fields: dict[str, Any] = {
            "size": (int, field(default=1, index=True)),
            "other_id": (UUID | None, ref("shop.Other", default=None)),
        }
        workshop.declare("shop", other, model("Thing", NAME | fields | more))
        workshop.make("shop")

    def test_nobody_is_held_up(self, workshop: Workshop) -> None:
        """While one who read before is not done, the index waits for him, and others go on reading and writing."""
        self.grow(workshop)
        first, second = workshop.at.connect(), workshop.at.connect()
        try:
            with spied() as texts:
                deployer = threading.Thread(target=workshop.migrate)
                first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                first.execute("SELECT 1")  # from here on it may read what was there before the index
                deployer.start()
                while not any(text.startswith("CREATE INDEX CONCURRENTLY") for text in list(texts)):
                    assert deployer.is_alive()
                second.execute("SET statement_timeout = '5s'")
                second.execute("UPDATE shop_thing SET size = 2")
                assert second.execute("SELECT size FROM shop_thing").fetchall() == [(2,)]
                with workshop.connect() as connection:
                    (at,) = status(workshop.parts, connection)
                assert at.begun == at.pending == ("0002_add_thing_size_and_more",)
                first.execute("COMMIT")
                deployer.join()
        finally:
            first.close()
            second.close()
        said = "\n".join(texts)
        assert "ADD CONSTRAINT fk_shop_thing_other_id" in said
        assert "NOT VALID" in said
        assert "VALIDATE CONSTRAINT fk_shop_thing_other_id" in said
        assert workshop.rows("SELECT count(*) FROM prefiq_migration_step") == [(0,)]
        assert workshop.drifted() == []

    def test_index_that_was_broken_off_is_made_anew(self, workshop: Workshop) -> None:
        """One that is there and not valid serves nobody; IF NOT EXISTS would leave it so."""
        self.grow(workshop)
        run = raw.run

        def broken(connection: Any, text: str) -> Any:
            if text.startswith("CREATE INDEX CONCURRENTLY ix_shop_thing_size"):
                run(connection, text)
                workshop.rows(
                    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_shop_thing_size'::regclass"
                )
                raise KeyboardInterrupt
            return run(connection, text)

        raw.run = broken
        try:
            with pytest.raises(KeyboardInterrupt):
                workshop.migrate()
        finally:
            raw.run = run
        assert any("not valid" in fault for fault in workshop.drifted())
        with spied() as texts:
            workshop.migrate()
        assert [text for text in texts if text.startswith("ALTER TABLE shop_thing ADD COLUMN")] == []
        assert workshop.drifted() == []
        assert workshop.rows("SELECT number FROM prefiq_migration ORDER BY number") == [(1,), (2,)]

    def test_values_that_come_twice_meanwhile_are_told(self, workshop: Workshop) -> None:
        """The unique index is not made; nothing of it is left, and the rest waits until it can be."""
        self.grow(workshop, name=(str, field(max_length=20, unique=True)))
        run = raw.run

        def meanwhile(connection: Any, text: str) -> Any:
            if text.startswith("CREATE UNIQUE INDEX CONCURRENTLY"):
                workshop.rows(
                    "INSERT INTO shop_thing SELECT tenant_id, gen_random_uuid(), 1, name, 1 FROM shop_thing"
                )
            return run(connection, text)

        raw.run = meanwhile
        try:
            with pytest.raises(MigrationFailed, match=r"\(UniqueViolation\); what was done before it stays"):
                workshop.migrate()
        finally:
            raw.run = run
        assert "index uq_shop_thing_name" not in workshop.state()["shop_thing"]
        workshop.rows("DELETE FROM shop_thing")
        workshop.migrate()
        assert workshop.drifted() == []

    def test_file_that_changed_meanwhile_is_told(self, workshop: Workshop) -> None:
        """Its first part is done as the file was."""
        self.grow(workshop)
        stop(workshop, lambda text: text.startswith("DROP INDEX CONCURRENTLY"))
        file = workshop.folder("shop") / "0002_add_thing_size_and_more.py"
        file.write_text(file.read_text().replace("ix_shop_thing_size", "ix_other"), encoding="utf-8")
        with pytest.raises(HalfApplied):
            workshop.migrate()

    def test_what_later_operations_need_is_not_put_off(self, workshop: Workshop) -> None:
        """An index whose column gets another name in the same migration, and one that a step may need."""
        shop(workshop, NAME)
        workshop.put("shop_thing", name="a")
        counted(workshop)
        workshop.write(
            "shop",
            "0002_by_hand.py",
            "from prefiq.migrations import AddIndex, IndexState, Migration, RenameField\n"
            "migration = Migration(2, 'by_hand', 'contract', operations=(\n"
            "    AddIndex('Thing', IndexState('ix_shop_thing_title', ('tenant_id', 'name'))),\n"
            "    RenameField('Thing', 'name', 'title'),))\n",
        )
        workshop.declare("shop", model("Thing", {"title": (str, field(max_length=20, index=True))}))
        with spied() as texts:
            workshop.migrate()
        assert not [text for text in texts if text.startswith("CREATE INDEX CONCURRENTLY")]
        assert workshop.drifted() == []


class spied:  # noqa: N801  used as a context
    """The statements that run."""

    def __enter__(self) -> list[str]:
        self.run, texts = raw.run, []  # type: ignore[var-annotated]

        def run(connection: Any, text: str) -> Any:
            texts.append(text)
            return self.run(connection, text)

        raw.run = run
        return texts

    def __exit__(self, *_: object) -> None:
        raw.run = self.run


def stop(workshop: Workshop, at: Callable[[str], bool]) -> None:
    """Break a migration off before a statement."""
    run = raw.run

    def stopping(connection: Any, text: str) -> Any:
        if at(text):
            raise KeyboardInterrupt
        return run(connection, text)

    raw.run = stopping
    try:
        with pytest.raises(KeyboardInterrupt):
            workshop.migrate()
    finally:
        raw.run = run
