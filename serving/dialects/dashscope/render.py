"""From a Standing to DashScope's objects. Times are text, `YYYY-MM-DD HH:mm:ss.SSS`, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from model.clip import Mode, Size
from serving.desk import Page, Standing
from serving.dialects.dashscope.errors import task_code
from serving.dialects.names import NAMES, Family, Names
from serving.dialects.results import facts, outlook, result_of
from serving.dialects.sizes import ratio_of, tier_of
from serving.jobs.job import Job, JobId, State
from serving.wish import Audio

__all__ = ["STATES", "created", "page", "task", "task_id", "unknown", "usage"]

STATUS: Final = {
    State.QUEUED: "PENDING",
    State.RUNNING: "RUNNING",
    State.SUCCEEDED: "SUCCEEDED",
    State.FAILED: "FAILED",
    State.CANCELLED: "CANCELED",
    State.EXPIRED: "UNKNOWN",
}
#: A status as a list asks for it, and our states for it.
STATES: Final = {status: state for state, status in STATUS.items() if state is not State.EXPIRED}
ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


def task_id(job: JobId) -> str:
    """A job's id as this dialect spells it: dashed."""
    return str(UUID(job))


def created(standing: Standing, request_id: str) -> dict[str, Any]:
    """What a creation answers."""
    job = standing.job
    return {"request_id": request_id, "output": {"task_id": task_id(job.id), "task_status": STATUS[job.state]}}


def unknown(asked: str, request_id: str) -> dict[str, Any]:
    """A task that never was, is another's, was deleted or has expired: all alike, with status 200."""
    return {"request_id": request_id, "output": {"task_id": asked, "task_status": "UNKNOWN"}}


def task(standing: Standing, request_id: str, names: Names = NAMES) -> dict[str, Any]:
    """The task object."""
    job = standing.job
    if job.state is State.EXPIRED:
        return unknown(task_id(job.id), request_id)
    output: dict[str, Any] = {
        "task_id": task_id(job.id),
        "task_status": STATUS[job.state],
        **_times(job),
        **outlook(standing),
    }
    body: dict[str, Any] = {"request_id": request_id, "output": output}
    if job.state is State.SUCCEEDED:
        output |= {"orig_prompt": standing.wish.prompt, "video_url": standing.url}
        body["usage"] = usage(standing, names)
    if job.state is State.FAILED:
        output |= {"code": task_code(job.error), "message": job.error_text or "The film could not be made."}
    return body


def _times(job: Job) -> dict[str, str]:
    times = {"submit_time": _time(job.created)}
    if job.started is not None:
        times["scheduled_time"] = _time(job.started)
    if job.state in ENDED and job.finished is not None:
        times["end_time"] = _time(job.finished)
    return times


def _time(at: int) -> str:
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1000:03d}"


def usage(standing: Standing, names: Names = NAMES) -> dict[str, Any]:
    """What a film counts for, in the shape that its model's family has."""
    wish = standing.wish
    size, seconds = result_of(standing)
    size, length = size or Size(1280, 720), seconds or 0.0
    name = names.get(wish.model)
    family = name.family if name else Family.OWN
    given = _seconds(facts(standing).get("source_seconds"))
    whole: dict[str, Any] = {
        "duration": _number(length + given if wish.mode is Mode.EDIT else length, wish.mode),
        "input_video_duration": _number(given, wish.mode),
        "output_video_duration": _number(length, wish.mode),
        "video_count": 1,
        "SR": tier_of(size),
    }
    if family is Family.WAN25 and wish.mode is Mode.T2V:
        return {"video_duration": whole["output_video_duration"], "video_ratio": _starred(size), "video_count": 1}
    if family in (Family.WAN25, Family.WAN26) and wish.mode is Mode.I2V:
        short = {each: whole[each] for each in ("duration", "SR", "video_count")}
        return short | ({"audio": wish.audio is not Audio.NONE} if name and name.switches_audio else {})
    rate = {"fps": facts(standing)["fps"]} if family is Family.WAN30 and "fps" in facts(standing) else {}
    return {**whole, **rate, **_shape(family, wish.mode, size)}


def _shape(family: Family, mode: Mode, size: Size) -> Mapping[str, Any]:
    if family is Family.WAN26:
        return {"size": _starred(size)}
    ratio = {"ratio": ratio_of(size)}
    if mode in (Mode.T2V, Mode.R2V):
        return ratio
    return {}


def _starred(size: Size) -> str:
    return f"{size.width}*{size.height}"


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _number(seconds: float, mode: Mode) -> int | float:
    """Edits have fractions of seconds; everything else is asked for, and billed, in whole ones."""
    return round(seconds, 3) if mode is Mode.EDIT else round(seconds)


def page(found: Page, number: int, size: int, request_id: str, region: str) -> dict[str, Any]:
    """A page of tasks: `data` as documented, and `tasks` as the newest client reads it, where times are text."""
    return {
        "request_id": request_id,
        "page_no": number,
        "page_size": size,
        "total": found.total,
        "total_page": -(-found.total // size),
        "data": [_row(each, request_id, region) for each in found.jobs],
        "tasks": [_task_row(each) for each in found.jobs],
    }


def _row(standing: Standing, request_id: str, region: str) -> dict[str, Any]:
    job = standing.job
    return {
        "task_id": task_id(job.id),
        "status": STATUS[job.state],
        "model_name": standing.wish.model,
        "region": region,
        "request_id": request_id,
        "gmt_create": job.created,
        "start_time": job.started,
        "end_time": job.finished if job.state in ENDED else None,
        "user_api_unique_key": f"apikey:v1:aigc:video-generation:video-synthesis:{standing.wish.model}",
    }


def _task_row(standing: Standing) -> dict[str, Any]:
    job = standing.job
    row = {"task_id": task_id(job.id), "status": STATUS[job.state], "task_status": STATUS[job.state]}
    return {**row, "model_name": standing.wish.model, **_times(job)}
