"""Which tenant a request means: hints select among the tenants that its credential is good for.

There are three, besides what the credential itself says: the header ``Prefiq-Tenant``, the path
``/t/<tenant>/api/…`` and, with ``TENANT_DOMAIN``, the host.  None of them proves anything: what they name
counts only where the credential allows it, and two that disagree are refused, since one of them was not
meant.  Everything is refused in one way, so that nobody learns from an answer which tenants there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Match

from prefiq.web.errors import TenantRefused

if TYPE_CHECKING:
    from prefiq.web.call import Call
    from prefiq.web.endpoint import ASGI
    from prefiq.web.served import Served

__all__ = ["TENANT_KEY", "TenantPathRoute", "compile_hint"]

TENANT_KEY = "prefiq.tenant"
"""Where the ASGI scope holds the tenant that the path names."""
HEADER = b"prefiq-tenant"

_HOST = re.compile(rb"((?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63})\.?(?::[0-9]{1,5})?")
LONGEST_HOST = 260


def compile_hint(app: Served) -> Callable[[Call], bytes | None]:
    """The function that gives the one tenant that a request names, or None where it names none.

    What it returns raises ``TenantRefused`` where two hints disagree, or where the host is nobody's.  It may
    ask the directory for a host outside of ``TENANT_DOMAIN``, so it runs where services run.

    Args:
        app: Its settings say whether hosts count; its directory knows the verified domains.
    """
    domain = app.settings.tenant_domain.encode()
    if not domain:
        return lambda call: _agreed(call.named, call.headers.get(HEADER))
    below = b"." + domain
    of_domain: Callable[[str], str | None] | None = getattr(getattr(app, "tenants", None), "of_domain", None)

    def of_host(host: bytes) -> bytes | None:
        found = _HOST.fullmatch(host.lower()) if len(host) <= LONGEST_HOST else None
        if found is None:
            raise TenantRefused
        name = found[1]
        if name == domain:
            return None
        if name.endswith(below):
            return name[: -len(below)]
        # Only what looks like a domain can be one: an address or a bare name costs no query.
        if of_domain is not None and b"." in name and not name.rpartition(b".")[2].isdigit():
            key = of_domain(name.decode())
            if key is not None:
                return key.encode()
        raise TenantRefused

    def hint(call: Call) -> bytes | None:
        wanted = _agreed(call.named, call.headers.get(HEADER))
        return _agreed(of_host(call.headers.get(b"host", b"")), wanted)

    return hint


def _agreed(first: bytes | None, second: bytes | None) -> bytes | None:
    if first is None:
        return second
    if second is not None and second != first:
        raise TenantRefused
    return first


class TenantPathRoute(BaseRoute):
    """Serves ``/t/<tenant>/api/…`` as ``/api/…``; the links of its answers keep what stands in front.

    Args:
        endpoint: Answers everything below ``/api``.
    """

    def __init__(self, endpoint: ASGI) -> None:
        self.endpoint = endpoint

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether a path names a tenant."""
        if scope["type"] != "http":
            return Match.NONE, {}
        root = scope.get("root_path", "")
        steps = scope["path"].removeprefix(root).split("/", 4)
        if steps[1:2] != ["t"] or steps[3:4] != ["api"]:
            return Match.NONE, {}
        name = steps[2]
        return Match.FULL, {"root_path": f"{root}/t/{name}", TENANT_KEY: name.encode("utf-8", "replace")}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        await self.endpoint(scope, receive, send)
