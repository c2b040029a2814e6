"""How much work a film is, from its layout alone: nanoseconds that one H100 would need at least.

The unit only has to be the same for all films of a cell. What the cell's own machines make of it is measured
(`serving.sla.pace`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from model.clip import Mode, Size
from model.config import ModelConfig
from model.errors import Refused
from model.make import native

__all__ = ["Work", "work_of"]

Work = Callable[[Mode, Size, int, int], int]  # mode, size, seconds, references


def work_of(config: ModelConfig) -> Work:
    """The work of films of one model. A film that cannot be made is no work; who makes it says why."""
    from model.plan import plan

    @lru_cache(maxsize=1_024)
    def work(mode: Mode, own: Size, seconds: int, references: int) -> int:
        try:
            planned = plan(config, mode=mode, size=own, seconds=seconds, references=references)
        except Refused:
            return 0
        return max(1, round(planned.times[0].wave_seconds * 1e9))

    work(Mode.T2V, config.sizes[0], 1, 0)  # so that the first client does not wait for what is made once
    return lambda mode, size, seconds, references: work(mode, native(size, config), seconds, references)
