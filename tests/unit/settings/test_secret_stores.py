"""Secrets that others keep: a Vault, the Parameter Store of AWS, systemd, and whoever is installed."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest
from tests.unit.settings.conftest import KEY
from tests.unit.settings.vault_server import ROLE, TOKEN, Vault, vault_server

from prefiq.settings import SecretFileError, SecretStoreError, Settings
from prefiq.settings.secret_stores import Ask, SecretNotRead, StoreDown

OTHER = "zX8kPq3mW5tYcV1bN7hJ4gF6dS0aLr2E"


# ---- Vault


@pytest.fixture
def vault() -> Iterator[Vault]:
    with vault_server() as vault:
        vault.secrets = {"secret/prefiq": {"jwt": KEY, "db": "pass-word", "port": 3306, "empty": ""}}
        yield vault


def asking(vault: Vault, **values: str) -> dict[str, str]:
    return {"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN, **values}


def test_a_secret_comes_from_vault(load_from, vault):
    """Several fields of one Vault; the source names the reference and where that stood."""
    environ = asking(vault, JWT_SECRET_KEY="vault:secret/prefiq#jwt", DB_PASS="vault:secret/prefiq#db")
    settings = load_from({**environ, "DB_ENGINE": "postgres", "DB_NAME": "x"})
    assert settings.jwt_keys[0].reveal() == KEY
    assert settings.database.password.reveal() == "pass-word"
    assert settings.secret_sources == {
        "DB_PASS": "vault:secret/prefiq#db (environment)",
        "JWT_SECRET_KEY": "vault:secret/prefiq#jwt (environment)",
    }


def test_each_secret_is_asked_for_once(load_from, vault):
    """However often a setting is looked at: three databases with one password are one question."""
    databases = {f"{name}DB_ENGINE": "postgres" for name in ("", "A_", "B_")}
    names = {f"{name}DB_NAME": "x" for name in ("", "A_", "B_")}
    load_from({**asking(vault, DB_PASS="vault:secret/prefiq#db"), **databases, **names})
    assert vault.asked == ["GET /v1/secret/data/prefiq"]


def test_a_reference_may_stand_in_dotenv_and_the_token_in_a_file(load_from, vault, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    dotenv = f"JWT_SECRET_KEY=vault:secret/prefiq#jwt\nVAULT_ADDR={vault.address}\nVAULT_TOKEN_FILE=token\n"
    settings = load_from({}, dotenv=dotenv)
    assert settings.jwt_keys[0].reveal() == KEY
    assert settings.secret_sources == {"JWT_SECRET_KEY": "vault:secret/prefiq#jwt (.env line 1)"}


def test_a_role_and_its_secret_id_do_instead_of_a_token(load_from, wrong, vault, tmp_path):
    (tmp_path / "id").write_text(ROLE["secret_id"])
    environ = {
        "VAULT_ADDR": vault.address,
        "VAULT_ROLE_ID": ROLE["role_id"],
        "JWT_SECRET_KEY": "vault:secret/prefiq#jwt",
    }
    assert load_from({**environ, "VAULT_SECRET_ID_FILE": "id"}).jwt_keys[0].reveal() == KEY
    (fault,) = wrong({**environ, "VAULT_SECRET_ID": "guessed"})
    assert fault.problem == "the store does not know this role and its secret id"


def test_what_a_file_holds_is_taken_as_it_is(load_from, tmp_path):
    """The way out for a password that begins like a reference."""
    (tmp_path / "key").write_text("vault:secret/prefiq#jwt-and-32-bytes-of-it")
    settings = load_from({"JWT_SECRET_KEY_FILE": "key"})
    assert settings.jwt_keys[0].reveal() == "vault:secret/prefiq#jwt-and-32-bytes-of-it"


@pytest.mark.parametrize("password", ["ssm", "unknown:thing", "Vault:secret/x#y", "vault:", ":x", "a:b:c"])
def test_a_password_with_a_colon_is_a_password(load_from, password):
    settings = load_from({"ENV": "test", "DB_ENGINE": "postgres", "DB_NAME": "x", "DB_PASS": password})
    assert settings.database.password.reveal() == password


def test_only_secrets_refer_to_stores(load_from, vault):
    """A name that looks like a reference is a name."""
    settings = load_from(asking(vault, DB_ENGINE="postgres", DB_NAME="vault:secret/prefiq#db"))
    assert settings.database.database == "vault:secret/prefiq#db"
    assert vault.asked == []


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("vault:secret/other#jwt", "there is no such secret"),
        ("vault:secret/prefiq#none", "the secret has no text in that field"),
        ("vault:secret/prefiq#port", "the secret has no text in that field"),
        ("vault:secret/prefiq#empty", "the secret has no text in that field"),
        ("vault:secret/prefiq", "the reference names no mount, path and field"),
        ("vault:prefiq#jwt", "the reference names no mount, path and field"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault(wrong, vault, reference, problem):
    (fault,) = wrong(asking(vault, JWT_SECRET_KEY=reference))
    assert isinstance(fault, SecretStoreError)
    assert str(fault) == (
        f"JWT_SECRET_KEY: {problem} ({reference} (environment)) [PFQ109]\n"
        "  Try: vault:MOUNT/PATH#FIELD, such as vault:secret/prefiq#jwt"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"VAULT_TOKEN": "hvs.another-token"}, "the store refuses it to this identity"),
        ({"VAULT_TOKEN": ""}, "nothing says who asks the store"),
        ({"VAULT_ADDR": ""}, "no address of the store is given"),
        ({"VAULT_ADDR": "http://127.0.0.1:9"}, "the store cannot be reached"),
        ({"VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "none"}, "VAULT_TOKEN_FILE: the file does not exist"),
    ],
)
def test_a_store_that_does_not_answer_us_is_a_fault(wrong, vault, change, problem):
    (fault,) = wrong({**asking(vault, JWT_SECRET_KEY="vault:secret/prefiq#jwt"), **change})
    assert fault.problem == problem


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (503, "the store is sealed or not ready"),
        (500, "the store answers with an error (InternalServerError)"),
        (400, "the store answers with an error (InvalidRequest)"),
        (418, "the store answers with an error (UnexpectedError)"),
    ],
)
def test_what_a_store_says_in_an_error_is_not_repeated(wrong, vault, status, problem):
    """Our stand-in repeats the token, as a debugging proxy might."""
    vault.status = status
    (fault,) = wrong(asking(vault, JWT_SECRET_KEY="vault:secret/prefiq#jwt"))
    assert fault.problem == problem
    seen: BaseException | None = fault
    while seen is not None:
        assert TOKEN not in str(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def test_faults_of_stores_stand_beside_all_others(wrong, vault):
    """Everything is reported together, a wrong secret from a store without its text."""
    vault.secrets["secret/short"] = {"jwt": "tooshort"}
    environ = asking(
        vault, JWT_SECRET_KEY="vault:secret/short#jwt", DB_PASS="vault:secret/none#x", DB_PORT="abc"
    )
    faults = wrong({**environ, "DB_ENGINE": "postgres", "DB_NAME": "x"})
    assert {fault.name for fault in faults} == {"JWT_SECRET_KEY", "DB_PASS", "DB_PORT"}
    assert not any("tooshort" in str(fault) for fault in faults)


def test_a_store_that_is_silent_is_waited_for_once(wrong):
    """It accepts and never answers: two secrets, one wait of the time that the settings give."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        environ = {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": TOKEN, "SECRETS_TIMEOUT": "0.3"}
        began = time.monotonic()
        faults = wrong(
            {
                **environ,
                "JWT_SECRET_KEY": "vault:secret/prefiq#jwt",
                "JWT_SECRET_KEY_PREVIOUS": "vault:secret/prefiq#old",
            }
        )
        took = time.monotonic() - began
    silent_ones = [fault for fault in faults if isinstance(fault, SecretStoreError)]
    assert [fault.problem for fault in silent_ones] == ["the store does not answer in time"] * 2
    assert 0.3 <= took < 3


