"""What an application is told from outside: environment, ``.env``, secrets' files, ``prefiq.toml``; and logs.

Imports ``errors`` and ``contracts`` alone; python-dotenv is loaded only where there is a ``.env``.
"""

from prefiq.settings.databases import DatabaseSettings
from prefiq.settings.errors import (
    DotenvError,
    SecretFileError,
    SecretInToml,
    SecretStoreError,
    SettingError,
    TomlError,
    UnknownSetting,
    UnsafeInProduction,
)
from prefiq.settings.issuers import ClaimMap, Issuer
from prefiq.settings.loader import load
from prefiq.settings.logs import configure_logging
from prefiq.settings.secret import Secret
from prefiq.settings.settings import Settings
from prefiq.settings.table import TABLE, Setting
from prefiq.settings.toml_file import AppRef

__all__ = [
    "TABLE",
    "AppRef",
    "ClaimMap",
    "DatabaseSettings",
    "DotenvError",
    "Issuer",
    "Secret",
    "SecretFileError",
    "SecretInToml",
    "SecretStoreError",
    "Setting",
    "SettingError",
    "Settings",
    "TomlError",
    "UnknownSetting",
    "UnsafeInProduction",
    "configure_logging",
    "load",
]
