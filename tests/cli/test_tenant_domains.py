"""``prefiq tenants domains``: a host of a tenant's own, claimed, verified and removed."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from prefiq.application import domain_proof, tenants

HOST = "www.acme.example"


class Zone:
    """A DNS server on loopback that holds TXT records, and may be out of order."""

    def __init__(self, door: socket.socket) -> None:
        self.texts: dict[str, list[str]] = {}
        self.fault = ""
        self.asked: list[str] = []
        self._door = door
        self.address = f"127.0.0.1:{door.getsockname()[1]}"

    def serve(self) -> None:
        """Answer until an empty datagram comes."""
        while True:
            packet, client = self._door.recvfrom(4096)
            if not packet:
                return
            answer = self._answer(dns.message.from_wire(packet))
            if answer is not None:
                self._door.sendto(answer.to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        name = query.question[0].name.to_text()
        self.asked.append(name)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.fault == "silent":
            return None
        if self.fault == "broken":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.texts:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.texts[name]:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *self.texts[name]))
        return answer


@pytest.fixture
def zone() -> Iterator[Zone]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        zone = Zone(door)
        thread = threading.Thread(target=zone.serve)
        thread.start()
        yield zone
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", door.getsockname())
        thread.join()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process serves, so that nobody has to be waited for."""
    monkeypatch.setattr(tenants, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture
def told(within):
    """Run a command behind ``prefiq tenants domains``; its JSON where it succeeds, else its error."""

    def command(*args: str, code: int = 0) -> Any:
        result = within("tenants", "domains", *args, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if code == 0 else json.loads(result.stderr)["error"]

    return command


def test_a_domain_from_its_claim_to_its_removal(told, within, zone: Zone) -> None:
    """The record that add prints is the one that verify finds; the tenant's life tells who did what."""
    added = told("add", "acme", "WWW.Acme.example.", "--operator", "ann", "--reason", "asked for")
    assert (added["tenant"], added["host"], added["verified_at"]) == ("acme", HOST, None)
    name, value = added["record"]["name"], added["record"]["value"]
    assert (added["record"]["type"], name) == ("TXT", f"_prefiq.{HOST}")
    asks = ("verify", "acme", HOST, "--nameserver", zone.address)
    refused = told(*asks, code=1)
    assert (refused["code"], value in refused["fix"]) == ("PFQ377", True)
    zone.texts[f"{name}."] = ['"v=spf1 -all"', f'"{value[:20]}" "{value[20:]}"']
    assert told(*asks, "--dry-run")["verified_at"] is None
    assert [one["verified_at"] for one in told("list", "acme")] == [None]
    assert told(*asks)["verified_at"]
    assert set(zone.asked) == {f"{name}."}
    assert told("remove", "acme", HOST, "--dry-run")["host"] == HOST
    assert told("remove", "acme", HOST, "--reason", "sold")["host"] == HOST
    assert told("list", "acme") == []
    life = json.loads(within("tenants", "show", "acme", "--json").stdout)["life"][-3:]
    assert [(entry["action"], entry["reason"]) for entry in life] == [
        ("domain_add", "asked for"),
        ("domain_verify", ""),
        ("domain_remove", "sold"),
    ]
    assert (life[0]["operator"], life[1]["details"]) == ("ann", {"host": HOST, "how": "dns"})


@pytest.mark.parametrize(
    ("texts", "fault", "says"),
    [
        (None, "", "there is no such record"),
        ([], "", "there is no such record"),
        (['"prefiq-domain-verification=0000"'], "", "the record has another text"),
        (None, "broken", "the DNS servers gave no usable answer"),
        (None, "silent", "no DNS server answered"),
    ],
    ids=["none", "empty", "other", "broken", "silent"],
)
def test_what_dns_may_say(
    told, zone: Zone, monkeypatch: pytest.MonkeyPatch, texts: list[str] | None, fault: str, says: str
) -> None:
    """Whatever is not the record leaves the domain as it was, and is told in one block."""
    if fault == "silent":
        monkeypatch.setattr(domain_proof, "SECONDS", 0.2)
    told("add", "acme", HOST)
    zone.fault = fault
    if texts is not None:
        zone.texts[f"_prefiq.{HOST}."] = texts
    error = told("verify", "acme", HOST, "--nameserver", zone.address, code=1)
    assert error["code"] == "PFQ377"
    assert says in error["what"]
    assert told("list", "acme")[0]["verified_at"] is None


def test_confirmed_by_other_means(told) -> None:
    """DNS is not asked, and a reason is wanted."""
    told("add", "acme", HOST)
    assert told("verify", "acme", HOST, "--confirmed", code=2)["code"] == "PFQ801"
    both = ("verify", "acme", HOST, "--confirmed", "--reason", "a letter")
    assert told(*both, "--nameserver", "127.0.0.1", code=2)["code"] == "PFQ801"
    assert told(*both)["verified_at"]


def test_output_for_people(within, told) -> None:
    """What to set, what to run then, and that hosts do not count yet."""
    lines = within("tenants", "domains", "add", "acme", HOST).stdout.splitlines()
    record = told("list", "acme")[0]["record"]
    assert lines == [
        f"{HOST} is claimed for acme. Set this record in DNS:",
        "type   TXT",
        f"name   {record['name']}",
        f"value  {record['value']}",
        f"Then: prefiq tenants domains verify acme {HOST}",
        "Hosts do not count here: it leads to the tenant once TENANT_DOMAIN is set",
    ]
    verified = within("tenants", "domains", "verify", "acme", HOST, "--confirmed", "--reason", "a letter")
    assert verified.stdout.startswith(f"{HOST} is verified for acme, in effect everywhere\n")
    assert HOST in within("tenants", "domains", "list", "acme").stdout
    gone = within("tenants", "domains", "remove", "acme", HOST)
    assert gone.stdout == f"{HOST} leads to acme no more, in effect everywhere\n"
    assert within("tenants", "domains", "list", "acme").stdout == "No hosts of acme's own\n"


def test_dry_run_of_add(told, application: Path, files_of) -> None:
    """It refuses what would be refused, and stores nothing."""
    would = told("add", "acme", HOST, "--dry-run")
    assert (would["host"], would["record"]["value"]) == (HOST, None)
    assert told("list", "acme") == []
    told("add", "acme", "*.example", "--dry-run", code=1)
    told("add", "acme", HOST)
    assert told("add", "acme", HOST, "--dry-run")["record"]["value"]


def test_bad_hosts(told) -> None:
    """One block that names the field, without the value."""
    for host in ("*.acme.example", "https://acme.example", "a\x1bb.example"):
        error = told("add", "acme", host, code=1)
        assert error["code"] == "PFQ512"
        assert "\\u001b" not in json.dumps(error)


def test_bad_nameservers(told) -> None:
    """A wrong use, found before a database is opened."""
    for server in ("dns.example", "127.0.0.1:0", "127.0.0.1:99999", "[::1]x", "1.2.3", "127.0.0.1:²"):
        assert told("verify", "acme", HOST, "--nameserver", server, code=2)["code"] == "PFQ801"


def test_whose_it_is(within, told) -> None:
    """Another tenant's is refused with whose it is; what is nobody's is unknown; so is a missing tenant."""
    within("tenants", "create", "globex")
    told("add", "acme", HOST)
    error = told("add", "globex", HOST, code=1)
    assert (error["code"], "acme" in error["what"]) == ("PFQ375", True)
    assert told("remove", "globex", HOST, code=1)["code"] == "PFQ376"
    assert told("verify", "globex", HOST, code=1)["code"] == "PFQ376"
    assert told("list", "nobody", code=1)["code"] == "PFQ504"


def test_without_the_extra(told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says which packages it needs; what is ASCII is claimed without them."""
    for name in ("dns", "dns.exception", "dns.resolver", "idna"):
        monkeypatch.setitem(sys.modules, name, None)
    told("add", "acme", HOST)
    for args in (("add", "acme", "bücher.example"), ("verify", "acme", HOST)):
        error = told(*args, code=1)
        assert (error["code"], "prefiq[dns]" in error["fix"]) == ("PFQ805", True)
    told("verify", "acme", HOST, "--confirmed", "--reason", "a letter")


def test_one_tenant_has_no_domains(run, tmp_path: Path) -> None:
    """With TENANCY=single there is no directory."""
    run("new", "alone")
    with (tmp_path / "alone" / ".env").open("a") as file:
        file.write("TENANCY=single\n")
    result = run("-C", "alone", "tenants", "domains", "list", "main", "--json")
    assert result.exit_code != 0
    assert json.loads(result.stderr)["error"]["code"].startswith("PFQ8")
