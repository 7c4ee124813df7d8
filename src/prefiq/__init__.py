"""Prefiq: modular, multi-tenant business software in Python."""
