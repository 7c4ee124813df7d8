"""Outside issuers of tokens: ``[issuers]`` of ``prefiq.toml``, or ``JWT_ISSUERS`` as JSON with the same keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from prefiq.nearest import nearest
from prefiq.settings.errors import SecretInToml, SettingError, UnknownSetting, shape_error
from prefiq.settings.sources import file_text

__all__ = ["ALGORITHMS", "ClaimMap", "Issuer", "read_issuers"]

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures accepted from outside: public keys only, so that no other application shares a key with us."""

_KEYS = ("issuer", "audience", "jwks_uri", "jwks", "jwks_file", "algorithms", "claims")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_PRIVATE = ("d", "k", "p", "q", "dp", "dq", "qi", "oth")


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Which claim of a token says what; a claim inside another is written with a dot: ``realm.roles``.

    Args:
        actor: Who acts.
        tenants: The tenants that the token allows: one text or a list.
        scopes: Permission patterns: a text with spaces between them, or a list.
        name: What people call the actor.
    """

    actor: str = "sub"
    tenants: str = "tenants"
    scopes: str = "scope"
    name: str = "name"


@dataclass(frozen=True, slots=True)
class Issuer:
    """An outside issuer whose tokens are accepted.

    Args:
        name: Its key in ``[issuers]``.
        issuer: The exact ``iss`` claim.
        audience: Accepted ``aud`` values, at least one.
        jwks_uri: Where its public keys are fetched; empty where they are given.
        jwks: Its public keys as the text of a JSON Web Key Set; empty where they are fetched.
        algorithms: Accepted signatures, at least one.
        claims: Which claim says what.
    """

    name: str
    issuer: str
    audience: tuple[str, ...]
    jwks_uri: str = ""
    jwks: str = ""
    algorithms: tuple[str, ...] = ("RS256",)
    claims: ClaimMap = ClaimMap()


def read_issuers(
    raw: object, at: str, source: str, folder: Path, faults: list[SettingError]
) -> tuple[Issuer, ...]:
    """The issuers that a parsed table describes.

    Args:
        raw: A table of tables by name.
        at: What the table is called in faults: ``"issuers"`` or ``"JWT_ISSUERS"``.
        source: Where it came from.
        folder: What a relative ``jwks_file`` starts from.
        faults: Takes every mistake.
    """
    if not isinstance(raw, Mapping):
        faults.append(shape_error(source)(at, "is not a table of issuers by name", source))
        return ()
    found = []
    for name, table in raw.items():
        reader = _IssuerReader(f"{at}.{name}", source, folder, faults)
        if not _NAME.fullmatch(str(name)):
            # It stands before each of its actors, with a colon between: no other may mean the same.
            reader.wrong("", "is no name", "at most 60 of a-z, A-Z, 0-9, -, _ and .")
        elif isinstance(table, Mapping):
            found.append(reader.read(str(name), table))
        else:
            reader.wrong("", "is not a table", "issuer, audience, and one of jwks_uri, jwks, jwks_file")
    _repeated(found, at, source, faults)
    return tuple(found)


def _repeated(found: list[Issuer], at: str, source: str, faults: list[SettingError]) -> None:
    seen: dict[str, str] = {}
    for issuer in found:
        other = seen.setdefault(issuer.issuer, issuer.name)
        if issuer.issuer and other != issuer.name:
            problem = f"has the same issuer as {at}.{other}"
            faults.append(
                shape_error(source)(f"{at}.{issuer.name}", problem, source, "one entry for each issuer")
            )


class _IssuerReader:
    def __init__(self, at: str, source: str, folder: Path, faults: list[SettingError]) -> None:
        self._at = at
        self._source = source
        self._folder = folder
        self._faults = faults

    def wrong(
        self, key: str, problem: str, accepted: str = "", kind: type[SettingError] | None = None
    ) -> None:
        name = f"{self._at}.{key}" if key else self._at
        kind = kind or shape_error(self._source)
        self._faults.append(kind(name, problem, self._source, accepted))

    def read(self, name: str, table: Mapping[str, object]) -> Issuer:
        self._unknown("", table, _KEYS)
        jwks_uri, jwks = self._keys(table)
        return Issuer(
            name=name,
            issuer=self._text(table, "issuer"),
            audience=self._texts(table, "audience", None),
            jwks_uri=jwks_uri,
            jwks=jwks,
            algorithms=self._texts(table, "algorithms", ("RS256",), self._check_algorithm),
            claims=self._claims(table.get("claims", {})),
        )

    def _unknown(self, at: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                near = nearest(str(key), known)
                name = ".".join(part for part in (self._at, at, str(key)) if part)
                accepted = "known: " + ", ".join(known)
                self._faults.append(UnknownSetting(name, "is not known", self._source, accepted, near))

    def _text(self, table: Mapping[str, object], key: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value:
            return value
        self.wrong(key, "is missing" if value is None else "is not a text", "a text")
        return ""

    def _texts(
        self,
        table: Mapping[str, object],
        key: str,
        default: tuple[str, ...] | None,
        check: Callable[[str], None] | None = None,
    ) -> tuple[str, ...]:
        value = table.get(key, default)
        if isinstance(value, str):
            value = (value,)
        if (
            not isinstance(value, list | tuple)
            or not value
            or not all(isinstance(v, str) and v for v in value)
        ):
            self.wrong(
                key, "is missing" if value is None else "is not a text or a list of texts", "a list of texts"
            )
            return ()
        if check:
            for text in value:
                check(text)
        return tuple(value)

    def _check_algorithm(self, text: str) -> None:
        if text not in ALGORITHMS:
            near = nearest(text, ALGORITHMS)
            problem = "names a signature that is not accepted from outside"
            accepted = "some of " + ", ".join(ALGORITHMS)
            self._faults.append(
                shape_error(self._source)(f"{self._at}.algorithms", problem, self._source, accepted, near)
            )

    def _keys(self, table: Mapping[str, object]) -> tuple[str, str]:
        given = [key for key in ("jwks_uri", "jwks", "jwks_file") if key in table]
        if len(given) != 1:
            problem = (
                "says nothing about its keys" if not given else f"names its keys twice: {', '.join(given)}"
            )
            self.wrong("", problem, "exactly one of jwks_uri, jwks and jwks_file")
            return "", ""
        if given[0] == "jwks_uri":
            return self._uri(self._text(table, "jwks_uri")), ""
        if given[0] == "jwks":
            return "", self._jwks("jwks", table["jwks"])
        name = self._text(table, "jwks_file")
        if not name:
            return "", ""
        try:
            content = json.loads(file_text(self._folder / name))
        except RecursionError:
            self.wrong("jwks_file", "the file is nested too deep", "a JSON Web Key Set")
        except json.JSONDecodeError as error:
            self.wrong("jwks_file", f"the file is not JSON (line {error.lineno})", "a JSON Web Key Set")
        except ValueError as problem:
            self.wrong("jwks_file", str(problem), "the path of a JSON Web Key Set")
        else:
            return "", self._jwks("jwks_file", content)
        return "", ""

    def _uri(self, uri: str) -> str:
        # Keys that arrive in clear could be anybody's; a local issuer has no network between.
        local = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?/", uri)
        if uri and not local and not re.match(r"https://[^\s/@]+/", uri):
            self.wrong("jwks_uri", "is not an https address", "https://… (http:// for localhost only)")
        return uri

    def _jwks(self, key: str, content: object) -> str:
        keys = content.get("keys") if isinstance(content, Mapping) else None
        if (
            not isinstance(keys, list)
            or not keys
            or not all(isinstance(k, Mapping) and "kty" in k for k in keys)
        ):
            self.wrong(key, "is not a JSON Web Key Set", '{"keys": [{"kty": …}, …]}')
            return ""
        if any(k["kty"] == "oct" or any(private in k for private in _PRIVATE) for k in keys):
            self.wrong(key, "holds a private key", "the public keys alone", kind=SecretInToml)
            return ""
        return json.dumps(content)

    def _claims(self, raw: object) -> ClaimMap:
        known = tuple(f.name for f in fields(ClaimMap))
        if not isinstance(raw, Mapping):
            self.wrong("claims", "is not a table", "known: " + ", ".join(known))
            return ClaimMap()
        self._unknown("claims", raw, known)
        chosen = {}
        for key in known:
            if key in raw:
                if isinstance(raw[key], str) and raw[key]:
                    chosen[key] = raw[key]
                else:
                    self.wrong(f"claims.{key}", "is not the name of a claim", "a text")
        return ClaimMap(**chosen)
