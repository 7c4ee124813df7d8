"""Hosts of tenants' own: which names count, who may have one, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefiq import Application, Scope, Tenant, UnknownTenant, ValidationFailed
from prefiq.application import tenant_domains
from prefiq.application.domain_proof import host_name, record_of
from prefiq.application.errors import DomainNotVerified, DomainTaken, UnknownDomain
from prefiq.application.tenants import REMEMBERED_SECONDS
from prefiq.foundation import TenantDomain
from prefiq.testing import make_application


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with make_application(
        tmp_path, modules=[], tenants=("acme", "globex"), tenant_domain="shop.example"
    ) as made:
        made.tenants.settling = 0.0
        yield made


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What DNS holds, by record; the resolver itself is tested with the command."""
    held: dict[str, str] = {}

    def what_is_wrong(record, nameserver=None) -> str:
        return "" if held.get(record.name) == record.value else "there is no such record"

    monkeypatch.setattr(tenant_domains, "what_is_wrong", what_is_wrong)
    return held


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("www.acme.example", "www.acme.example"),
        (" WWW.Acme.Example. ", "www.acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER。example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("notshop.example", "notshop.example"),
    ],
)
def test_a_host_as_dns_knows_it(text: str, name: str) -> None:
    """Lower case, punycode, no dot at the end."""
    assert host_name(text, "shop.example") == name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("*.acme.example", "wildcard"),
        ("acme.example:443", "port"),
        ("2001:db8::1", "port"),
        ("https://acme.example", "host"),
        ("acme.example/shop", "host"),
        ("ann@acme.example", "host"),
        ("localhost", "host"),
        ("com", "host"),
        ("192.0.2.1", "host"),
        ("acme..example", "host"),
        ("-acme.example", "host"),
        ("ac_me.example", "host"),
        ("a b.example", "host"),
        ("a\0b.example", "host"),
        ("", "host"),
        (".", "host"),
        ("\ud800.example", "host"),
        ("☃︎.example", "host"),
        ("a／b.example", "host"),
        ("a：80.example", "host"),
        (f"{'a' * 64}.example", "host"),
        ("a." * 123 + "example", "max_length"),
        ("shop.example", "own"),
        ("acme.Shop.Example", "own"),
    ],
)
def test_what_is_no_host_of_a_tenant(text: str, code: str) -> None:
    """Each is one clear fault of the field, whatever the characters."""
    with pytest.raises(ValidationFailed) as raised:
        host_name(text, "shop.example")
    assert [(error.field, error.code) for error in raised.value.errors] == [("host", code)]


def test_a_host_belongs_to_one_tenant(app: Application) -> None:
    """Also before it is verified, and however it is written; removed, another may claim it."""
    domains = app.tenants.domains
    first = domains.add("acme", "www.acme.example", operator="ann", reason="asked for")
    assert first.verified_at is None
    for ask in (domains.add, domains.planned):
        with pytest.raises(DomainTaken) as raised:
            ask("globex", "WWW.ACME.example.")
        assert raised.value.tenant == "acme"
    assert domains.add("acme", "www.acme.example").id == first.id
    assert [entry.action for entry in app.tenants.life("acme")].count("domain_add") == 1
    domains.remove("acme", "www.acme.example")
    assert domains.add("globex", "www.acme.example").id != first.id


