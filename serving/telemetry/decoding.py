"""An engine's work on one film as those who watch generative models expect it: OpenTelemetry's gen_ai conventions.

A slot is a code, and a code is a token; so tokens are counted. What was said to the model, and what it has made of it,
the conventions leave to choice, and here neither is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import MappingProxyType
from typing import Final

from serving.telemetry.eyes import Eyes, Span, Told

__all__ = ["Decoding", "decoding"]

_LABELS: Final = MappingProxyType({"gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "equerry"})


class Decoding:
    """What is seen of one film while the engine hands out its chunks."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes, self._began, self.slots = eyes, perf_counter(), 0

    def chunk(self, slots: int) -> None:
        """A chunk has come."""
        if not self.slots:
            self._eyes.measure("equerry.engine.first_chunk", perf_counter() - self._began)
        self.slots += slots
        self._eyes.count("equerry.engine.chunks")

    @property
    def seconds(self) -> float:
        """Since the film was handed in."""
        return perf_counter() - self._began


@contextmanager
def decoding(eyes: Eyes, model: str, *, chunks: int, resumed: int) -> Iterator[Decoding]:
    """While an engine works on a film of `chunks` chunks, of which `resumed` are there already."""
    labels: dict[str, Told] = {**_LABELS, "gen_ai.response.model": model}
    seen = Decoding(eyes)
    told: dict[str, Told] = {"gen_ai.output.type": "video", "chunks": chunks, "resumed": resumed}
    with eyes.span("engine", **labels, **told) as span:
        try:
            yield seen
        except BaseException as error:
            eyes.measure(
                "gen_ai.server.request.duration", seen.seconds, **labels, **{"error.type": type(error).__name__}
            )
            raise
        finally:
            _end(span, seen)
    eyes.measure("gen_ai.server.request.duration", seen.seconds, **labels)


def _end(span: Span, seen: Decoding) -> None:
    span.tell(**{"gen_ai.usage.output_tokens": seen.slots})
