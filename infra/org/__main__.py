"""The Pulumi program: one jurisdiction's guard over one organisation. It needs an administrator of the organisation."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parents[1]), *(entry for entry in sys.path if Path(entry or ".").resolve() != _HERE)]


def main() -> None:
    """Raises Refused before anything is made when a region lies outside the jurisdiction."""
    from datetime import UTC, datetime

    import pulumi

    from infra.org.border import Border
    from infra.org.make import make
    from policies.shelf import Shelf
    from policies.signatures import days

    today = days(datetime.now(UTC).date())
    border = Border.parse(pulumi.Config("equerry").require_object("border"), Shelf().read_atlas(today).catalogue)
    make(border)
    pulumi.export("jurisdiction", border.jurisdiction)
    pulumi.export("regions", list(border.regions))
    pulumi.export("target", border.target)


if __name__ == "__main__":
    main()
