"""Does its worst, in turn and by lot, each time after some more films were taken on; a seed makes it the same worst."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tests.chaos.promises import Client


class Harm:
    """Each call does one harm: one of those that were done least often so far."""

    def __init__(
        self, client: Client, kinds: Mapping[str, Callable[[], None]], rng: random.Random, *, each: int, most: int
    ) -> None:
        """`each` kind is done so often at the least, with up to `most` films taken on between two harms."""
        self.client, self.kinds, self.rng, self.each, self.most = client, kinds, rng, each, most
        self.done: Counter[str] = Counter()

    @property
    def enough(self) -> bool:
        return min(self.done[kind] for kind in self.kinds) >= self.each

    def __call__(self) -> None:
        self._pause()
        least = min(self.done[kind] for kind in self.kinds)
        kind = self.rng.choice([kind for kind in self.kinds if self.done[kind] == least])
        self.kinds[kind]()
        self.done[kind] += 1

    def until_enough(self) -> None:
        """Goes on while films are asked for, and until every kind was done often enough."""
        while not self.enough or self.client.is_alive():
            assert not self.client.wrong, self.client.wrong
            assert time.monotonic() < self.client.end, (self.done, len(self.client.taken))
            self()

    def _pause(self) -> None:
        """As long as films take, so that a slow machine is not hurt more often than it can do anything."""
        time.sleep(self.rng.uniform(0.0, 2.0))
        enough = len(self.client.taken) + self.rng.randint(2, self.most)
        while self.client.is_alive() and len(self.client.taken) < enough and time.monotonic() < self.client.end:
            time.sleep(0.1)
