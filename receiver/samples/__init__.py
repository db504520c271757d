"""Invented items, notices and digests for ``casebell preview`` and tests, built offline from the sandbox's answers."""
