"""All that a reader sees of a film's marks: the watermark that a cell's key finds, and the manifest, if one is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from model.clip import Film
from serving.errors import BadMedia
from serving.media.marks.c2pa import Inspected, Residency, Standing, inspect
from serving.media.marks.detect import Found, detect

__all__ = ["Sighting", "sight"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is left of a film's marks."""

    mark: Found | None
    manifest: Inspected

    @property
    def generated(self) -> bool:
        """Whether either says that a model made the film, and still holds."""
        holds = self.manifest.standing in (Standing.VALID, Standing.TRUSTED)
        return self.mark is not None or (holds and self.manifest.generated)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"mark": asdict(self.mark) if self.mark else None, "manifest": asdict(self.manifest)}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Sighting:
        """From what `plain` gave and JSON carried. Raises KeyError, TypeError or ValueError for anything else."""
        mark, said = told["mark"], dict(told["manifest"])
        residency = said.pop("residency")
        lists = {name: tuple(said.pop(name)) for name in ("problems", "ingredients")}
        return cls(
            Found(**mark) if mark else None,
            Inspected(
                **{**said, **lists, "standing": Standing(said["standing"])},
                residency=Residency(**residency) if residency else None,
            ),
        )


def sight(film: Film, body: bytes, *, key: bytes, anchors: str) -> Sighting:
    """What a film shows that was read from these bytes; `anchors` as `inspect` takes them. No key looks for no mark."""
    try:
        said = inspect(body, anchors)
    except BadMedia:  # no MP4: others have encoded it, and no manifest of ours survives that
        said = Inspected(standing=Standing.NONE)
    return Sighting(detect(film, key) if key else None, said)
