"""Conversions that several engines share: what a driver takes and gives as it is, JSON text, states, decimals."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import msgspec

from prefiq.sql.types import Codec

__all__ = ["BOOL", "EXACT", "IDENTITY", "INT", "JSON", "UUID_BYTES", "enum_codec", "exact_decimal"]

EXACT = Context(prec=40)
"""Wider than any decimal of 64 bits, so that nothing is rounded whatever the caller's own context is."""
# MessagePack's head of 16 bytes of binary data: its decoder makes a UUID six times faster than UUID(bytes=…).
_HEAD = b"\xc4\x10"


def _same(value: Any) -> Any:
    return value


IDENTITY = Codec(_same, _same, "{v}", "{v}")
"""The driver takes and gives the field's own type."""

INT = Codec(_same, int, "{v}", "{v}")
"""The same; sums of servers come as decimals."""

BOOL = Codec(int, bool, "(1 if {v} is True else dump_bool({v}))", "({v} == 1)", {"dump_bool": int}, "{v}")
"""1 and 0."""


def _uuid_codec() -> Codec:
    from uuid import UUID

    decode = msgspec.msgpack.Decoder(UUID).decode
    return Codec(
        lambda value: value.bytes,
        lambda value: UUID(bytes=value),
        "{v}.int.to_bytes(16)",
        "load_uuid(HEAD + {v})",
        {"load_uuid": decode, "HEAD": _HEAD},
    )


UUID_BYTES = _uuid_codec()
"""16 bytes."""

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
JSON = Codec(
    lambda value: _encode_json(value).decode(),
    _decode_json,
    "encode_json({v}).decode()",
    "decode_json({v})",
    {"encode_json": _encode_json, "decode_json": _decode_json},
)
"""Text."""


def enum_codec(states: Any) -> Codec:
    """The text of each state; a StrEnum goes to the driver as plain text, which spares it a search for an adapter."""
    members = {str(member): member for member in states}
    texts = {member: str(member) for member in states}
    name = f"{states.__name__}_{id(states)}"
    return Codec(
        str, members.__getitem__, f"text_{name}[{{v}}]", f"state_{name}[{{v}}]",
        {f"text_{name}": texts, f"state_{name}": members},
    )  # fmt: skip


def exact_decimal(scale: int) -> Codec:
    """A decimal with exactly ``scale`` digits behind the point, for drivers that know decimals."""
    unit = Decimal(1).scaleb(-scale)

    def dump(value: Decimal) -> Decimal:
        stored = EXACT.quantize(value, unit)
        if stored != value:
            raise ValueError(f"a decimal with more than {scale} digits behind the point")
        return stored

    name = f"dump_decimal_{scale}"
    return Codec(dump, _same, name + "({v})", "{v}", {name: dump}, "{v}")
