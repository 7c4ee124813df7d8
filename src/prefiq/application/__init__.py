"""``Application``: prepared from settings, booted, asked for scopes, forked in tests."""

from prefiq.application.application import Application

__all__ = ["Application"]
