"""Environment, secrets' files and ``.env``: which wins, and what is wrong with them."""

from __future__ import annotations

import os

import pytest
from tests.unit.settings.conftest import KEY

from prefiq.errors import Faults
from prefiq.settings import DotenvError, SecretFileError, load
from prefiq.settings.sources import SECRET_FILE_LIMIT

OTHER = "zX8kPq3mW5tYcV1bN7hJ4gF6dS0aLr2E"


def test_the_environment_wins_over_dotenv(load_from):
    """A variable in both has the environment's value, and the source says so."""
    settings = load_from({"LOG_LEVEL": "ERROR"}, dotenv="LOG_LEVEL=DEBUG\nSLOW_QUERY=2\n")
    assert (settings.log_level, settings.slow_query) == ("ERROR", 2.0)
    assert settings.sources["LOG_LEVEL"] == "environment"
    assert settings.sources["SLOW_QUERY"] == ".env line 2"
    assert settings.sources["THREADS"] == "default"


def test_the_process_environment_stays_as_it_is(load_from):
    """Loading ``.env`` sets nothing for other code, and reads nothing but what it was given."""
    before = dict(os.environ)
    assert load_from({}, dotenv="THREADS=3\n").threads == 3
    assert dict(os.environ) == before


def test_a_variable_set_to_nothing_counts_as_not_given(load_from):
    """An empty variable of the environment hides nothing."""
    settings = load_from({"THREADS": "", "LOG_LEVEL": "  ", "ENV": ""}, dotenv="THREADS=3\n")
    assert (settings.threads, settings.log_level, settings.env) == (3, "INFO", "production")


def test_values_in_dotenv_are_literal(load_from, monkeypatch):
    """``${NAME}`` is not replaced from anywhere."""
    monkeypatch.setenv("ELSEWHERE", "leak")
    settings = load_from({}, dotenv="ENV=test\nDB_PASS='a${ELSEWHERE}b'\n")
    assert settings.database.password.reveal() == "a${ELSEWHERE}b"


def test_a_secret_is_read_from_its_file(load_from, tmp_path):
    """``X_FILE`` gives X, without the one newline at its end and with everything else."""
    (tmp_path / "key").write_bytes(f" {KEY} \n\n".encode())
    settings = load_from({"JWT_SECRET_KEY_FILE": "key"})
    assert settings.jwt_keys[0].reveal() == f" {KEY} \n"
    assert settings.sources["JWT_SECRET_KEY"] == f"file {tmp_path / 'key'}"


def test_a_windows_newline_is_one_newline(load_from, tmp_path):
    """``\\r\\n`` at the end of a secret's file goes as a whole."""
    (tmp_path / "key").write_bytes(f"{KEY}\r\n".encode())
    assert load_from({"JWT_SECRET_KEY_FILE": str(tmp_path / "key")}).jwt_keys[0].reveal() == KEY


def test_a_link_to_a_secret_is_followed(load_from, tmp_path):
    """Orchestrators mount secrets as links."""
    (tmp_path / "real").write_text(KEY)
    (tmp_path / "key").symlink_to(tmp_path / "real")
    assert load_from({"JWT_SECRET_KEY_FILE": "key"}).jwt_keys[0].reveal() == KEY


def test_a_secret_by_value_and_by_file_is_an_error(wrong, tmp_path):
    """Nobody can tell which of the two was meant."""
    (tmp_path / "key").write_text(KEY)
    (fault,) = wrong({"JWT_SECRET_KEY": OTHER, "JWT_SECRET_KEY_FILE": "key"})
    assert isinstance(fault, SecretFileError)
    assert fault.problem == "is given twice, as JWT_SECRET_KEY and as JWT_SECRET_KEY_FILE"
    (fault,) = wrong({}, dotenv=f"JWT_SECRET_KEY={OTHER}\nJWT_SECRET_KEY_FILE=key\n")
    assert fault.source == ".env line 1 and .env line 2"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({"JWT_SECRET_KEY_FILE": "key"}, KEY), ({"JWT_SECRET_KEY": OTHER}, OTHER)],
)
def test_a_secret_of_the_environment_hides_both_forms_in_dotenv(load_from, tmp_path, environ, expected):
    """The environment wins as a whole: file over value, and value over file."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "old").write_text("never read, and far too short"[:9])
    line = "JWT_SECRET_KEY=short" if "JWT_SECRET_KEY_FILE" in environ else "JWT_SECRET_KEY_FILE=old"
    assert load_from(environ, dotenv=line).jwt_keys[0].reveal() == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file does not exist"),
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\xff\xfe" * 30, "the file is not UTF-8 text"),
        (b"k" * (SECRET_FILE_LIMIT + 1), "the file is larger than 64 KiB"),
    ],
)
def test_a_secret_file_that_cannot_serve_has_its_own_error(wrong, tmp_path, content, problem):
    """Missing, empty, binary and huge files are named, and nothing of them is quoted."""
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    (fault,) = wrong({"JWT_SECRET_KEY_FILE": "key"})
    assert (type(fault), fault.name, fault.problem) == (SecretFileError, "JWT_SECRET_KEY_FILE", problem)
    assert str(tmp_path / "key") in fault.source


def test_the_largest_secret_file_is_read(load_from, tmp_path):
    """64 KiB are not too much."""
    (tmp_path / "key").write_text((KEY * (SECRET_FILE_LIMIT // len(KEY)))[:SECRET_FILE_LIMIT])
    assert len(load_from({"JWT_SECRET_KEY_FILE": "key"}).jwt_keys[0].reveal()) == SECRET_FILE_LIMIT


def test_a_directory_or_a_pipe_is_no_secret_file(wrong, tmp_path):
    """Neither is opened: a pipe would wait for ever."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    faults = wrong({"JWT_SECRET_KEY_FILE": "directory", "DB_PASS_FILE": "pipe"})
    assert {f.problem for f in faults} == {"the file is a directory", "the file is no regular file"}


def test_only_secrets_have_files(wrong):
    """``THREADS_FILE`` means nothing, and with a prefix of ours it is an unknown name."""
    (fault,) = wrong({"DB_HOST_FILE": "x"})
    assert (fault.name, fault.nearest) == ("DB_HOST_FILE", "DB_PASS_FILE")


def test_lines_that_are_no_assignment_are_named(wrong):
    """Each bad line of ``.env`` is one fault with its number, blank lines counted."""
    faults = wrong({}, dotenv="\n\nTHREADS=3\n\nthis is nothing\nDB_NAME\n")
    assert [(type(f), f.source) for f in faults] == [
        (DotenvError, ".env line 5"),
        (DotenvError, ".env line 6"),
    ]


def test_a_name_given_twice_in_dotenv_is_an_error(wrong):
    """The last one does not silently win."""
    (fault,) = wrong({}, dotenv="THREADS=3\nTHREADS=4\n")
    assert fault.problem == "THREADS is given twice"
    assert fault.source == ".env line 1 and line 2"


def test_a_dotenv_that_cannot_be_read_is_an_error(tmp_path):
    """A directory of that name, or bytes that are no text."""
    (tmp_path / ".env").write_bytes(b"THREADS=\xff\n")
    with pytest.raises(Faults) as caught:
        load(tmp_path, {})
    (fault,) = caught.value.exceptions
    assert (type(fault), fault.problem) == (DotenvError, "the file is not UTF-8 text")
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    with pytest.raises(Faults) as caught:
        load(tmp_path, {})
    assert caught.value.exceptions[0].problem == "the file is a directory"


def test_an_absent_dotenv_is_fine(tmp_path):
    """Neither file needs to exist."""
    assert load(tmp_path, {}).apps == ()
