"""`python -m infra.plan STACK`: the plan as text; `equerry infra plan` runs this with the room's own interpreter."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime
from typing import Any

from infra.errors import InfraError
from infra.plan import engine
from infra.plan.analyzer import GUARD, Analyzer, Violation
from infra.plan.arguments import mistakes
from infra.plan.golden import text
from infra.plan.resources import Plan
from infra.spec import RegionSpec


def main() -> None:
    """Prints what is asked for. Ends with 1 when a rule or the schema refuses the plan, else as the error says."""
    asked = _options().parse_args()
    try:
        found = _list() if asked.list else _show(asked)
    except InfraError as error:
        print(f"equerry: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(found)


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m infra.plan", description=__doc__)
    options.add_argument("stack", nargs="?", default="")
    options.add_argument("--list", action="store_true", help="the stacks that there are, as JSON")
    options.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date(), help="as of this day")
    options.add_argument("--json", action="store_true", help="for scripts")
    options.add_argument("--guard", action="store_true", help="hold the plan against the policy pack")
    options.add_argument("--patience", type=float, default=engine.PATIENCE, help="seconds that the program may take")
    return options


def _list() -> int:
    rows = [{"stack": stack, **_row(stack)} for stack in engine.stacks()]
    json.dump(rows, sys.stdout)
    return 0


def _row(stack: str) -> dict[str, Any]:
    spec = RegionSpec.parse(json.loads(engine.config(stack)["equerry:cell"]))
    shown = spec.model_dump(mode="json", include={"cell", "jurisdiction", "provider", "region", "network"})
    return {**shown, "unconfirmed": sorted(spec.unconfirmed)}


def _show(asked: argparse.Namespace) -> int:
    plan = engine.plan(asked.stack, engine.config(asked.stack), asked.day, patience=asked.patience)
    wrong = mistakes(plan)
    said = _violations(plan) if asked.guard else ()
    if asked.json:
        json.dump({**plan.as_json(), "mistakes": wrong, "violations": [list(_words(one)) for one in said]}, sys.stdout)
    else:
        print(text(plan), end="")
    for line in [*wrong, *(": ".join(_words(one)) for one in said)]:
        print(f"equerry: {line}", file=sys.stderr)
    return 1 if wrong or any(one.level == "mandatory" for one in said) else 0


def _violations(plan: Plan) -> tuple[Violation, ...]:
    with Analyzer(GUARD, plan.stack, dict(plan.config)) as analyzer:
        return analyzer.violations(plan)


def _words(violation: Violation) -> tuple[str, str, str]:
    return violation.rule, violation.urn.rsplit("::", 1)[-1], violation.message


if __name__ == "__main__":
    main()
