"""What process managers load by name."""

__all__: list[str] = []
