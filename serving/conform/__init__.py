"""Proof by trying: two cells are given words that must not leave, and everything is searched for them afterwards.

For operators and auditors. `equerry conform` runs it and writes a report; docs/conform.md says what it shows, and what
it cannot.
"""
