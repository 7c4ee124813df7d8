"""The one table of settings: what the loader reads, the reference page shows and ``.env.example`` holds.

A setting is added here and nowhere else; the field of ``Settings`` that carries it has the same name in
lower case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prefiq.settings import kinds
from prefiq.settings.kinds import Kind
from prefiq.settings.secret import Secret

__all__ = ["DATABASE_FIELDS", "DATABASE_ROLES", "SECTIONS", "TABLE", "Setting"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One variable.

    Args:
        name: As it stands in the environment.
        kind: What its text may be, and how it becomes a value.
        default: The text that holds where it is not given; None where there is no value then.
        help: One sentence for the reference page, without the name.
        section: Heading of the reference page under which it stands.
        unset: What holds where it is not given, in words, where ``default`` is None.
        example: The text in ``.env.example``; empty where the line stands there as a comment.
        secret: Whether its value is hidden everywhere and may be read from ``<name>_FILE``.
        engines: The engines that it has a meaning for; every one where empty.
        since: The first release that has it.
    """

    name: str
    kind: Kind[T]
    default: str | None
    help: str
    section: str
    unset: str = ""
    example: str = ""
    secret: bool = False
    engines: tuple[str, ...] = ()
    since: str = "0.1.0"

    @property
    def choices(self) -> tuple[str, ...]:
        """The accepted words, where they are few."""
        return self.kind.choices


GENERAL = "Application"
LOGS = "Logs"
DATABASE = "Database"
SECURITY = "Security"
SERVER = "Server"
SECTIONS = (GENERAL, LOGS, DATABASE, SECURITY, SERVER)

SERVERS = ("postgres", "mariadb")

ENV: Setting[str] = Setting(
    "ENV",
    kinds.words("production", "staging", "development", "test"),
    "production",
    "Where this runs; staging keeps every rule of production.",
    GENERAL,
    example="production",
)
APPS = Setting(
    "APPS",
    kinds.names("names or import paths, with commas between them: projects,demo.invoice:InvoiceProvider"),
    None,
    "The apps to load; replaces the list in prefiq.toml as a whole.",
    GENERAL,
    unset="the list `apps` of prefiq.toml",
)
TENANCY = Setting(
    "TENANCY",
    kinds.words("row", "schema", "database", "single"),
    "row",
    "How new tenants are kept apart: `row` by a column in common tables, `schema` by a schema for each "
    "(PostgreSQL), `database` by a database (SQLite: a file) for each; `single` for one fixed tenant.",
    GENERAL,
    example="row",
)
TENANT = Setting(
    "TENANT",
    kinds.pattern(
        r"[a-z0-9][a-z0-9_-]{0,62}", "1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
    ),
    "main",
    "The key of the one tenant; with `TENANCY=single` only.",
    GENERAL,
)

TENANT_DOMAIN = Setting(
    "TENANT_DOMAIN",
    kinds.pattern(
        r"(?=.{1,180}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
        "a domain in lower case, such as shop.example",
    ),
    None,
    "The domain whose subdomains name tenants: with `shop.example`, `acme.shop.example` is the tenant `acme`. "
    "Hosts then count: each must be this domain, below it, or a tenant's verified domain.",
    GENERAL,
    unset="hosts do not count",
)

TENANT_DB_KEY = Setting(
    "TENANT_DB_KEY",
    kinds.key(32),
    None,
    "With it every tenant that has a database has an account of its own there, whose password is derived from it; "
    "nothing else holds that.",
    DATABASE,
    unset="`DB_USER` serves all tenants' databases",
    secret=True,
    engines=SERVERS,
)
DB_MAX_CONNECTIONS = Setting(
    "DB_MAX_CONNECTIONS",
    kinds.integer(1, 10_000),
    "40",
    "Connections that one process holds at most to databases that tenants have of their own.",
    DATABASE,
)

LOG_LEVEL = Setting(
    "LOG_LEVEL",
    kinds.words("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", upper=True),
    "INFO",
    "The least severe records that are written.",
    LOGS,
    example="INFO",
)
LOG_FORMAT = Setting(
    "LOG_FORMAT",
    kinds.words("text", "json"),
    "text",
    "One line of text, or one JSON object, for each record.",
    LOGS,
    example="json",
)
LOG_COLOR = Setting(
    "LOG_COLOR",
    kinds.boolean(),
    "true",
    "`false` means no colours at all; else they appear on a terminal only, and never in production.",
    LOGS,
    example="false",
)
NO_COLOR = Setting(
    "NO_COLOR",
    kinds.text("any text"),
    None,
    "Any text switches colours off, as for many other programs.",
    LOGS,
    unset="colours as `LOG_COLOR` says",
)

