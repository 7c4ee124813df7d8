"""Findings of ``doctor`` on a terminal and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from prefiq.doctor import Finding

__all__ = ["findings_data", "show_findings"]


def findings_data(findings: Sequence[Finding], code: int) -> dict[str, Any]:
    """What ``--json`` prints of findings."""
    rows = [dataclasses.asdict(finding) for finding in findings]
    return {"ok": code == 0, "findings": [{k: v for k, v in row.items() if k != "exit_code"} for row in rows]}


def show_findings(findings: Sequence[Finding]) -> None:
    """Print findings, errors first, and how many there are."""
    for finding in sorted(findings, key=lambda finding: finding.level != "error"):
        mark = click.style(f"{finding.level:<8}", fg="red" if finding.level == "error" else "yellow")
        click.echo(f"{mark} {finding.id}  {finding.what}" + (f" ({finding.where})" if finding.where else ""))
        if finding.fix:
            click.echo(f"           fix: {finding.fix}")
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    click.echo(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}" if findings else "All is well")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
