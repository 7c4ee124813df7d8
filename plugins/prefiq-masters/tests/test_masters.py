"""The lookup tables and their seeds, on the real ISO tables."""

from __future__ import annotations

import pytest

from prefiq import IDomain, IDomainService, Page, where
from prefiq_masters import Country, Currency, Subdivision, Unit

pytestmark = pytest.mark.prefiq(apps=["masters"])


@pytest.fixture
def seeded(app, tenant):
    from prefiq.migrations import run_seeds

    run_seeds(app, [tenant])
    return app


def count(scope, model):
    return scope[IDomain[model]].count()


def test_a_tenant_starts_with_the_iso_tables(seeded, tenant, actor, other_tenant):
    with seeded.scope(tenant, actor) as scope:
        assert (count(scope, Country), count(scope, Currency), count(scope, Subdivision)) == (249, 178, 5046)
        assert count(scope, Unit) > 20
        germany = scope[IDomain[Country]].get_by("code", "DE")
        assert (germany.name, germany.alpha_3) == ("Germany", "DEU")
        parts = scope[IDomainService[Subdivision]].list(
            Page(limit=100, count=True), where(country_id=germany.id)
        )
        assert parts.total == 16
        assert "Bayern" in [part.name for part in parts.items]
    with seeded.scope(other_tenant, actor) as scope:
        assert count(scope, Country) == 0


def test_seeding_again_keeps_what_a_tenant_edited_and_deleted_nothing(seeded, tenant, actor):
    from prefiq.migrations import run_seeds

    with seeded.scope(tenant, actor) as scope:
        countries = scope[IDomainService[Country]]
        germany = scope[IDomain[Country]].get_by("code", "DE")
        germany.name = "Deutschland"
        countries.update(germany)
    run_seeds(seeded, [tenant])
    with seeded.scope(tenant, actor) as scope:
        assert scope[IDomain[Country]].get_by("code", "DE").name == "Deutschland"
        assert count(scope, Country) == 249


def test_a_seed_leaves_history_as_every_write_does(seeded, tenant, actor):
    with seeded.scope(tenant, actor) as scope:
        euro = scope[IDomain[Currency]].get_by("code", "EUR")
        (entry,) = scope[IDomainService[Currency]].history(euro.id)
        assert (entry.action, entry.actor) == ("created", "system")