def test_a_store_that_fails_is_asked_once(wrong, vault):
    """Two secrets of a sealed Vault are one question and two faults."""
    vault.status = 503
    environ = asking(vault, JWT_SECRET_KEY="vault:secret/prefiq#jwt", DB_PASS="vault:secret/other#db")
    faults = wrong({**environ, "DB_ENGINE": "postgres", "DB_NAME": "x"})
    assert [fault.problem for fault in faults] == ["the store is sealed or not ready"] * 2
    assert len(vault.asked) == 1


# ---- AWS Systems Manager


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """Moto's server with three parameters; the variables that lead to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL_SSM": f"http://{host}:{port}",
        "AWS_REGION": "ap-south-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "the-key-of-the-account",
    }
    client = boto3.client(
        "ssm",
        endpoint_url=variables["AWS_ENDPOINT_URL_SSM"],
        region_name="ap-south-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="x",
    )
    client.put_parameter(Name="/prefiq/jwt", Value=KEY, Type="SecureString")
    client.put_parameter(Name="/prefiq/json", Value=f'{{"jwt": "{OTHER}", "n": 1}}', Type="SecureString")
    client.close()
    yield variables
    server.stop()


def test_a_secret_comes_from_ssm(load_from, aws):
    """A parameter as a whole, decrypted, and a field of one that holds JSON."""
    settings = load_from(
        {**aws, "JWT_SECRET_KEY": "ssm:/prefiq/jwt", "JWT_SECRET_KEY_PREVIOUS": "ssm:/prefiq/json#jwt"}
    )
    assert [key.reveal() for key in settings.jwt_keys] == [KEY, OTHER]
    assert settings.secret_sources["JWT_SECRET_KEY"] == "ssm:/prefiq/jwt (environment)"


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("ssm:/prefiq/none", "there is no such parameter"),
        ("ssm:/prefiq/jwt#x", "the parameter is no JSON with a text in that field"),
        ("ssm:/prefiq/json#n", "the parameter is no JSON with a text in that field"),
        ("ssm:#x", "the reference is no parameter's name"),
    ],
)
def test_a_parameter_that_is_not_there_is_a_fault(wrong, aws, reference, problem):
    (fault,) = wrong({**aws, "JWT_SECRET_KEY": reference})
    assert (fault.code, fault.problem) == ("PFQ109", problem)
    assert KEY not in str(fault)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:9"}, "the store cannot be reached"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "one of the two keys is given alone"),
        ({"AWS_REGION": ""}, "the store's variables do not agree (NoRegionError)"),
    ],
)
def test_a_parameter_store_that_cannot_be_asked_is_a_fault(
    wrong, aws, monkeypatch, tmp_path, change, problem
):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    (fault,) = wrong({**aws, "JWT_SECRET_KEY": "ssm:/prefiq/jwt", **change})
    assert fault.problem == problem
    assert "the-key-of-the-account" not in str(fault)


@pytest.mark.parametrize("scheme", ["vault", "ssm"])
def test_the_libraries_log_no_secret(load_from, vault, aws, caplog, scheme):
    """Also not at DEBUG, where boto3 writes what was answered."""
    caplog.set_level("DEBUG")
    reference = {"vault": "vault:secret/prefiq#jwt", "ssm": "ssm:/prefiq/jwt"}[scheme]
    assert load_from(asking(vault, **aws, JWT_SECRET_KEY=reference)).jwt_keys[0].reveal() == KEY
    for hidden in (KEY, TOKEN, "the-key-of-the-account"):
        assert hidden not in caplog.text


# ---- systemd, and others


def test_a_credential_of_systemd_is_a_secret(load_from, wrong, tmp_path):
    """``LoadCredential=JWT_SECRET_KEY:…`` is all that a unit needs; twice given is an error here, too."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "JWT_SECRET_KEY").write_text(KEY + "\n")
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    settings = load_from(environ, dotenv=f"JWT_SECRET_KEY={OTHER}\n")
    assert settings.jwt_keys[0].reveal() == KEY
    assert settings.secret_sources == {"JWT_SECRET_KEY": "credential JWT_SECRET_KEY"}
    (fault,) = wrong({**environ, "JWT_SECRET_KEY": OTHER})
    assert isinstance(fault, SecretFileError)
    assert fault.problem == "is given twice, as JWT_SECRET_KEY and as the credential JWT_SECRET_KEY"
    (folder / "JWT_SECRET_KEY").write_text("")
    (fault,) = wrong(environ)
    assert str(fault).startswith("JWT_SECRET_KEY: the file is empty (credential JWT_SECRET_KEY) [PFQ103]")


