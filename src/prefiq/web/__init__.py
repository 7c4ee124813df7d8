"""The HTTP room: the generated API, authentication, OpenAPI and the reference page.

Imports everything below ``web`` in the house, Starlette, msgspec and PyJWT; imported by ``admin``, ``testing`` and
``cli``.
"""

from prefiq.web.asgi import create_asgi, openapi_document
from prefiq.web.auth import IAuthenticator, Identity, TokenAuthenticator
from prefiq.web.openapi_changes import breaking_changes
from prefiq.web.routes import ApiRequest, ApiRoute, Reply, scope_of
from prefiq.web.token import make_token
from prefiq.web.workers import Greenlets, Threads, Workers, in_thread

__all__ = [
    "ApiRequest",
    "ApiRoute",
    "Greenlets",
    "IAuthenticator",
    "Identity",
    "Reply",
    "Threads",
    "TokenAuthenticator",
    "Workers",
    "breaking_changes",
    "create_asgi",
    "in_thread",
    "make_token",
    "openapi_document",
    "scope_of",
]
