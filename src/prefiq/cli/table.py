"""Every command with its place and its one line of help, so that listing them imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMANDS", "GROUPS", "Entry", "below"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One command.

    Args:
        path: The words to type behind ``prefiq``, for example ``"run migrate"``.
        module: Name of the module in ``prefiq.cli.commands`` that holds it as ``command``.
        help: One line; the command's own docstring begins with it.
    """

    path: str
    module: str
    help: str

    @property
    def name(self) -> str:
        """The last word."""
        return self.path.rpartition(" ")[2]

    @property
    def group(self) -> str:
        """The words before the last; empty for a command of the first level."""
        return self.path.rpartition(" ")[0]


GROUPS = {
    "run": "Bring the database to the code, and check that all is well.",
    "server": "Serve the application over HTTP.",
    "doctor": "Look for what is wrong, with a fix for each finding.",
    "apps": "Look at the listed modules, and change the list.",
    "module": "Work on a module before it is released.",
    "tenants": "Create tenants, and lead each through its life.",
    "tenants domains": "Hosts of a tenant's own: claim, verify, remove.",
    "lowcode": "Write files from the declarations.",
}

COMMANDS = (
    Entry("try", "try_", "See it work: a temporary application, served."),
    Entry("new", "new", "Make the folder of a new application."),
    Entry("run migrate", "run_migrate", "Apply the migrations of all listed modules, then the seeds."),
    Entry("run sanity", "run_sanity", "Check settings, connection, migrations and one read per model."),
    Entry("server start", "server_start", "Serve the API; in development it migrates itself first."),
    Entry("doctor boot", "doctor_boot", "Validate settings, modules, declarations and bindings."),
    Entry(
        "doctor database",
        "doctor_database",
        "Connect to the databases and look at their health, or set them up.",
    ),
    Entry("doctor tenancy", "doctor_tenancy", "Attack the isolation of tenants, and show what came of it."),
    Entry("apps list", "apps_list", "List the modules that the application loads, in order."),
    Entry("apps show", "apps_show", "Show what a module is and brings; it need not be listed."),
    Entry("apps plan", "apps_plan", "Show what listing a module would change; nothing is changed."),
    Entry(
        "apps add", "apps_add", "List a module in prefiq.toml, if the application can be composed with it."
    ),
    Entry(
        "apps remove", "apps_remove", "Take a module from the list in prefiq.toml; its rows stay unless told."
    ),
    Entry("apps graph", "apps_graph", "Draw the listed modules and what each has from the others."),
    Entry(
        "apps explain", "apps_explain", "Say who bound, replaced and decorated a contract, and who uses it."
    ),
    Entry("apps lock", "apps_lock", "Write apps.lock: exactly which packages the listed apps come from."),
    Entry(
        "apps verify",
        "apps_verify",
        "Compare the installed packages of the listed apps with apps.lock, file by file.",
    ),
    Entry("module check", "module_check", "Say which part of a module's version must rise since a release."),
    Entry("tenants create", "tenants_create", "Create a tenant and fill it with the seeds."),
    Entry("tenants list", "tenants_list", "List the tenants, in the order in which they were made."),
    Entry(
        "tenants show",
        "tenants_show",
        "Show where a tenant stands, in which state it is, and what happened to it.",
    ),
    Entry("tenants suspend", "tenants_suspend", "Serve a tenant no more; its rows stay."),
    Entry("tenants read-only", "tenants_read_only", "Show a tenant's rows and refuse every change of them."),
    Entry("tenants resume", "tenants_resume", "Serve a tenant again in full, whatever kept it from that."),
    Entry(
        "tenants hold",
        "tenants_hold",
        "Let nobody delete a tenant; --reason is wanted, and shown to whoever tries.",
    ),
    Entry(
        "tenants sync-shared",
        "tenants_sync_shared",
        "Bring the copies of shared rows in tenants' own databases to the originals.",
    ),
    Entry("tenants release", "tenants_release", "Let a tenant be deleted again, whatever it was held for."),
    Entry(
        "tenants export",
        "tenants_export",
        "Write all rows of a tenant, history included, to a file for the customer.",
    ),
    Entry(
        "tenants delete",
        "tenants_delete",
        "Delete a tenant: it is served no more, and its rows go when the time of grace is over.",
    ),
    Entry(
        "tenants across",
        "tenants_across",
        "List who read the rows of all tenants together, when and why.",
    ),
    Entry(
        "tenants domains add",
        "tenants_domains_add",
        "Claim a host for a tenant, and print the DNS record that proves it.",
    ),
    Entry("tenants domains list", "tenants_domains_list", "List the hosts of a tenant, verified or not."),
    Entry(
        "tenants domains verify",
        "tenants_domains_verify",
        "Let a host lead to its tenant, once DNS has the record that proves it.",
    ),
    Entry("tenants domains remove", "tenants_domains_remove", "Let a host lead to its tenant no more."),
    Entry("token", "token", "Make a token for trying the API; not in production."),
    Entry("shell", "shell", "Python with a tenant's scope open; in production it is logged."),
    Entry("lowcode new", "lowcode_new", "Write a module with one model into the application, and list it."),
    Entry("lowcode makemigrations", "lowcode_makemigrations", "Write the migration of a changed module."),
    Entry(
        "lowcode docs",
        "lowcode_docs",
        "Write a reference page for each module, from its declarations; no database is needed.",
    ),
    Entry(
        "lowcode openapi",
        "lowcode_openapi",
        "Write the OpenAPI document of the application's API; no server and no database are needed.",
    ),
)


def below(group: str) -> dict[str, Entry | str]:
    """What stands directly behind some words: commands, and the help of groups.

    Args:
        group: ``""`` for the first level, or a group's name.
    """
    found: dict[str, Entry | str] = {entry.name: entry for entry in COMMANDS if entry.group == group}
    found |= {
        path.rpartition(" ")[2]: says for path, says in GROUPS.items() if path.rpartition(" ")[0] == group
    }
    return dict(sorted(found.items()))
