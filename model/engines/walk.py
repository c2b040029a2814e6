"""From a film to its windows: what to decode next, given the chunks that are there.

A film that is taken up again is cut exactly as it was at first, so the windows follow from the order alone; chunks that
are done only make the rest of their window shorter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from model.clip import Mode
from model.config import ModelConfig
from model.draws import Sampling
from model.engine import Chunk, Task
from model.errors import BadRequest
from model.generate import SAMPLING, Codes, Window, joined, place_codes, take_codes, windows, within
from model.layout import Layout, LayoutSpec, layout
from model.prompt import Prompt
from model.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """One window of a film, ready to be decoded."""

    prompt: Prompt
    spec: LayoutSpec
    tokens: tuple[int, ...]  # of all slots that are known
    given: Codes | None  # chunks at its beginning that are known
    start: int  # the film's chunk that is its chunk 0
    seed: int
    sampling: Sampling
    salt: str

    @property
    def slots(self) -> int:
        """Slots that are to be drawn."""
        return self.spec.slots - len(self.tokens)


class Walk:
    """The state of one film: the chunks that are there, and the windows that remain."""

    def __init__(self, task: Task, config: ModelConfig, sampling: Mapping[Mode, Sampling] = SAMPLING) -> None:
        """Raises Refused when the task makes no sense."""
        self.task, self.config, self._sampling = task, config, sampling
        self._vocabulary = Vocabulary(config)
        if not 0 <= task.order.seed < 2**63:
            raise BadRequest(f"The seed {task.order.seed} is out of range. Use a whole number from 0 to 2^63 - 1.")
        if task.ready > task.order.chunks:
            raise BadRequest(
                f"{task.ready} chunks of {task.order.chunks} are there already. Ask for more, or for none."
            )
        parts = [codes for codes in (task.order.known, task.done) if codes is not None]
        self.codes: Codes | None = parts[0] if parts else None
        for part in parts[1:]:
            self._add(part)

    @property
    def ready(self) -> int:
        """Chunks that are there."""
        return 0 if self.codes is None else len(self.codes.audio)

    def next(self) -> Cut | None:
        """The rest of the window that the next chunk belongs to, or None when the film is whole."""
        for mode, window in self._windows():
            if self.ready < window.start + window.chunks:
                return self._cut(mode, replace(window, given=self.ready - window.start))
        return None

    def take(self, cut: Cut, tokens: list[int]) -> Chunk:
        """Adds the next chunk from the tokens of its slots."""
        size, number = cut.spec.chunk_slots, self.ready - cut.start
        table = layout(cut.spec)
        at = table.first + number * size
        row = torch.zeros(1, table.slots, dtype=torch.int64)
        row[0, at : at + size] = torch.tensor(tokens[:size], dtype=torch.int64)
        codes = take_codes(row, table, self._vocabulary, slice(number, number + 1))[0]
        chunk = Chunk(number=self.ready, codes=codes)
        self._add(codes)
        return chunk

    def _add(self, codes: Codes) -> None:
        self.codes = codes if self.codes is None else joined(self.codes, codes)

    def _windows(self) -> Iterator[tuple[Mode, Window]]:
        c, order = self.config, self.task.order
        known = 0 if order.known is None else len(order.known.audio)
        return windows(order.prompt.mode, order.chunks, known, c.window, c.overlap, c.window - c.overlap)

    def _cut(self, mode: Mode, window: Window) -> Cut:
        prompt = within(self.task.order.prompt, mode, window, self.config.chunk_seconds.denominator)
        given = self.codes[window.start :] if self.codes is not None and window.given else None
        spec = prompt.spec(self.config, window.chunks, given=window.given)
        return Cut(
            prompt=prompt,
            spec=spec,
            tokens=known_tokens(prompt, layout(spec), given, self._vocabulary),
            given=given,
            start=window.start,
            seed=self.task.order.seed,
            sampling=self._sampling[mode],
            salt=self.task.salt,
        )


def known_tokens(prompt: Prompt, table: Layout, given: Codes | None, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Tokens of the slots that are known before the first one is drawn."""
    tokens = prompt.tokens(vocabulary, table)[None]
    if given is not None:
        place_codes(tokens, table, given, vocabulary)
    known = table.first + table.spec.given * table.spec.chunk_slots
    return tuple(tokens[0, :known].tolist())
