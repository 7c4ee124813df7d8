"""Both stores of projects behave alike: the contract suite, and the query that was added by hand."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.prefiq(apps=["projects"])
