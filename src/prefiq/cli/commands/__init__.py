"""One command a file, each named ``command``; ``prefiq.cli.table`` lists them."""

__all__: list[str] = []
