"""Validation gates."""

from __future__ import annotations


def check_deposit(study, deposit):  # type: ignore[no-untyped-def]
    pass


def check_study(study, deposit, rows, tables):  # type: ignore[no-untyped-def]
    pass
