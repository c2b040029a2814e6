"""Drives the unmodified `dashscope` clients of whatever version this Python has. Settings come as JSON on stdin.

Prints one JSON object: what the requests-based client (`v1`), the aiohttp-based one (`aio`), and from 2.0 on the
httpx-based ones (`v2`, `v2async`) saw.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tempfile
import traceback
import urllib.request
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # isolated programs do not look beside themselves
hands: Any = import_module("hands")
TOLD = json.load(sys.stdin)
FOLDER = Path(tempfile.mkdtemp())
PICTURE = FOLDER / "a picture.png"
PICTURE.write_bytes(bytes.fromhex(TOLD["png"]))
T2V, I2V, R2V, EDIT = (f"happyhorse-{v}" for v in ("1.1-t2v", "1.1-i2v", "1.1-r2v", "1.0-video-edit"))


async def do(call, *arguments, **named):
    """Calls and awaits, whichever kind of client it is; a blocking one runs in a thread of its own."""
    if inspect.iscoroutinefunction(call):
        return await call(*arguments, **named)
    found = await asyncio.to_thread(call, *arguments, **named)
    return await found if inspect.isawaitable(found) else found


def plain(answer):
    """An answer of the older clients as a dictionary."""
    if inspect.isclass(answer) or answer is None:
        return None
    return json.loads(str(answer))


class Absent(Exception):
    """The cell under test has no such tenant."""


def key_of(name):
    if name not in TOLD["keys"]:
        raise Absent(name)
    return TOLD["keys"][name]


async def step(seen, name, work):
    """One step; an exception is what was seen, and so is a tenant that this cell does not have."""
    try:
        seen[name] = await work()
    except Absent as tenant:
        seen[name] = {"absent": str(tenant)}
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what was seen
        seen[name] = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "text": traceback.format_exc()[-1_500:],
        }


def busy():
    """Keeps a real cell so busy that what is asked for has to wait."""
    return hands.full(TOLD["url"], TOLD["keys"]["other"], TOLD.get("hands", 0))


def fetched(url):
    """The film behind an address, with no key, and one range of it."""
    asked = urllib.request.Request(url, headers={"Range": "bytes=0-9"})
    with urllib.request.urlopen(url) as whole, urllib.request.urlopen(asked) as part:
        return {"type": whole.headers["content-type"], "hex": whole.read().hex(), "part": part.status}


async def older(kind):
    """`VideoSynthesis` or `AioVideoSynthesis`: they answer with objects, and raise for almost nothing."""
    seen: dict[str, Any] = {}
    key = TOLD["keys"]["acme"]
    small = {"size": "64*64", "duration": 3}

    async def called(key=key, **fields):
        return plain(await do(kind.call, api_key=key, **fields))

    async def asked(key=key, **fields):
        return plain(await do(kind.async_call, api_key=key, **fields))

    async def text():
        answer = await called(model=T2V, prompt="a red ball", seed=7, watermark=False, **small)
        return {"answer": answer, "film": await asyncio.to_thread(fetched, answer["output"]["video_url"])}

    async def named():
        task = await do(kind.async_call, api_key=key, model="wan2.6-t2v", prompt="a ball", **small)
        created = plain(task)  # before the client waits, which writes what it sees into the same answer
        waited = plain(await do(kind.wait, task, api_key=key))
        return {"task": created, "waited": waited, "fetched": plain(await do(kind.fetch, task, api_key=key))}

    async def local():
        return await called(model=I2V, prompt="go", img_url=PICTURE.as_uri(), resolution="480P", duration=3)

    async def held():
        mine = key_of("held")
        with busy():
            return await waiting(mine)

    async def waiting(mine):
        task = await do(kind.async_call, api_key=mine, model=T2V, prompt="a ball", **small)
        found = {"task": plain(task), "pending": plain(await do(kind.fetch, task, api_key=mine))}
        found["cancel"] = plain(await do(kind.cancel, task, api_key=mine))
        found["after"] = plain(await do(kind.fetch, task, api_key=mine))
        found["again"] = plain(await do(kind.cancel, task, api_key=mine))
        return found

    async def listed():
        return plain(await do(kind.list, api_key=key, page_no=1, page_size=2))

    await step(seen, "text", text)
    await step(seen, "named", named)
    await step(seen, "local", local)
    await step(seen, "held", held)
    await step(seen, "listed", listed)
    task = (seen["text"].get("answer") or {}).get("output", {}).get("task_id", "0")
    other = TOLD["keys"]["other"]

    async def foreign():
        return plain(await do(kind.fetch, task, api_key=other))

    async def foreign_cancel():
        return plain(await do(kind.cancel, task, api_key=other))

    await step(seen, "foreign", foreign)
    await step(seen, "foreign_cancel", foreign_cancel)

    async def refused(tenant="acme", **fields):
        key = tenant if tenant == NONSENSE else key_of(tenant)
        return await asked(**{"key": key, "model": T2V, "prompt": "a ball", **small, **fields})

    async def failed():
        return await called(key=key_of("unlucky"), model=T2V, prompt="a ball", **small)

    for name, fields in REFUSED.items():
        await step(seen, name, lambda fields=fields: refused(**fields))
    await step(seen, "failed", failed)
    return seen


NONSENSE = "nonsense"  # as a key


REFUSED: dict[str, dict[str, Any]] = {
    "no_key": {"tenant": NONSENSE},
    "bad_model": {"model": "nobody-1"},
    "bad_duration": {"duration": 99},
    "no_media": {"model": I2V},
    "blocked": {"tenant": "strict", "prompt": "a forbidden ball"},
    "not_allowed": {"tenant": "narrow"},
    "quota": {"tenant": "broke"},
}


async def newer(kind):
    """`Client` or `AsyncClient`: they raise."""
    seen: dict[str, Any] = {}

    def client(name="acme", **more):
        key = name if name == NONSENSE else key_of(name)
        return kind(base_url=TOLD["url"] + "/api/v1", api_key=key, max_retries=0, **more)

    mine = client()
    small = {"size": "64*64", "duration": 3}

    def shown(job):
        return job.model_dump(mode="json") if hasattr(job, "model_dump") else json.loads(str(job))

    async def generate():
        return shown(await do(mine.videos.generate, model=T2V, prompt="a red ball", poll_interval=0.3, **small))

    async def local():
        job = await do(mine.videos.jobs.create, model=I2V, prompt="go", image_url=PICTURE.as_uri(), resolution="480P")
        return shown(job)

    async def listed():
        return shown(await do(mine.videos.jobs.list))

    async def held():
        theirs = client("held")
        with busy():
            job = await do(theirs.videos.jobs.create, model=T2V, prompt="a ball", **small)
            identity = getattr(job, "id", None) or job.task_id
            await do(theirs.videos.jobs.cancel, identity)
            return shown(await do(theirs.videos.jobs.fetch, identity))

    await step(seen, "generate", generate)
    await step(seen, "local", local)
    await step(seen, "listed", listed)
    await step(seen, "held", held)

    async def refused(tenant="acme", **fields):
        asked = {"model": T2V, "prompt": "a ball", **small, **fields}
        return await do(client(tenant).videos.jobs.create, **asked)

    for name, fields in REFUSED.items():
        await step(seen, name, lambda fields=fields: refused(**fields))
    return seen


async def main():
    dashscope: Any = import_module("dashscope")  # of the environment that runs this, not of the one that checks it
    synthesis: Any = import_module("dashscope.aigc.video_synthesis")
    dashscope.base_http_api_url = TOLD["url"] + "/api/v1"
    rounds = {}
    kinds = [("v1", older, synthesis.VideoSynthesis), ("aio", older, synthesis.AioVideoSynthesis)]
    kinds += [
        ("v2", newer, getattr(dashscope, "Client", None)),
        ("v2async", newer, getattr(dashscope, "AsyncClient", None)),
    ]
    for name, work, kind in kinds:
        if kind is not None:
            rounds[name] = await work(kind)
    json.dump({"version": version("dashscope"), "rounds": rounds}, sys.stdout)


asyncio.run(main())
