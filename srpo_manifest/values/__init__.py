"""Frozen values: what is wanted, known, decided and seen."""
