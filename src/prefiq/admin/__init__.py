"""Pages drawn from the declarations, for people; this room is empty until they arrive.

Imports everything below it: ``web`` to be mounted, ``application`` to read the catalog.
"""

__all__: list[str] = []
