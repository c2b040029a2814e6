"""Drives the unmodified `openai` client of whatever version this Python has. Settings come as JSON on standard input.

Prints one JSON object: each step with what the client saw, or with the exception that it raised.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # isolated programs do not look beside themselves
hands: Any = import_module("hands")
openai: Any = import_module("openai")  # of the environment that runs this, not of the one that checks it

SIZE = "64x64"


class Absent(Exception):
    """The cell under test has no such tenant."""


class Round:
    """One client, sync or async, and what it was told."""

    def __init__(self, client, told):
        self.client, self.told, self.seen = client, told, {}
        self.film = self.film_hex = ""  # of the first film: its id, and the file in hexadecimal

    async def do(self, call, *arguments, **named):
        """Calls and awaits, whichever kind of client it is."""
        found = call(*arguments, **named)
        return await found if inspect.isawaitable(found) else found

    async def step(self, name, work):
        """One step; an exception is what was seen, and so is a tenant that this cell does not have."""
        try:
            self.seen[name] = await work()
        except Absent as tenant:
            self.seen[name] = {"absent": str(tenant)}
        except openai.APIStatusError as error:
            self.seen[name] = {
                "raised": type(error).__name__,
                "status": error.status_code,
                "code": error.code,
                "param": error.param,
                "type": error.type,
                "request_id": error.request_id,
            }
        except Exception as error:  # noqa: BLE001 - whatever the client raises is what was seen
            self.seen[name] = {"raised": type(error).__name__, "text": traceback.format_exc()[-1500:]}

    def with_key(self, name):
        if name not in self.told["keys"]:
            raise Absent(name)
        return self.client.with_options(api_key=self.told["keys"][name], max_retries=0)


def plain(video):
    """A video as a dictionary; warnings of the client's own types are errors here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Ss]erializ.*")
        return video.model_dump()


async def text_to_video(run):
    video = await run.do(
        run.client.videos.create_and_poll,
        prompt="a red ball",
        model="sora-2",
        seconds="4",
        size=SIZE,
        poll_interval_ms=200,
    )
    run.film = video.id
    return plain(video)


async def own_interval(run):
    """Without an interval of its own, the client asks the server."""
    video = await run.do(
        run.client.videos.create, prompt="a blue ball", size=SIZE, extra_body={"seed": 7, "seconds": 2}
    )
    return plain(await run.do(run.client.videos.poll, video.id))


async def image_to_video(run):
    picture = bytes.fromhex(run.told["png"])
    video = await run.do(
        run.client.videos.create_and_poll, prompt="go", input_reference=picture, size=SIZE, poll_interval_ms=200
    )
    named = ("a.png", io.BytesIO(picture), "image/png")
    second = await run.do(
        run.client.videos.create_and_poll, prompt="go", input_reference=named, size=SIZE, poll_interval_ms=200
    )
    return {"bytes": plain(video), "named": plain(second)}


async def references(run):
    files = [("input_reference[]", (f"{n}.png", bytes.fromhex(run.told["png"]), "image/png")) for n in "ab"]
    video = await run.do(
        run.client.post,
        "/videos",
        cast_to=openai.types.Video,
        body={"prompt": "[Image 1] hands [Image 2] a lamp", "size": SIZE, "seconds": "2"},
        files=files,
        options={"headers": {"Content-Type": "multipart/form-data"}},
    )
    return plain(await run.do(run.client.videos.poll, video.id, poll_interval_ms=200))


async def by_data_uri(run):
    import base64

    uri = "data:image/png;base64," + base64.b64encode(bytes.fromhex(run.told["png"])).decode()
    body = {"input_reference": {"image_url": uri}}
    video = await run.do(run.client.videos.create, prompt="go", size=SIZE, extra_body=body)
    return plain(video)


async def by_file_id(run):
    file = await run.do(run.client.files.create, file=("a.png", bytes.fromhex(run.told["png"])), purpose="user_data")
    body = {"input_reference": {"file_id": file.id}}
    video = await run.do(run.client.videos.create, prompt="go", size=SIZE, extra_body=body)
    return {"file": file.model_dump(), "video": plain(video)}


async def retrieve(run):
    return plain(await run.do(run.client.videos.retrieve, run.film))


async def listing(run):
    """Pages of two, until the pager stops by itself."""
    pages = run.client.videos.list(limit=2)
    if inspect.isawaitable(pages) and not hasattr(pages, "__aiter__"):
        pages = await pages
    found = [v.id async for v in pages] if hasattr(pages, "__aiter__") else [v.id for v in pages]
    first = await run.do(run.client.videos.list, limit=1, order="asc")
    return {"ids": found, "oldest": first.data[0].id, "has_more": first.has_more}


async def download(run):
    answer = await run.do(run.client.videos.download_content, run.film)
    body = answer.read()
    body = await body if inspect.isawaitable(body) else body
    part = await run.do(run.client.videos.download_content, run.film, extra_headers={"Range": "bytes=10-19"})
    piece = part.read()
    piece = await piece if inspect.isawaitable(piece) else piece
    picture = await run.do(run.client.videos.download_content, run.film, variant="thumbnail")
    return {
        "hex": body.hex(),
        "type": answer.response.headers["content-type"],
        "length": answer.response.headers["content-length"],
        "encoding": answer.response.headers.get("content-encoding"),
        "status_of_part": part.response.status_code,
        "part": piece.hex(),
        "thumbnail": picture.response.headers["content-type"],
    }


