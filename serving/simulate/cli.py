"""`equerry simulate`."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

app = typer.Typer(
    help="Simulate many cells with the real policy, admission and price code.", pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True)
def simulate(
    requests: Annotated[int, typer.Option(help="Requests in all.", min=1, max=10_000_000)] = 100_000,
    regions: Annotated[int, typer.Option(help="Regions of the catalogue that have a cell.", min=1, max=100)] = 32,
    zones: Annotated[int, typer.Option(help="Zones in all, spread over the regions.", min=1, max=800)] = 105,
    tenants: Annotated[int, typer.Option(help="Tenants, with demands of their own.", min=1, max=5_000)] = 200,
    load: Annotated[float, typer.Option(help="Mean load of all replicas.", min=0.01, max=3.0)] = 0.7,
    model: Annotated[str, typer.Option(help="Whose layout decides how much work a film is.")] = "horse",
    gpus: Annotated[int, typer.Option(help="GPUs of a replica.", min=1, max=64)] = 2,
    achieved: Annotated[
        float, typer.Option(help="Share of the roofline that a replica makes of its GPUs. Measure yours.", min=0.001)
    ] = 0.35,
    gpu_hour: Annotated[int, typer.Option(help="Price of a GPU for an hour, in cents of EUR.", min=0)] = 350,
    queue: Annotated[
        int, typer.Option(help="Jobs that may wait in a cell: `limits.queue` of its settings.", min=1)
    ] = 1_000,
    queue_per_tenant: Annotated[
        int, typer.Option(help="Jobs of one tenant that may wait in a cell: `limits.queue_per_tenant`.", min=1)
    ] = 100,
    calm: Annotated[bool, typer.Option("--calm", help="Without outages and bursts.")] = False,
    seed: Annotated[int, typer.Option(help="Decides everything.", min=0)] = 0,
    processes: Annotated[int, typer.Option(help="Processes at once; 0 takes one for each core.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """What many cells would do with a load of requests: violations, promises, GPU-hours, money.

    Policy, admission, classes of service and prices are the code and the data that a cell uses. Arrivals, outages and
    how long films take are drawn from the seed. The facts of the catalogue are taken as confirmed, which they are not
    until you have checked them. Exit code 1 when a film ran where it may not, or an accepted one was lost.

    For example: equerry simulate --requests 20000 --model pony --gpus 1 --seed 7
    """
    from rich.console import Console
    from rich.progress import Progress

    from policies.window import print_table
    from serving.settings import Limits
    from serving.simulate.report import as_json as told_json
    from serving.simulate.report import money_table, promise_table, summary
    from serving.simulate.run import run
    from serving.simulate.scenario import disturbed, scenario
    from serving.simulate.suppose import supposed
    from serving.simulate.world import lasts

    day = int(datetime.now(UTC).timestamp()) // 86_400
    whole = scenario(
        supposed(day).catalogue,
        regions=regions,
        zones=zones,
        tenants=tenants,
        requests=requests,
        seed=seed,
        day=day,
        load=load,
        model=model,
        gpus=gpus,
        achieved=achieved,
        gpu_hour=gpu_hour,
        limits=Limits(queue=queue, queue_per_tenant=queue_per_tenant),
    )
    span = lasts(whole)
    whole = whole if calm else disturbed(whole, span)
    began = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("requests", total=requests)
        tally = run(whole, span, lambda more: progress.advance(bar, more), processes or os.cpu_count() or 1)
    seconds = time.monotonic() - began
    if as_json:
        typer.echo(json.dumps(told_json(whole, tally, seconds), indent=2))
    else:
        out = Console()
        for name, words in summary(whole, tally, seconds):
            out.print(f"{name:28} {words}", highlight=False)
        print_table(out, promise_table(tally))
        print_table(out, money_table(whole, tally))
    if tally.violations or tally.lost:
        raise typer.Exit(1)
