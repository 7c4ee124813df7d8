"""``Finding``: one thing that is wrong, or may be, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from prefiq.errors import Faults, PrefiqError

__all__ = ["FINDINGS", "Finding", "Further", "Level", "exit_code_of", "findings_of", "outcome"]

Level = Literal["error", "warning"]

FINDINGS = {
    "PFQ-D101": "no token can be accepted: neither a key nor an issuer is declared",
    "PFQ-D102": "no module is listed",
    "PFQ-D103": "other users of the machine can read .env; an error in production",
    "PFQ-D104": "a check of a module raised",
    "PFQ-D105": "a step of a module does not come to an end",
    "PFQ-D106": "a module ends the process",
    "PFQ-D110": "a part written by hand is bound by nobody",
    "PFQ-D201": "foreign keys are not enforced",
    "PFQ-D202": "the database is not in WAL mode",
    "PFQ-D203": "the database's file is damaged",
    "PFQ-D210": "the database's file or folder cannot be written",
    "PFQ-D211": "other users of the machine can read the database's file, in production",
    "PFQ-D212": "little disk is free where the database lies",
    "PFQ-D213": "tenants' files need more open files than a process may have",
    "PFQ-D220": "seeds wait for tenants",
    "PFQ-D221": "changes by hand cannot be told as the serving user",
    "PFQ-D222": "tenants have databases that are not at head",
    "PFQ-D223": "deleted tenants still have rows after their time of grace",
    "PFQ-D230": "the database server is older than what is supported",
    "PFQ-D231": "the database server is another one than DB_ENGINE says",
    "PFQ-D232": "the database's encoding or character set cannot keep every text",
    "PFQ-D233": "the operating system's collation changed after the database was made",
    "PFQ-D234": "the server lacks a collation that Prefiq uses",
    "PFQ-D235": "a connection is not set up as it asked for",
    "PFQ-D236": "the serving user's rights reach beyond its database, in production",
    "PFQ-D237": "the serving user may change tables, in production",
    "PFQ-D238": "the migrating user may not make or change tables",
    "PFQ-D239": "the serving user may not use tables of the migrating one",
    "PFQ-D240": "the pools of all processes exceed the server's connections",
    "PFQ-D241": "the database server only reads",
    "PFQ-D242": "the clocks of server and machine differ",
    "PFQ-D244": "the connection crosses a network without encryption",
    "PFQ-D245": "statements have no end, in production",
    "PFQ-D246": "the server stores something else instead of refusing",
    "PFQ-D247": "the server's max_allowed_packet is small",
    "PFQ-D248": "the server knows the database by a name of another case",
    "PFQ-D249": "the server may lose what was committed",
    "PFQ-D251": "everybody may make tables in the schema, in production",
    "PFQ-D252": "the user has no schema for tables",
    "PFQ-D253": "vacuum does not keep up",
    "PFQ-D254": "an index was not finished",
    "PFQ-D255": "a synchronous standby or the rest of the cluster is missing",
    "PFQ-D256": "a replication slot that nobody reads fills the disk",
    "PFQ-D257": "the binary log's format lets the server refuse writes",
    "PFQ-D260": "the database does not keep tenants apart by itself, in production",
    "PFQ-D261": "the serving user gets past the wall between tenants",
    "PFQ-D262": "something shows rows past the wall between tenants",
    "PFQ-D301": "a repository raised when it was read",
}
"""Identifier → what it says; errors that are found keep their own codes, and modules have identifiers of theirs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Args:
        id: Stable identifier: the code of an error, or ``PFQ-D`` and a number that the check owns.
        level: ``"error"`` where the application does not work as it should, ``"warning"`` where it may not.
        what: One sentence; never a secret's value.
        where: The file, setting, table or class.
        fix: What to do.
        exit_code: What a command that ends because of it returns.
    """

    id: str
    level: Level
    what: str
    where: str = ""
    fix: str = ""
    exit_code: int = 1


Further = Callable[[Any], Iterable[Finding] | None]
"""A check of a room beside this one: it raises what is wrong, or returns what may be."""


def findings_of(error: PrefiqError, level: Level = "error") -> list[Finding]:
    """An error as findings, one for each fault that it holds."""
    if isinstance(error, Faults):
        return [
            f
            for inner in error.exceptions
            if isinstance(inner, PrefiqError)
            for f in findings_of(inner, level)
        ]
    return [Finding(error.code, level, error.what, error.where, error.fix, error.exit_code)]


def exit_code_of(findings: Iterable[Finding], *, strict: bool = False) -> int:
    """What a command returns for these findings; 0 where nothing counts.

    Args:
        findings: All of them.
        strict: Whether warnings count too.
    """
    return max((f.exit_code for f in findings if strict or f.level == "error"), default=0)


def outcome(check: Further, app: Any) -> list[Finding]:
    """What a check says, as findings."""
    try:
        return list(check(app) or ())
    except PrefiqError as error:
        return findings_of(error)
