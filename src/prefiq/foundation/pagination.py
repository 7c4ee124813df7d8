"""``Page`` and ``PagedResult``, at the place where one looks for them; defined in ``contracts``."""

from __future__ import annotations

from prefiq.contracts.paging import Page, PagedResult

__all__ = ["Page", "PagedResult"]
