"""First-party providers: ``LowcodeProvider`` comes before every listed module, on the same base as theirs."""

from prefiq.providers.lowcode_provider import LowcodeProvider

__all__ = ["LowcodeProvider"]