def test_two_who_claim_at_once(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database decides, and the one who comes second is told whose it is."""
    domains = app.tenants.domains
    domains.add("acme", "www.acme.example")
    looked, stale = domains._claimed, iter((True,))

    def claimed(scope: Scope, key: str, name: str) -> tuple[Tenant, TenantDomain | None]:
        if next(stale, False):  # as it was before the other one came
            return domains._tenants.stored(scope, key), None
        return looked(scope, key, name)

    monkeypatch.setattr(domains, "_claimed", claimed)
    with pytest.raises(DomainTaken):
        domains.add("globex", "www.acme.example")
    assert domains.list("globex") == []


def test_a_record_proves_one_claim(app: Application, dns: dict[str, str]) -> None:
    """Not another tenant's, and not one that was given up before."""
    domains = app.tenants.domains
    old = record_of(domains.add("acme", "www.acme.example"))
    assert (old.name, len(old.value)) == ("_prefiq.www.acme.example", 67)
    domains.remove("acme", "www.acme.example")
    new = record_of(domains.add("acme", "www.acme.example"))
    assert new.value != old.value
    dns[old.name] = old.value
    with pytest.raises(DomainNotVerified) as raised:
        domains.verify("acme", "www.acme.example")
    assert new.value in raised.value.fix
    assert app.tenants.of_domain("www.acme.example") is None
    dns[new.name] = new.value
    assert domains.verify("acme", "www.acme.example").verified_at is not None
    assert app.tenants.of_domain("www.acme.example") == "acme"


def test_a_claim_that_changes_hands_while_dns_is_asked(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was proved was another claim."""
    domains = app.tenants.domains
    domains.add("acme", "www.acme.example")

    def what_is_wrong(*_: object) -> str:
        domains.remove("acme", "www.acme.example")
        domains.add("acme", "www.acme.example")
        return ""

    monkeypatch.setattr(tenant_domains, "what_is_wrong", what_is_wrong)
    with pytest.raises(UnknownDomain):
        domains.verify("acme", "www.acme.example")
    assert domains.get("acme", "www.acme.example").verified_at is None


def test_each_change_stands_in_the_tenants_life(app: Application) -> None:
    """Who, why, which host, and how it was proved."""
    domains = app.tenants.domains
    host = {"host": "www.acme.example"}
    domains.add("acme", host["host"], operator="ann", reason="asked for")
    domains.verify("acme", host["host"], confirmed=True, operator="bob", reason="a letter")
    domains.remove("acme", host["host"], operator="eve", reason="sold")
    life = app.tenants.life("acme")[-3:]
    assert [(e.action, e.operator, e.reason, e.details) for e in life] == [
        ("domain_add", "ann", "asked for", host),
        ("domain_verify", "bob", "a letter", {**host, "how": "confirmed"}),
        ("domain_remove", "eve", "sold", host),
    ]


def test_confirmed_needs_a_reason(app: Application) -> None:
    """Whoever checked by other means says which."""
    app.tenants.domains.add("acme", "www.acme.example")
    with pytest.raises(ValidationFailed):
        app.tenants.domains.verify("acme", "www.acme.example", confirmed=True, reason=" ")
    assert app.tenants.of_domain("www.acme.example") is None


def test_another_tenants_host_is_as_unknown_as_none(app: Application) -> None:
    """Neither can be seen, verified or removed; a tenant that is gone can claim none."""
    domains = app.tenants.domains
    domains.add("acme", "www.acme.example")
    for host in ("www.acme.example", "nobody.example"):
        for ask in (domains.get, domains.verify, domains.remove):
            with pytest.raises(UnknownDomain):
                ask("globex", host)
    assert domains.list("globex") == []
    for ask in (domains.add, domains.get, domains.verify, domains.remove):
        with pytest.raises(UnknownTenant):
            ask("nobody", "www.acme.example")
    app.tenants.delete("acme", now=True)
    with pytest.raises(UnknownTenant):
        domains.add("acme", "www.acme.example")
    assert domains.add("globex", "www.acme.example").tenant_key == "globex"


def test_in_effect_everywhere_when_it_returns(tmp_path: Path) -> None:
    """Another process that was asked just before knows it then, too."""
    options = {"tenants": (), "tenant_domain": "shop.example", "db_path": "one.db"}
    with make_application(tmp_path, modules=[], **options) as app:
        app.tenants.settling = REMEMBERED_SECONDS  # which a test's application does without
        app.tenants.create("acme")
        with Application.boot(app.settings) as other:
            assert other.tenants.of_domain("www.acme.example") is None
            app.tenants.domains.add("acme", "www.acme.example")
            assert other.tenants.of_domain("www.acme.example") is None
            app.tenants.domains.verify("acme", "www.acme.example", confirmed=True, reason="a letter")
            assert other.tenants.of_domain("www.acme.example") == "acme"
            app.tenants.domains.remove("acme", "www.acme.example")
            assert other.tenants.of_domain("www.acme.example") is None
