"""Variables that look like ours and are not."""

from __future__ import annotations

import pytest

from prefiq.settings import UnknownSetting


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DB_PASSWORD", "DB_PASS"),
        ("DB_USERNAME", "DB_USER"),
        ("JWT_SECRET", "JWT_SECRET_KEY"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("MIGRATE_DB_PASSWORD", "MIGRATE_DB_PASS"),
        ("DB_DATABASE", "DB_NAME"),
        ("ADMIN_DB_TYPE", "ADMIN_DB_ENGINE"),
    ],
)
def test_a_misspelt_variable_is_an_error_with_the_nearest_name(wrong, name, meant):
    """It would otherwise be ignored without a word."""
    (fault,) = wrong({name: "x" * 40})
    assert (type(fault), fault.name, fault.nearest) == (UnknownSetting, name, meant)
    assert f'did you mean "{meant}"?' in str(fault)


@pytest.mark.parametrize(
    "name", ["MIGRATE_DB_WHATEVER", "DB_SERVICE_HOST", "DB_PORT_3306_TCP_ADDR", "LOG_DIR"]
)
def test_what_others_set_in_the_environment_is_a_warning(load_from, name):
    """Orchestrators set such names; the application must start all the same."""
    settings = load_from({name: "x"})
    assert [w.name for w in settings.warnings] == [name]


def test_an_unknown_name_of_ours_in_dotenv_is_an_error(wrong):
    """Nobody but the operator writes that file."""
    assert [f.name for f in wrong({}, dotenv="LOG_DIR=x\n")] == ["LOG_DIR"]


def test_names_of_others_are_nobodys_business(load_from):
    """Neither file nor environment is Prefiq's alone."""
    settings = load_from(
        {"PATH": "/bin", "POSTGRES_DB": "x"}, dotenv="STRIPE_URL=x\nCOMPOSE_PROJECT_NAME=y\n"
    )
    assert settings.warnings == ()


def test_a_near_name_in_dotenv_is_a_warning(load_from):
    """``TENANY`` was probably meant otherwise."""
    (warning,) = load_from({}, dotenv="TENANY=single\n").warnings
    assert warning.nearest == "TENANCY"


def test_fields_of_a_database_without_an_engine(load_from, wrong):
    """A warning in the environment, where the name may be somebody else's; an error in ``.env``."""
    (warning,) = load_from({"KONG_DB_HOST": "x"}).warnings
    assert warning.accepted == "set KONG_DB_ENGINE too"
    assert [f.name for f in wrong({}, dotenv="KONG_DB_HOST=x\n")] == ["KONG_DB_HOST"]


def test_a_misspelt_field_of_a_named_database_is_an_error(wrong):
    """Its variables are checked as the default's are."""
    (fault,) = wrong({"A_DB_ENGINE": "sqlite", "A_DB_NAME": "a.db", "A_DB_PASSWORD": "x"})
    assert fault.nearest == "A_DB_PASS"