DB_ENGINE = Setting(
    "DB_ENGINE",
    kinds.words("sqlite", "postgres", "mariadb"),
    "sqlite",
    "The database engine.",
    DATABASE,
    example="sqlite",
)
DB_MODE = Setting(
    "DB_MODE",
    kinds.words("sync", "async"),
    "sync",
    "How the driver is called: `sync` in threads, `async` on the event loop; modules are the same in both, and "
    "all databases of an application have the same.",
    DATABASE,
    example="sync",
)
DB_NAME = Setting(
    "DB_NAME",
    kinds.text("the path of a file (SQLite) or the name of a database"),
    "prefiq.db",
    "SQLite: the database's file, relative to the application's folder. Servers: the database's name, which "
    "must be given.",
    DATABASE,
    example="prefiq.db",
)
DB_HOST = Setting(
    "DB_HOST",
    kinds.host(),
    None,
    "The server's host.",
    DATABASE,
    unset="localhost",
    engines=SERVERS,
)
DB_PORT = Setting(
    "DB_PORT",
    kinds.integer(1, 65535),
    None,
    "The server's port.",
    DATABASE,
    unset="5432 for PostgreSQL, 3306 for MariaDB",
    engines=SERVERS,
)
DB_USER = Setting(
    "DB_USER",
    kinds.text("a user's name"),
    None,
    "The user to connect as.",
    DATABASE,
    unset="the driver's own: as a rule the name of the operating system's user",
    engines=SERVERS,
)
DB_PASS: Setting[Secret] = Setting(
    "DB_PASS",
    kinds.password(),
    None,
    "The user's password.",
    DATABASE,
    unset="none",
    secret=True,
    engines=SERVERS,
)
DB_SSL_MODE = Setting(
    "DB_SSL_MODE",
    kinds.words("disable", "prefer", "require", "verify-ca", "verify-full"),
    "prefer",
    "Whether the connection is encrypted, and the server's certificate checked: `prefer` takes what the server "
    "offers, `require` encrypts, `verify-ca` also checks who signed the certificate, `verify-full` also that it "
    "is the host's.",
    DATABASE,
    engines=SERVERS,
)
DB_SSL_CA = Setting(
    "DB_SSL_CA",
    kinds.text("the path of a file"),
    None,
    "File of the authorities that the server's certificate is checked with; PostgreSQL needs it for `verify-ca`.",
    DATABASE,
    unset="the system's authorities",
    engines=SERVERS,
)
DB_SSL_CERT = Setting(
    "DB_SSL_CERT",
    kinds.text("the path of a file"),
    None,
    "File of the certificate that this client shows.",
    DATABASE,
    unset="none",
    engines=SERVERS,
)
DB_SSL_KEY = Setting(
    "DB_SSL_KEY",
    kinds.text("the path of a file"),
    None,
    "File of the key of `DB_SSL_CERT`.",
    DATABASE,
    unset="none",
    engines=SERVERS,
)
DB_CONNECT_TIMEOUT = Setting(
    "DB_CONNECT_TIMEOUT",
    kinds.seconds(0.1, 300),
    "5",
    "How long opening a connection may take; at most `REQUEST_TIMEOUT`, also where it is not given.",
    DATABASE,
    engines=SERVERS,
)
DB_STATEMENT_TIMEOUT = Setting(
    "DB_STATEMENT_TIMEOUT",
    kinds.seconds(0, 86400),
    None,
    "How long one statement may take; at most `REQUEST_TIMEOUT`, or 0 for no end of its own. A request's "
    "deadline ends it earlier.",
    DATABASE,
    unset="as `REQUEST_TIMEOUT`",
)
DB_POOL_SIZE = Setting(
    "DB_POOL_SIZE", kinds.integer(1, 1000), "8", "Connections that one process holds at most.", DATABASE
)
DB_POOL_TIMEOUT = Setting(
    "DB_POOL_TIMEOUT",
    kinds.seconds(0.1, 300),
    "5",
    "How long a request waits for a free connection; at most `DB_STATEMENT_TIMEOUT` and `REQUEST_TIMEOUT`, also "
    "where it is not given.",
    DATABASE,
)
DB_POOL_WARMUP = Setting(
    "DB_POOL_WARMUP",
    kinds.boolean(),
    "false",
    "Open the pool's connections at start, not at the first request.",
    DATABASE,
)
DB_POOLER = Setting(
    "DB_POOLER",
    kinds.words("none", "transaction"),
    "none",
    "Whether a pooler stands between that gives a server's connection to another client after each transaction, "
    "as PgBouncer with `pool_mode = transaction`: then nothing is left on a connection. Migrations need the server "
    "itself: `MIGRATE_DB_HOST` and `MIGRATE_DB_PORT`.",
    DATABASE,
    engines=("postgres",),
)
DB_BUSY_TIMEOUT = Setting(
    "DB_BUSY_TIMEOUT",
    kinds.seconds(0, 300),
    "5",
    "How long to wait for another writer (on a server, for a lock); at most `REQUEST_TIMEOUT`, also where it is not given.",
    DATABASE,
)
SLOW_QUERY = Setting(
    "SLOW_QUERY",
    kinds.seconds(0, 3600),
    "0.5",
    "Statements that take longer are logged; 0 logs none.",
    DATABASE,
)

