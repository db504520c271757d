"""Casebell alerts people when a debt-collection case needs a decision.

``docs/architecture.md`` describes the path of an event: receive, verify, store, interpret, apply, render, deliver, act,
confirm.
"""
