"""The other cell is killed, and nothing changes for this one."""

from __future__ import annotations

import signal
from typing import Final

from serving.conform.canary import Canaries
from serving.conform.outcome import Check, judged
from serving.conform.site import Site

__all__ = ["lost"]

TIMES: Final = 5


def lost(stays: Site, goes: Site, words: Canaries) -> Check:
    """The same requests before and after; `goes` runs again afterwards."""
    says = f"The loss of {goes.name} changes nothing for {stays.name}"
    before = [_asked(stays, words) for _ in range(TIMES)]
    goes.stop(signal.SIGKILL)
    after = [_asked(stays, words) for _ in range(TIMES)]
    gone = not goes.ready(1.0)
    goes.start()
    same = before == after and set(before) == {(200, 202, 200, 200, 204, 404)}
    seen = f"Before and after: {sorted(set(before))} and {sorted(set(after))}."
    return judged(f"loss.{goes.name}", says, same and gone, seen, figures={"requests": 12 * TIMES})


def _asked(site: Site, words: Canaries) -> tuple[int, ...]:
    """One film asked for, looked at, listed, taken back and gone."""
    body = {"prompt": f"a ball {words.word('while the other cell is lost')}", "seconds": 2, "size": "64x64"}
    with site.client() as client:
        ready = client.get("/readyz").status_code
        made = client.post("/v1/jobs", json=body)
        path = f"/v1/jobs/{made.json().get('id', '')}"
        seen = client.get(path).status_code
        listed = client.get("/v1/jobs").status_code
        return ready, made.status_code, seen, listed, client.delete(path).status_code, client.get(path).status_code
