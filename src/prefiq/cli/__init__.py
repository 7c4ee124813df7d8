"""The command line: ``prefiq …`` and ``python -m prefiq.cli``; the topmost room, imported by nobody.

``program.py`` is the root command, ``commands/`` holds one command a file, ``table.py`` lists them so that
``prefiq --help`` imports none.  Heavy rooms are imported inside the functions that need them.
"""

__all__: list[str] = []