JWT_SECRET_KEY: Setting[Secret] = Setting(
    "JWT_SECRET_KEY",
    kinds.key(32),
    None,
    "Signs and verifies this application's own tokens. In production it comes from a secrets manager, as a "
    "file named by `JWT_SECRET_KEY_FILE`; a sample value is refused there.",
    SECURITY,
    unset="only tokens of outside issuers are accepted",
    secret=True,
)
JWT_SECRET_KEY_PREVIOUS: Setting[Secret] = Setting(
    "JWT_SECRET_KEY_PREVIOUS",
    kinds.key(32),
    None,
    "The key before the last change: it still verifies, and signs nothing.",
    SECURITY,
    unset="none",
    secret=True,
)
SECRETS_TIMEOUT = Setting(
    "SECRETS_TIMEOUT",
    kinds.seconds(0.1, 60),
    "5",
    "How long a store of secrets may take for one answer, where a secret is given as `vault:…` or `ssm:…`.",
    SECURITY,
)
JWT_ISSUERS = Setting(
    "JWT_ISSUERS",
    kinds.text('JSON: {"name": {"issuer": …, "audience": …, "jwks_uri": …}}'),
    None,
    "Outside issuers whose tokens are accepted, as JSON; replaces `[issuers]` of prefiq.toml as a whole.",
    SECURITY,
    unset="the table `[issuers]` of prefiq.toml",
)

BODY_LIMIT = Setting(
    "BODY_LIMIT", kinds.size(1024, 1024**3), "1MiB", "The largest request body that is read.", SERVER
)
REQUEST_TIMEOUT = Setting(
    "REQUEST_TIMEOUT", kinds.seconds(1, 3600), "30", "How long one request may take.", SERVER
)
THREADS = Setting(
    "THREADS",
    kinds.integer(1, 256),
    "8",
    "With `DB_MODE=sync`: threads that serve requests in one process.",
    SERVER,
)
CONCURRENCY = Setting(
    "CONCURRENCY",
    kinds.integer(1, 10_000),
    "64",
    "With `DB_MODE=async`: requests that one process works on at once; more than `DB_POOL_SIZE` wait for a "
    "connection while others think or call somebody else.",
    SERVER,
)
TRUSTED_PROXIES = Setting(
    "TRUSTED_PROXIES",
    kinds.networks(),
    None,
    "The proxies whose `X-Forwarded-Host`, `X-Forwarded-Proto` and `Forwarded` are believed, by address or network; "
    "`unix` for who connects by a Unix socket.",
    SERVER,
    unset="nobody's word is believed",
)
DOCS = Setting(
    "DOCS",
    kinds.boolean(),
    None,
    "Whether the API's documentation page is served.",
    SERVER,
    unset="off in production and staging, else on",
)

TABLE: tuple[Setting[Any], ...] = (
    ENV,
    APPS,
    TENANCY,
    TENANT,
    TENANT_DOMAIN,
    LOG_LEVEL,
    LOG_FORMAT,
    LOG_COLOR,
    NO_COLOR,
    DB_ENGINE,
    DB_MODE,
    DB_NAME,
    DB_HOST,
    DB_PORT,
    DB_USER,
    DB_PASS,
    DB_SSL_MODE,
    DB_SSL_CA,
    DB_SSL_CERT,
    DB_SSL_KEY,
    DB_CONNECT_TIMEOUT,
    DB_STATEMENT_TIMEOUT,
    DB_POOL_SIZE,
    DB_POOL_TIMEOUT,
    DB_POOL_WARMUP,
    DB_POOLER,
    DB_BUSY_TIMEOUT,
    DB_MAX_CONNECTIONS,
    TENANT_DB_KEY,
    SLOW_QUERY,
    JWT_SECRET_KEY,
    JWT_SECRET_KEY_PREVIOUS,
    SECRETS_TIMEOUT,
    JWT_ISSUERS,
    BODY_LIMIT,
    REQUEST_TIMEOUT,
    THREADS,
    CONCURRENCY,
    TRUSTED_PROXIES,
    DOCS,
)

DATABASE_FIELDS: tuple[Setting[Any], ...] = tuple(
    s for s in TABLE if s.name.startswith("DB_") and s is not DB_MAX_CONNECTIONS
)
"""What a named database has too, with its name before it: ``ANALYTICS_DB_HOST``."""

DATABASE_ROLES = ("MIGRATE", "ACROSS", "ADMIN")
"""Names before ``_DB_`` that are roles on the default database, never databases of their own."""
