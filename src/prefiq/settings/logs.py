"""Logs: one record, one line, text or JSON, with the request and the tenant in it, and without secrets.

Everything goes through the standard library's ``logging``: modules write ``logging.getLogger(__name__)`` and
nothing else.  Writing a record never raises, whatever is in it and wherever it goes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from prefiq.contracts.scope import Across, Bound, System, current_scope_or_none
from prefiq.settings.redaction import Redactor

if TYPE_CHECKING:
    from prefiq.settings.settings import Settings

__all__ = ["JsonFormatter", "LogHandler", "TextFormatter", "configure_logging"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_CONTEXT = ("request_id", "tenant", "actor")
_COLORS = {
    "DEBUG": "\x1b[2m",
    "INFO": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;31m",
}
_PLAIN = "\x1b[0m"
_QUIET = {
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx2": logging.WARNING,
}
"""Others' loggers that would print statements' parameters or addresses at lower levels."""


def configure_logging(settings: Settings, stream: IO[str] | None = None) -> LogHandler:
    """Send all records to one stream, as ``LOG_LEVEL``, ``LOG_FORMAT`` and ``LOG_COLOR`` say.

    Calling it again replaces what it did before; handlers of others stay.

    Args:
        settings: The application's; its secrets are taken out of every line.
        stream: Where lines go; ``sys.stderr`` by default, which leaves stdout to a command's answer.

    Returns:
        The handler on the root logger.
    """
    stream = sys.stderr if stream is None else stream
    redactor = Redactor(settings.secrets())
    color = settings.log_color and not settings.is_production and _is_terminal(stream)
    formatter = (
        JsonFormatter(redactor) if settings.log_format == "json" else TextFormatter(redactor, color=color)
    )
    handler = LogHandler(stream, formatter)
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, LogHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    return handler


class LogHandler(logging.Handler):
    """Writes lines to a stream; a line that cannot be written is lost and counted.

    Args:
        stream: Where lines go.
        formatter: What makes them.
    """

    def __init__(self, stream: IO[str], formatter: logging.Formatter) -> None:
        super().__init__()
        self.stream = stream
        self.lost = 0
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line."""
        # Not the standard StreamHandler: its way out of an error prints the record's arguments unredacted.
        try:
            line = self.format(record) + "\n"
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            self.stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
        except Exception:  # noqa: BLE001  a broken pipe or a full disk must not end a request
            self.lost += 1


class _RecordFormatter(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def _message(self, record: logging.LogRecord) -> str:
        try:
            return self._redactor.text(record.getMessage())
        except Exception as error:  # noqa: BLE001  wrong arguments, or an object whose __str__ fails
            message = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            return self._redactor.text(f"{message} (arguments do not fit: {type(error).__name__})")

    def _exception(self, record: logging.LogRecord) -> str:
        info = record.exc_info
        found = ""
        if isinstance(info, tuple) and info[1] is not None:
            try:
                # Never with local variables: they hold what nothing else would print.
                found = "".join(traceback.format_exception(*info))
            except Exception as error:  # noqa: BLE001  an exception whose own text fails
                found = f"{info[0].__name__ if info[0] else 'error'} (no text: {type(error).__name__})"
        if isinstance(record.stack_info, str):
            found = f"{found}\n{record.stack_info}" if found else record.stack_info
        return self._redactor.text(found.rstrip("\n"))

    def _context(self, record: logging.LogRecord) -> dict[str, str]:
        """Request, tenant and actor: the record's own where somebody set them, else the scope's."""
        known: dict[str, Any] = {}
        scope = current_scope_or_none()
        if scope is not None:
            known = {"request_id": scope.request_id, "actor": scope.actor.id}
            if isinstance(scope.tenancy, Bound):
                known["tenant"] = scope.tenancy.tenant
            elif isinstance(scope.tenancy, Across | System):
                known["tenant"] = f"({type(scope.tenancy).__name__.lower()})"
        known |= {name: vars(record)[name] for name in _CONTEXT if vars(record).get(name)}
        found = {}
        for name in _CONTEXT:
            if known.get(name):
                found[name] = self._redactor.text(_text(known[name]))
        return found

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        """What was passed as ``extra=``."""
        found = {}
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in _CONTEXT and not name.startswith("_"):
                shown = self._redactor.text(name)
                try:
                    found[shown] = self._redactor.value(value, name)
                except Exception as error:  # noqa: BLE001  see _message
                    found[shown] = f"({type(error).__name__})"
        return found


class JsonFormatter(_RecordFormatter):
    """One JSON object a line, in ASCII: ``time``, ``level``, ``logger``, ``message``, context, extras, ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record),
            **self._context(record),
        }
        for name, value in self._extra(record).items():
            fields.setdefault(name, value)
        exception = self._exception(record)
        if exception:
            fields["exception"] = exception
        return json.dumps(fields, default=str, allow_nan=False)


class TextFormatter(_RecordFormatter):
    """A line for people: time, level, logger, message, ``name=value``; a traceback's lines begin with a bar.

    Control characters are escaped, so that no text from outside can begin a line of its own or speak to a
    terminal.

    Args:
        redactor: Takes secrets out.
        color: Whether the level is coloured.
    """

    def __init__(self, redactor: Redactor, *, color: bool) -> None:
        super().__init__(redactor)
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, or lines where it has a traceback."""
        level = f"{record.levelname:<8}"
        if self._color:
            level = f"{_COLORS.get(record.levelname, '')}{level}{_PLAIN}"
        parts = [_time(record), level, f"{_escape(record.name)}:", _escape(self._message(record))]
        named = {**self._extra(record), **self._context(record)}
        parts += [f"{_escape(name)}={_word(value)}" for name, value in named.items()]
        lines = [" ".join(parts)]
        lines += [f"  | {_escape(line)}" for line in self._exception(record).split("\n") if line]
        return "\n".join(lines)


def _time(record: logging.LogRecord) -> str:
    try:
        moment = datetime.fromtimestamp(record.created, UTC)
    except (OverflowError, OSError, ValueError, TypeError):
        return "0000-00-00T00:00:00.000Z"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    with contextlib.suppress(Exception):
        return str(value)
    return type(value).__name__


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    plain = text.isprintable() and text and not set(text) & set(' ="')
    return text if plain else _escape(json.dumps(text, ensure_ascii=False))


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except Exception:  # noqa: BLE001  a closed or foreign stream is no terminal
        return False
