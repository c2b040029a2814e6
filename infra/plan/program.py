"""Runs a Pulumi program in this process, told by the environment where its monitor listens.

This is what Pulumi's language host does; `infra.plan.engine` starts it as `python -m infra.plan.program FOLDER`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import runpy
import sys

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
from pulumi.runtime.config import get_config_env


def main() -> None:
    """Runs the folder that the first argument names; the exit status is 1 when the program fails."""
    gc.disable()  # the process lives for seconds, and a third of them would go into looking for what is never rubbish
    folder = sys.argv[1]
    address = os.environ["PULUMI_MONITOR"]
    configure(
        Settings(
            project=os.environ["PULUMI_PROJECT"],
            stack=os.environ["PULUMI_STACK"],
            monitor=address,
            engine=address,
            dry_run=True,
            organization="organization",
            root_directory=folder,
        )
    )
    set_all_config(get_config_env())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tasks that a failing program leaves behind
    asyncio.run(run_in_stack(lambda: _run(folder)))


def _run(folder: str) -> None:
    runpy.run_path(folder, run_name="__main__")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        # A sentence of ours is the whole story; anything else needs its traceback.
        if getattr(error, "exit_code", None) is None and not isinstance(error, pulumi.RunError):
            raise
        pulumi.log.error(str(error))
        sys.exit(str(error))
