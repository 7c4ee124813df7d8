"""Findings: errors as data, and what a command returns for them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import prefiq
from prefiq.doctor import Finding, exit_code_of, findings_of
from prefiq.doctor.finding import FINDINGS
from prefiq.errors import Faults
from prefiq.settings import SettingError, UnknownSetting

WRONG = SettingError("DB_PORT", "is not a number", ".env line 4", "1 to 65535")
UNKNOWN = UnknownSetting("DB_PORTS", "is not known", ".env line 5", "", "DB_PORT")


def test_error_becomes_one_finding() -> None:
    """Code, text, place and advice of an error are kept."""
    assert findings_of(WRONG) == [
        Finding("PFQ101", "error", "DB_PORT: is not a number", ".env line 4", "1 to 65535", 3)
    ]


def test_faults_become_one_finding_each() -> None:
    """Faults inside faults are flattened, in order."""
    nested = Faults("outer", [WRONG, Faults("inner", [UNKNOWN])])
    assert [found.id for found in findings_of(nested)] == ["PFQ101", "PFQ102"]


def test_exit_code_is_the_worst() -> None:
    """Errors decide; warnings count with strict only."""
    warning = Finding("PFQ-D1", "warning", "careful", exit_code=3)
    error = Finding("PFQ-D2", "error", "wrong")
    assert exit_code_of([]) == 0
    assert exit_code_of([warning]) == 0
    assert exit_code_of([warning], strict=True) == 3
    assert exit_code_of([warning, error]) == 1


def test_every_identifier_is_documented() -> None:
    """An identifier that a check uses stands in ``FINDINGS``, which the reference page shows, and no other does."""
    root = Path(inspect.getfile(prefiq)).parent
    used = {
        found
        for file in root.rglob("*.py")
        if file.name != "finding.py"
        for found in re.findall(r'"(PFQ-D\d+)"', file.read_text(encoding="utf-8"))
    }
    assert used == set(FINDINGS)
