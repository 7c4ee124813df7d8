"""The room's errors: codes of their own, exit code 3, picklable."""

from __future__ import annotations

import pickle

from prefiq.errors import PrefiqError
from prefiq.settings import SettingError, errors


def test_every_error_has_a_code_of_its_own():
    """The codes are of the room's range and no two are the same."""
    kinds = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(
        code.startswith("PFQ1") and issubclass(kind, PrefiqError)
        for code, kind in zip(codes, kinds, strict=True)
    )
    assert {kind.exit_code for kind in kinds} == {3}
    assert all(kind.__doc__ for kind in kinds)


def test_an_error_survives_pickling():
    """It may cross from a worker."""
    error = SettingError("DB_PORT", "is wrong", "environment", "a number", "1")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (SettingError, str(error), vars(error))
