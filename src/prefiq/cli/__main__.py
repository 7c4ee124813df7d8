"""``python -m prefiq.cli`` and the script ``prefiq``."""

from __future__ import annotations


def main() -> None:
    """Run the command that the process's arguments name, and exit with its code."""
    from prefiq.cli.program import program

    program.main(prog_name="prefiq")


if __name__ == "__main__":
    main()
