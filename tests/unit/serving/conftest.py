"""What the tests of marks share: who signs, and a film of noise."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from model.clip import Film
from model.media import encode_film
from serving.media.marks.certificate import development


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    return development(tmp_path_factory.mktemp("marks"), "eu-par", datetime.now(UTC))


@pytest.fixture(scope="module")
def mp4():
    frames = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    return encode_film(Film(frames=frames, fps=Fraction(8), sound=np.zeros(8_000, np.float32), rate=8_000))
