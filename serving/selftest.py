"""The self-test of a cell's marks, and the detector that it asks, from the cell's parts.

The process that writes the log makes the test: there is one of it, whatever else there is.
"""

from __future__ import annotations

import secrets

from serving.detector import CellDetector, Detector
from serving.media.marks import credential, open_marker, watermark_key
from serving.media.marks.selftest import SelfTest
from serving.media.prober import Prober
from serving.parts import Parts, now_ms
from serving.settings import MIB, CellSettings

__all__ = ["detector_of", "selftest_of"]


def detector_of(settings: CellSettings, prober: Prober | None = None) -> CellDetector:
    """What tells this cell's films from others."""
    media = settings.media
    return CellDetector(
        prober=prober or Prober(media.images, media.films),
        key=watermark_key(settings),
        anchors=credential(settings).anchors,
        most=media.film_bytes * MIB,
    )


def selftest_of(parts: Parts, detector: Detector) -> SelfTest:
    """The test as it stands; `keep` makes it when it is due. Its outcome is kept in the cell's state."""
    settings = parts.settings
    return SelfTest(
        open_marker(settings, parts.ledger),
        detector,
        parts.ledger.pen,
        region=parts.place.region,
        folder=settings.folders.state,
        now=now_ms,
        new_id=lambda: secrets.token_hex(16),
    )
