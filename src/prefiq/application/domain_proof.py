"""Host names that tenants may have, and how it is proved in DNS that one does.

Whoever can put a record into a domain's zone decides what becomes of the domain; so that is what is asked for.
The record's text is derived from the claim's own random id: it proves this claim of this tenant, and one that
was left behind by an earlier claim proves nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefiq.bridge import await_, in_bridge
from prefiq.contracts import FieldError, ValidationFailed

if TYPE_CHECKING:
    from prefiq.foundation.tenants import TenantDomain

__all__ = ["Nameserver", "Record", "host_name", "record_of", "what_is_wrong"]

Nameserver = tuple[str, int]
"""Address and port of a DNS server."""

PREFIX = "_prefiq."
LONGEST = 253 - len(PREFIX)
"""A name is at most 253 characters (RFC 1035, section 2.3.4), and the record's is longer than the host's."""
SECONDS = 10.0
"""For which servers are asked, all together."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in DNS once its owner agrees: a TXT record.

    Args:
        name: The record's name.
        value: Its text.
    """

    name: str
    value: str


def host_name(text: str, own: str) -> str:
    """A host as DNS knows it: lower case, punycode, without the dot at the end.

    Args:
        text: As somebody wrote it.
        own: ``TENANT_DOMAIN``, whose hosts belong to nobody by a claim; empty where there is none.

    Raises:
        prefiq.contracts.ValidationFailed: It is no name that a tenant can have.
        ModuleNotFoundError: It is not ASCII, and ``prefiq[dns]`` is not installed.
    """
    host = text.strip().removesuffix(".")
    if "*" in host:
        raise _wrong("wildcard", "must be one host: a wildcard would take hosts that nobody verified")
    if any(sign in host for sign in "/@?#\\"):
        raise _wrong("host", "must be a host alone, such as www.example.com, without a scheme or a path")
    if ":" in host:
        raise _wrong("port", "must be a host without a port: a domain leads to its tenant on every port")
    if not host.isascii():
        host = _punycode(host)
    host = host.lower()
    if len(host) > LONGEST:
        raise _wrong("max_length", f"must be at most {LONGEST} characters long")
    if _HOST.fullmatch(host) is None:
        raise _wrong("host", "must be a full host name, such as www.example.com")
    if host.rpartition(".")[2].isdigit():
        raise _wrong("host", "must be a name; an address belongs to no tenant")
    if own and (host == own or host.endswith(f".{own}")):
        raise _wrong("own", f"must not stand in {own}: there each tenant has the host of its key already")
    return host


def record_of(domain: TenantDomain) -> Record:
    """The record that proves a claim."""
    claim = f"{domain.id}\n{domain.host}\n{domain.tenant_key}"
    proof = hashlib.sha256(claim.encode()).hexdigest()[:40]
    return Record(PREFIX + domain.host, f"prefiq-domain-verification={proof}")


def what_is_wrong(record: Record, nameserver: Nameserver | None = None) -> str:
    """Ask DNS for a record.

    Args:
        record: That should be there.
        nameserver: Who is asked; the machine's own resolver where left out.

    Returns:
        Why it counts as missing; empty where it is there.

    Raises:
        ModuleNotFoundError: ``prefiq[dns]`` is not installed.
    """
    if in_bridge():  # the resolver blocks, and other requests are on this loop
        return await_(asyncio.to_thread(_ask, record, nameserver))
    return _ask(record, nameserver)


def _ask(record: Record, nameserver: Nameserver | None) -> str:
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=nameserver is None)
        if nameserver is not None:
            resolver.nameservers, resolver.port = [nameserver[0]], nameserver[1]
        answer = resolver.resolve(f"{record.name}.", "TXT", lifetime=SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return "there is no such record"
    except dns.exception.Timeout:
        return f"no DNS server answered within {SECONDS:g} seconds"
    except (dns.exception.DNSException, OSError):
        return "the DNS servers gave no usable answer"
    if record.value.encode() in {b"".join(text.strings) for text in answer}:
        return ""
    return "the record has another text"


def _punycode(host: str) -> str:
    import idna

    try:
        return idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise _wrong("host", "has characters that no host name has (IDNA 2008)") from None


def _wrong(code: str, message: str) -> ValidationFailed:
    return ValidationFailed("prefiq.TenantDomain", (FieldError("host", code, message),))