class Sleepy:
    """A store of somebody else that never comes back, and one whose errors tell too much."""

    def __init__(self, ask: Ask, timeout: float) -> None:
        self.says, self.timeout = ask("SLEEPY_SAYS"), timeout

    def read(self, name: str) -> str:
        if self.says == "error":
            raise RuntimeError(f"the secret {name} is {KEY}")
        if self.says == "no":
            raise SecretNotRead("it is asleep", "wake it up")
        time.sleep(4 * self.timeout)
        raise StoreDown("too late")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def sleepy(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("sleepy", f"{__name__}:Sleepy", "prefiq.secrets")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: (point,) if group else ())
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("error", "the store failed (RuntimeError)"),
        ("no", "it is asleep"),
        ("", "the store has not answered after 0.4 s"),
    ],
)
def test_a_store_of_another_package_is_held_to_the_same(wrong, sleepy, says, problem):
    """Its own errors are not repeated, and it is not waited for without end."""
    (fault,) = wrong({"SECRETS_TIMEOUT": "0.2", "SLEEPY_SAYS": says, "JWT_SECRET_KEY": "sleepy:x"})
    assert fault.problem == problem
    assert KEY not in str(fault)


@pytest.mark.parametrize(("scheme", "library"), [("vault", "hvac"), ("ssm", "boto3")])
def test_a_missing_library_is_named_with_its_extra(wrong, monkeypatch, scheme, library):
    monkeypatch.setitem(sys.modules, library, None)
    (fault,) = wrong({"JWT_SECRET_KEY": f"{scheme}:secret/prefiq#jwt"})
    assert fault.problem == f"the library {library} is not installed"
    assert fault.fix == f'pip install "prefiq[{scheme}]"'


def test_sources_name_secrets_alone(load_from):
    settings: Settings = load_from({"ENV": "test", "JWT_SECRET_KEY": KEY, "LOG_LEVEL": "ERROR"})
    assert settings.secret_sources == {"JWT_SECRET_KEY": "environment"}
