"""A job store that keeps its promises until the process ends: for tests, and as the shortest account of the rules."""

from __future__ import annotations

from serving.jobs.memory.store import MemoryStore

__all__ = ["MemoryStore"]
