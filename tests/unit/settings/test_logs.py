"""Logs: one line a record, with its context, without secrets, and never an exception."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
import sys

import pytest

from prefiq.contracts import Actor, Bound, Scope, System
from prefiq.settings import Settings, configure_logging
from prefiq.settings.logs import LogHandler
from prefiq.settings.settings import TEST_KEY

CANARY = "canary-log-8Qz!x"
LOG = logging.getLogger("tests.logs")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [h for h in root.handlers if isinstance(h, LogHandler) or type(h) is logging.NullHandler]:
        root.removeHandler(handler)


@pytest.fixture
def configure(tmp_path, monkeypatch):
    def configured(stream=None, **overrides):
        for handler in logging.getLogger().handlers:
            if type(handler).__module__.startswith("_pytest"):  # they fail on what cannot be formatted
                monkeypatch.setattr(handler, "handle", lambda record: False)
        stream = io.StringIO() if stream is None else stream
        configure_logging(Settings.for_test(tmp_path, DB_PASS=CANARY, **overrides), stream)
        return stream

    return configured


def scope(tenancy, **kwargs):
    return Scope(tenancy, Actor("ann"), resolve=lambda _scope, _contract: None, request_id="r-1", **kwargs)


def test_a_text_line(configure):
    """Time in UTC, level, logger, message, and what was passed as extra."""
    out = configure()
    LOG.info("created %s", "A-1", extra={"rows": 3, "note": "two words"})
    line = out.getvalue()
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO     tests\.logs: created A-1 rows=3 note="two words"\n',
        line,
    )


def test_a_json_line(configure):
    """One object with the same."""
    out = configure(LOG_FORMAT="json")
    LOG.warning("created %s", "Ä\n", extra={"rows": 3, "level": "mine", "tags": {"a": (1, 2)}})
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().isascii()
    fields = json.loads(out.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("time"))
    assert fields == {
        "level": "WARNING", "logger": "tests.logs", "message": "created Ä\n", "rows": 3, "tags": {"a": [1, 2]},
    }  # fmt: skip


@pytest.mark.parametrize(("tenancy", "tenant"), [(Bound("acme"), "acme"), (System("seed"), "(system)")])
def test_the_scope_is_in_every_line(configure, tenancy, tenant):
    """Request, tenant and actor stand in lines of any logger, and leave with the scope."""
    out = configure(LOG_FORMAT="json")
    with scope(tenancy):
        logging.getLogger("somebody.else").error("x")
    LOG.error("y")
    inside, outside = map(json.loads, out.getvalue().splitlines())
    assert (inside["request_id"], inside["tenant"], inside["actor"]) == ("r-1", tenant, "ann")
    assert not {"request_id", "tenant", "actor"} & outside.keys()


def test_text_lines_have_the_scope_too(configure):
    """As ``name=value`` at the end."""
    out = configure()
    with scope(Bound("acme")):
        LOG.error("x")
    assert out.getvalue().endswith("tests.logs: x request_id=r-1 tenant=acme actor=ann\n")


def test_a_record_may_bring_its_own_request(configure):
    """What the caller says wins over the scope."""
    out = configure(LOG_FORMAT="json")
    with scope(Bound("acme")):
        LOG.error("x", extra={"request_id": "r-2"})
    assert json.loads(out.getvalue())["request_id"] == "r-2"


def test_no_text_from_outside_begins_a_line_or_speaks_to_a_terminal(configure):
    """Line ends, escapes and direction marks are escaped in message, context, extra and traceback."""
    out = configure()
    evil = "a\r\n2026-01-01 INFO forged\x1b[2J\u2028\u202e"
    with scope(Bound("acme")):
        try:
            raise ValueError(evil)  # noqa: TRY301
        except ValueError:
            LOG.exception(evil, extra={"request_id": evil, "x": evil, "y": "\r\x1b\u202e"})
    lines = out.getvalue().removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("  | ") for line in lines[1:])
    assert r"a\r\n2026-01-01 INFO forged\x1b[2J\u2028\u202e" in lines[0]


def test_exceptions_are_included_without_local_variables(configure):
    """The traceback is there, in JSON as one text."""
    out = configure(LOG_FORMAT="json")
    hidden = "canary" + "-local"
    try:
        len(3 if hidden else [])
    except TypeError:
        LOG.exception("failed")
    fields = json.loads(out.getvalue())
    assert "TypeError: object of type 'int' has no len()" in fields["exception"]
    assert "canary-local" not in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_known_secrets_are_in_no_line(configure, form):
    """Message, arguments, extra, context, exception and stack: the value is gone from all."""
    out = configure(LOG_FORMAT=form)
    key, template = TEST_KEY, "%s %r " + CANARY
    with scope(Bound("acme")):
        try:
            raise ValueError({"dsn": f"x://u:{CANARY}@h", "key": key})  # noqa: TRY301
        except ValueError:
            LOG.exception(
                template,
                CANARY,
                [key],
                extra={"tenant": CANARY, "x": {"y": [CANARY]}, CANARY: 1},
                stack_info=True,
            )
    assert CANARY not in out.getvalue()
    assert key not in out.getvalue()
    assert "***" in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_of_secrets_hide_their_values(configure, form):
    """Also those that no setting knows."""
    out = configure(LOG_FORMAT=form)
    LOG.info(
        "login password=unheard-of-1",
        extra={"api_key": "unheard-of-2", "headers": {"Authorization": "unheard-of-3"}},
    )
    assert "unheard-of" not in out.getvalue()


@pytest.mark.parametrize(
    ("overrides", "stream", "colored"),
    [
        ({"ENV": "development"}, Terminal, True),
        ({"ENV": "development"}, io.StringIO, False),
        ({"ENV": "development", "LOG_COLOR": "false"}, Terminal, False),
        ({"ENV": "development", "NO_COLOR": "1"}, Terminal, False),
        ({"ENV": "development", "LOG_FORMAT": "json"}, Terminal, False),
        ({"ENV": "production", "LOG_COLOR": "true", "JWT_SECRET_KEY": None}, Terminal, False),
        ({"ENV": "staging", "LOG_COLOR": "true", "JWT_SECRET_KEY": None}, Terminal, False),
    ],
)
def test_colours_on_a_terminal_in_development_only(configure, overrides, stream, colored):
    """And never where LOG_COLOR=false or NO_COLOR says so."""
    out = configure(stream(), **overrides)
    LOG.error("x")
    assert ("\x1b[" in out.getvalue()) is colored


def test_production_has_no_colours_whatever_the_settings_say(tmp_path):
    """Not even settings that were put together by hand."""
    settings = dataclasses.replace(Settings.for_test(tmp_path), env="production", log_color=True)
    out = Terminal()
    configure_logging(settings, out)
    LOG.error("x")
    assert out.getvalue().endswith("tests.logs: x\n")
    assert "\x1b[" not in out.getvalue()


def test_text_of_any_language_stays_readable(configure):
    """In the message and in what was passed as extra."""
    out = configure()
    LOG.error("größe", extra={"x": "zu groß"})
    assert out.getvalue().endswith('größe x="zu groß"\n')


def test_the_level_holds(configure):
    """Records below it are not written, and others' loggers never print statements' parameters."""
    out = configure(LOG_LEVEL="ERROR")
    LOG.warning("no")
    LOG.error("yes")
    assert out.getvalue().count("\n") == 1
    configure(LOG_LEVEL="DEBUG")
    assert not logging.getLogger("sqlalchemy.engine.Engine").isEnabledFor(logging.INFO)


def test_configuring_again_replaces(configure):
    """A record is written once, to the last stream; handlers of others stay."""
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    first, second = configure(), configure()
    LOG.error("x")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)
    assert other in logging.getLogger().handlers


def test_lines_go_to_stderr_by_default(tmp_path):
    """Stdout is a command's answer."""
    assert configure_logging(Settings.for_test(tmp_path)).stream is sys.stderr


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class UnprintableError(Exception):
    __str__ = Unprintable.__str__


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_that_cannot_be_formatted_is_written_all_the_same(configure, form, capsys):
    """Wrong arguments, objects without text, lone surrogates, loops: a line comes, and no exception."""
    out = configure(LOG_FORMAT=form)
    loop: dict[str, object] = {}
    loop["loop"] = loop
    LOG.error("%d rows", "many")
    LOG.error("%s", Unprintable())
    LOG.error(Unprintable())
    LOG.error("x", extra={"bad": Unprintable(), "loop": loop, "nan": float("nan"), "bytes": b"\xff"})
    LOG.error("lone \udcff surrogate", extra={"request_id": Unprintable()})
    LOG.error("x", exc_info=True)  # noqa: LOG014  nothing is being handled
    try:
        raise UnprintableError  # noqa: TRY301
    except UnprintableError:
        LOG.exception("x")
    heads = [line for line in out.getvalue().splitlines() if not line.startswith("  | ")]
    assert len(heads) == 7
    if form == "json":
        assert [json.loads(line)["level"] for line in heads] == ["ERROR"] * 7
    assert capsys.readouterr().err == ""


def test_an_argument_that_does_not_fit_is_not_shown_elsewhere(configure, capsys):
    """The standard handler would print the arguments to stderr, past every redaction."""
    out = configure()
    LOG.error("%d", CANARY)
    assert CANARY not in out.getvalue() + capsys.readouterr().err


class Broken(io.StringIO):
    def write(self, _text):
        raise BrokenPipeError

    def isatty(self):
        raise ValueError("closed")


def test_a_stream_that_fails_ends_nothing(configure, capsys):
    """The line is lost and counted."""
    configure(Broken(), ENV="development")
    LOG.error("x")
    (handler,) = [h for h in logging.getLogger().handlers if isinstance(h, LogHandler)]
    assert handler.lost == 1
    closed = io.StringIO()
    configure(closed)
    closed.close()
    LOG.error("x")
    assert capsys.readouterr().err == ""


def test_a_stream_of_another_encoding_gets_what_it_can_hold(configure):
    """Characters that it lacks are escaped."""
    raw = io.BytesIO()
    configure(io.TextIOWrapper(raw, encoding="ascii"))
    LOG.error("größe 日")
    assert rb"gr\xf6\xdfe \u65e5" in raw.getvalue()
