"""The doors of DashScope's video synthesis, under `/api/v1`. Each one reads, asks the desk, and renders.

One of the clients writes addresses with a slash at their end and follows no redirect; see `serving.dialects.doorway`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.desk import Desk, Page, Standing
from serving.dialects import fields as f
from serving.dialects.caller import caller_of, request_id_of
from serving.dialects.dashscope import render
from serving.dialects.dashscope.read import read
from serving.dialects.doorway import Door
from serving.dialects.forms import Bounds, aside, form_of, json_of
from serving.dialects.grants import Grant, Signer
from serving.dialects.media import hexadecimal
from serving.dialects.names import NAMES, Names
from serving.dialects.origin import Origin
from serving.errors import BadField, Forbidden, Missing, NotPossible, TooLarge, UnknownJob
from serving.jobs.job import JobId, State

__all__ = ["UPLOADS", "doors"]

PREFIX: Final = "/api/v1"
UPLOADS: Final = f"{PREFIX}/uploads/oss/"  # a grant follows; the gate lets it through without a key
CREATES: Final = ("/services/aigc/video-generation/video-synthesis", "/services/aigc/image2video/video-synthesis")
DAY: Final = 86_400_000  # milliseconds
MINUTES: Final = 5  # a grant's life; clients ask for a new one for every file or two
MOST_FILE: Final = 100  # MiB
_BASENAME: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


def doors(
    desk: Desk,
    origin: Origin,
    *,
    signer: Signer,
    now: Callable[[], int],
    new_id: Callable[[], str],
    region: str,
    still: Callable[[str], bool] = lambda _: True,
    bounds: Bounds | None = None,
    names: Names = NAMES,
) -> Sequence[Door]:
    """The doors. `now` in milliseconds since 1970; `new_id` gives hexadecimal digits that were never given before;
    `still` says whether a tenant is one, for those who come without a key."""
    bounds = bounds or Bounds()
    tasks = _Tasks(desk, now, region, bounds, names)
    uploads = _Uploads(desk, origin, signer, now, new_id, still, bounds.kept)
    return [
        *(Door.at(f"{PREFIX}{path}", "POST", tasks.create) for path in CREATES),
        Door.at(f"{PREFIX}/tasks", "GET", tasks.list),
        Door.at(f"{PREFIX}/tasks/{{task}}", "GET", tasks.fetch),
        Door.at(f"{PREFIX}/tasks/{{task}}/cancel", "POST GET", tasks.cancel),
        Door.at(f"{PREFIX}/uploads", "GET", uploads.policy),
        Door.at(f"{UPLOADS}{{grant}}", "POST", uploads.leave, keyed=False),
    ]


class _Tasks:
    """One method per endpoint of tasks."""

    def __init__(self, desk: Desk, now: Callable[[], int], region: str, bounds: Bounds, names: Names) -> None:
        self.desk, self.now, self.region, self.bounds, self.names = desk, now, region, bounds, names

    async def create(self, request: Request) -> Response:
        if request.headers.get("x-dashscope-async", "").strip().lower() != "enable":
            raise Forbidden("This API does not support synchronous calls. Send the header X-DashScope-Async: enable.")
        body = await json_of(request, self.bounds.body)
        wish = await aside(request, partial(read, body, names=self.names))
        standing = await self.desk.submit(caller_of(request), wish)
        return JSONResponse(render.created(standing, request_id_of(request)))

    async def fetch(self, request: Request) -> Response:
        asked = request.path_params["task"]
        try:
            standing = await self.desk.get(caller_of(request), _job(asked))
        except UnknownJob:
            return JSONResponse(render.unknown(asked[:64], request_id_of(request)))
        return JSONResponse(render.task(standing, request_id_of(request), self.names))

    async def cancel(self, request: Request) -> Response:
        try:
            standing = await self.desk.cancel(caller_of(request), _job(request.path_params["task"]), only_queued=True)
        except (UnknownJob, NotPossible):
            raise NotPossible("Failed to cancel the task, please confirm if the task is in PENDING status.") from None
        return JSONResponse(render.created(standing, request_id_of(request)))

    async def list(self, request: Request) -> Response:
        query = request.query_params
        number = f.whole(query, "page_no", 1, 1_000_000) or 1
        size = f.whole(query, "page_size", 1, 100) or 10
        page = await self._page(request, number, size)
        return JSONResponse(render.page(page, number, size, request_id_of(request), self.region))

    async def _page(self, request: Request, number: int, size: int) -> Page:
        query = request.query_params
        status = f.choice(query, "status", (*render.STATES, "UNKNOWN"))
        if status == "UNKNOWN" or query.get("region", self.region) not in ("", self.region):
            return Page(jobs=(), more=False, total=0)
        states = (render.STATES[status],) if status else tuple(render.STATES.values())
        if query.get("task_id"):
            return await self._one(request, query["task_id"], states)
        since, until = _window(query.get("start_time"), query.get("end_time"), self.now())
        return await self.desk.list(
            caller_of(request),
            limit=size,
            offset=(number - 1) * size,
            states=states,
            since=since,
            until=until,
            model=f.text(query, "model_name", most=128),
        )

    async def _one(self, request: Request, asked: str, states: tuple[State, ...]) -> Page:
        try:
            found: tuple[Standing, ...] = (await self.desk.get(caller_of(request), _job(asked)),)
        except UnknownJob:
            found = ()
        seen = tuple(each for each in found if each.job.state in states)
        return Page(jobs=seen, more=False, total=len(seen))


def _job(asked: str) -> JobId:
    found = hexadecimal(asked)
    if found is None:
        raise UnknownJob("There is no such task.")
    return JobId(found)


def _window(start: str | None, end: str | None, now: int) -> tuple[int, int | None]:
    """Milliseconds since 1970 from `YYYYMMDDhhmmss` in UTC: at most a day, the last one where nothing is said."""
    until = _moment(end, "end_time") if end else None
    since = _moment(start, "start_time") if start else (until or now) - DAY
    if not since <= (until or since + DAY) <= since + DAY:
        raise BadField("start_time", "start_time and end_time must follow each other within 24 hours.")
    return since, until or (since + DAY if start else None)


def _moment(value: str, field: str) -> int:
    try:
        if len(value) != 14 or not value.isascii():
            raise ValueError
        return int(datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        raise BadField(field, f"{field} must be written YYYYMMDDhhmmss, in UTC.") from None


class _Uploads:
    """Two steps: a policy for a key's holder, then a form from anybody who holds the policy."""

    def __init__(
        self,
        desk: Desk,
        origin: Origin,
        signer: Signer,
        now: Callable[[], int],
        new_id: Callable[[], str],
        still: Callable[[str], bool],
        kept: int,  # bytes of one tenant, at most
    ) -> None:
        self.desk, self.origin, self.signer = desk, origin, signer
        self.now, self.new_id, self.still, self.kept = now, new_id, still, kept

    async def policy(self, request: Request) -> Response:
        f.choice({"action": "getPolicy", **request.query_params}, "action", ("getPolicy",))
        caller, at = caller_of(request), self.now()
        day = f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d}"
        grant = Grant(
            caller=caller,
            folder=f"dashscope-instant/{caller.tenant}/{day}/{self.new_id()}",
            most=MOST_FILE << 20,
            expires=at + MINUTES * 60_000,
        )
        return JSONResponse({"request_id": request_id_of(request), "data": self._told(grant)})

    def _told(self, grant: Grant) -> dict[str, object]:
        return {
            "policy": grant.policy(),
            "signature": grant.signature(self.signer),
            "upload_dir": grant.folder,
            "upload_host": self.origin.url(UPLOADS + grant.token(self.signer)),
            "expire_in_seconds": MINUTES * 60,
            "max_file_size_mb": MOST_FILE,
            "capacity_limit_mb": self.kept >> 20,
            "oss_access_key_id": "equerry",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }

    async def leave(self, request: Request) -> Response:
        token = request.path_params["grant"]
        grant = Grant.read(token, self.signer, self.now())
        if not self.still(grant.caller.tenant):  # it was, when it was granted
            raise Forbidden("The account of this upload is closed. Ask the operator.")
        form = await form_of(request, Bounds(body=grant.most + (1 << 20), part=16 << 10, parts=20))
        try:
            sent, key = _sent(form, grant, token)
            await self.desk.keep(grant.caller, key, _chunks(sent))
        finally:
            await form.close()
        return JSONResponse({"request_id": request_id_of(request)})


def _sent(form: FormData, grant: Grant, token: str) -> tuple[UploadFile, str]:
    """The file and its key, when the form says what was granted. Raises Forbidden, Missing, TooLarge, BadField."""
    sent, key = form.get("file"), form.get("key")
    if f"{form.get('policy')}.{form.get('Signature')}" != token:
        raise Forbidden("The form's policy is not the one that was granted. Ask for a new upload policy.")
    if not isinstance(sent, UploadFile):
        raise Missing("file", "file is missing. Send it as the last part of the form, with a file name.")
    folder, _, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
    if folder != grant.folder or not _BASENAME.fullmatch(name) or name in (".", ".."):
        raise BadField("key", "key is not in the folder that was granted. Write upload_dir, a slash and a file name.")
    if (sent.size or 0) > grant.most:
        raise TooLarge(f"file is larger than {MOST_FILE} MiB. Send a smaller one.")
    return sent, f"{folder}/{name}"


async def _chunks(sent: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await sent.read(1 << 18):
        yield chunk