async def streamed(run):
    """The streaming form of the download."""
    total = 0
    context = run.client.videos.with_streaming_response.download_content(run.film)
    if hasattr(context, "__aenter__"):
        async with context as answer:
            async for chunk in answer.iter_bytes():
                total += len(chunk)
    else:
        with context as answer:
            for chunk in answer.iter_bytes():
                total += len(chunk)
    return total


async def remix(run):
    video = await run.do(run.client.videos.remix, run.film, prompt="make it green")
    return plain(await run.do(run.client.videos.poll, video.id, poll_interval_ms=200))


async def edit(run):
    film = await run.do(run.client.videos.edit, prompt="make it blue", video=("f.mp4", bytes.fromhex(run.film_hex)))
    by_id = await run.do(
        run.client.videos.edit, prompt="make it grey", video=openai.omit, extra_body={"video": {"id": run.film}}
    )
    done = await run.do(run.client.videos.poll, film.id, poll_interval_ms=200)
    return {"file": plain(done), "id": plain(by_id)}


async def extend(run):
    video = await run.do(
        run.client.videos.extend, prompt="on", seconds="4", video=openai.omit, extra_body={"video": {"id": run.film}}
    )
    return plain(await run.do(run.client.videos.poll, video.id, poll_interval_ms=200))


async def models(run):
    found = await run.do(run.client.models.list)
    return {"ids": [each.id for each in found.data], "one": (await run.do(run.client.models.retrieve, "sora-2")).id}


async def delete(run):
    answer = await run.do(run.client.videos.delete, run.film)
    return answer.model_dump()


async def unwrap(run):
    event = run.told["event"]
    return run.client.webhooks.unwrap(event["body"], event["headers"], secret=event["secret"]).model_dump()


def refused(run, key="acme", **fields):
    """A creation that is refused."""
    asked = {"prompt": "a ball", "size": SIZE, **fields}

    async def work():
        return await run.do(run.with_key(key).videos.create, **asked)

    return work


async def whole(run):
    """Everything, in order."""
    await run.step("text_to_video", lambda: text_to_video(run))
    await run.step("own_interval", lambda: own_interval(run))
    await run.step("image_to_video", lambda: image_to_video(run))
    await run.step("references", lambda: references(run))
    await run.step("by_data_uri", lambda: by_data_uri(run))
    await run.step("by_file_id", lambda: by_file_id(run))
    await run.step("retrieve", lambda: retrieve(run))
    await run.step("listing", lambda: listing(run))
    await run.step("download", lambda: download(run))
    run.film_hex = run.seen["download"].get("hex", "")
    await run.step("streamed", lambda: streamed(run))
    await run.step("remix", lambda: remix(run))
    if hasattr(run.client.videos, "edit"):
        await run.step("edit", lambda: edit(run))
        await run.step("extend", lambda: extend(run))
    await run.step("models", lambda: models(run))
    await refusals(run)
    other = run.with_key("other")
    await run.step("foreign", lambda: run.do(other.videos.retrieve, run.film))
    await run.step("foreign_delete", lambda: run.do(other.videos.delete, run.film))
    await run.step("delete", lambda: delete(run))
    await run.step("deleted", lambda: run.do(run.client.videos.retrieve, run.film))


async def refusals(run):
    """Each class of errors, through the exception that the client has for it."""
    await run.step("no_key", lambda: run.do(run.client.with_options(api_key="nonsense").videos.list))
    await run.step("no_prompt", refused(run, prompt=""))
    await run.step("bad_seconds", refused(run, seconds="99"))
    await run.step("bad_size", refused(run, size="1x1"))
    await run.step("bad_model", refused(run, model="nobody-1"))
    await run.step("bad_media", refused(run, input_reference=b"no picture"))
    await run.step("not_allowed", refused(run, key="narrow", model="sora-2-pro"))
    await run.step("quota", refused(run, key="broke"))
    await run.step("rate", lambda: too_many(run))
    await run.step("blocked", refused(run, key="strict", prompt="a forbidden ball"))
    await run.step("unknown", lambda: run.do(run.client.videos.retrieve, "video_" + "0" * 32))
    await run.step("bad_variant", lambda: run.do(run.client.videos.download_content, run.film, variant="nothing"))
    await run.step("held", lambda: not_ready(run))
    await run.step("failed", lambda: failed(run))


async def too_many(run):
    """One more film than this tenant may ask for at once."""
    ask = refused(run, key="hasty")
    await ask()
    return await ask()


async def not_ready(run):
    client = run.with_key("held")
    with hands.full(run.told["url"], run.told["keys"]["other"], run.told.get("hands", 0)):
        video = await run.do(client.videos.create, prompt="a ball", size=SIZE)
        return await run.do(client.videos.download_content, video.id)


async def failed(run):
    client = run.with_key("unlucky")
    return plain(await run.do(client.videos.create_and_poll, prompt="a ball", size=SIZE, poll_interval_ms=100))


async def main():
    warnings.simplefilter("ignore", DeprecationWarning)  # the vendor marks all of videos so
    told = json.load(sys.stdin)
    base = told["url"] + "/v1"
    runs = {}
    for name, kind in (("sync", openai.OpenAI), ("async", openai.AsyncOpenAI)):
        runs[name] = run = Round(kind(base_url=base, api_key=told["keys"]["acme"], timeout=60), told)
        if told.get("event") and hasattr(run.client, "webhooks"):  # first, while the event is fresh
            await run.step("webhook", lambda run=run: unwrap(run))
    for run in runs.values():
        try:
            await whole(run)
        except Exception:  # noqa: BLE001 - the test shows it
            run.seen["broke"] = traceback.format_exc()
    rounds = {name: run.seen for name, run in runs.items()}
    json.dump({"version": openai.__version__, "rounds": rounds}, sys.stdout)


asyncio.run(main())
