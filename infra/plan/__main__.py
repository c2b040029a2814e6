"""`python -m infra.plan STACK`: the plan as text; `equerry infra plan` runs this with the room's own interpreter."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime

from infra.errors import InfraError
from infra.plan import engine


def main() -> None:
    """Reads the command line, prints the plan, and ends with the error's exit code when there is none."""
    options = argparse.ArgumentParser(prog="python -m infra.plan", description=__doc__)
    options.add_argument("stack")
    options.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date())
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    try:
        plan = engine.plan(asked.stack, engine.config(asked.stack), asked.day)
    except InfraError as error:
        print(f"equerry: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if asked.json:
        json.dump(plan.as_json(), sys.stdout)
        return
    from infra.plan.golden import text

    print(text(plan), end="")


if __name__ == "__main__":
    main()
