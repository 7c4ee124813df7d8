"""``Secret``: a value that cannot be printed by accident."""

from __future__ import annotations

from typing import NoReturn, final

__all__ = ["Secret"]


@final
class Secret:
    """A password or key.  ``repr``, ``str`` and every format of it are ``***``.

    It cannot be pickled and no JSON encoder knows it; both are refused rather than answered with stars,
    which would travel on as a wrong password.

    Args:
        value: What ``reveal`` gives back; the one way to it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; hand it to the library that needs it and keep it nowhere."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        import hmac  # loads OpenSSL, which most commands do without

        # In constant time: a comparison must not tell how much of a guess was right.
        if not isinstance(other, Secret):
            return NotImplemented
        mine = self._value.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(mine, other._value.encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; load the settings again in the other process")
