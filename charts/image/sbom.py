"""Writes a bill of materials (CycloneDX 1.5, JSON) of the Python environment that runs it: `python sbom.py FILE`.

It has no time and no random number in it, so the same environment gives the same bytes. Standard library only, since it
runs inside the build.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

__all__ = ["bill", "main"]


def bill(found: list[Distribution]) -> dict[str, Any]:
    """The bill of these distributions, in the order of their names."""
    parts = sorted((_part(each) for each in found), key=lambda part: str(part["purl"]))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": parts}


def _part(each: Distribution) -> dict[str, Any]:
    name = each.metadata["Name"].lower().replace("_", "-")
    purl = f"pkg:pypi/{name}@{each.version}"
    licence = each.metadata.get("License-Expression") or ""
    part: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": each.version, "purl": purl}
    if licence:
        part["licenses"] = [{"expression": licence}]
    return part | {"hashes": [{"alg": "SHA-256", "content": _digest(each)}]}


def _digest(each: Distribution) -> str:
    """One digest over the recorded digests of a distribution's files; byte code has none and is left out."""
    files = sorted(
        (str(file), file.hash.value) for file in each.files or () if file.hash and file.hash.mode == "sha256"
    )
    whole = hashlib.sha256()
    for name, value in files:
        whole.update(name.encode() + b"\0" + base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    return whole.hexdigest()


def main(target: Path) -> int:
    """Writes the bill; says how many components it names."""
    told = bill(list(distributions()))
    target.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{target} names {len(told['components'])} components.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
