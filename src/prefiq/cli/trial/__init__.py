"""What ``prefiq try`` is made of: a temporary application, a client, and the story that ``--check`` tells.

Drives the product from outside only: files, settings, HTTP.
"""

__all__: list[str] = []
