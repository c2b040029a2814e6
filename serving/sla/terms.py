"""What a cell and a tenant agree on when a job is taken on: a promise, a price, and how long the film is kept.

The terms stay with the job and go into its usage row, so neither a new price book nor a new class of service changes
what was agreed. They hold nothing of what the film shows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.money import Currency, Money
from policies.promises import Promise
from serving.errors import Broken

__all__ = ["Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one job. Times are milliseconds from acceptance."""

    service: str  # class of service
    percentile: int  # of all films of the class, that keep both times
    wait_ms: int  # promised: until work begins
    video_ms: int  # promised: until the film is there
    eta_ms: int  # foretold: until the film is there
    mode: Mode
    resolution: Resolution
    output_ms: int  # length that is charged, of the film that is delivered
    input_ms: int  # the same, of the film that is edited or extended
    work: int  # nanoseconds that the reference machine would need at least; see `serving.sla.work`
    currency: Currency
    price: int  # minor unit; what is billed when the film is delivered, and nothing otherwise
    book: str  # digest of the price book that was in force
    version: str  # of that book
    promotion: str | None  # id
    keep_ms: int  # how long the film can be fetched

    @property
    def facts(self) -> ClipFacts:
        """The clip as the price book sees it."""
        return ClipFacts(mode=self.mode, resolution=self.resolution, output_ms=self.output_ms, input_ms=self.input_ms)

    @property
    def promise(self) -> Promise:
        """What was promised."""
        return Promise(
            service=self.service, percentile=self.percentile, queue_wait_ms=self.wait_ms, video_ms=self.video_ms
        )

    @property
    def money(self) -> Money:
        """What the film costs."""
        return Money(self.price, self.currency)

    @property
    def kind(self) -> str:
        """Films of one kind take alike."""
        return f"{self.mode}/{self.resolution}"

    def write(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Terms | None:
        """From what `write` gave; further fields are left alone. None for a job that was taken on without terms.

        Raises Broken for anything else.
        """
        try:
            told: dict[str, Any] = json.loads(text)
            if "service" not in told:
                return None
            named = {name: told[name] for name in cls.__slots__}
            words = {"mode": Mode(told["mode"]), "resolution": Resolution(told["resolution"])}
            return cls(**{**named, **words, "currency": Currency(told["currency"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Broken(
                "What was agreed about a job cannot be read. Its row was changed by hand; restore it."
            ) from None
