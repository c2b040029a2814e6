"""The Pulumi program: reads what the stack file asks for, asks the catalogue whether it may be, and makes one cell.

`pulumi up` runs this file with its own folder first on the path, where `site.py` and others would stand before modules
of Python that bear the same name. The folder above takes its place.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != _HERE)]


def main() -> None:
    """Makes the cell of this stack. Raises Refused before anything is made when it may not be."""
    import pulumi

    from infra.cell import RegionCell
    from infra.door import read_ground, read_spec
    from infra.providers.clouds import cloud

    config = pulumi.Config()
    spec = read_spec(config)
    cell = RegionCell(spec, read_ground(config, spec), cloud(spec.provider))
    if spec.chart is not None:
        from infra.release import Release

        Release(spec.chart, cell)
    for name, value in cell.exported.items():
        pulumi.export(name, value)


def _told() -> None:
    """Makes the cell; what is refused is told in its own sentence, without the way through the code."""
    import pulumi

    try:
        main()
    except Exception as error:
        if getattr(error, "exit_code", None) is None:
            raise
        raise pulumi.RunError(str(error)) from None


if __name__ == "__main__":
    _told()
