"""What the native API takes and gives, as the OpenAPI description shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "HEX",
    "Film",
    "JobAsked",
    "JobShown",
    "Links",
    "ManifestShown",
    "MarksShown",
    "Media",
    "PageShown",
    "Problem",
    "UploadShown",
    "WatermarkShown",
    "moment",
    "schema_of",
]

MOST_PROMPT = 5_000
HEX = r"^[0-9a-f]{32}$"


def moment(at: int) -> datetime:
    """A time from milliseconds since 1970."""
    return datetime.fromtimestamp(at / 1000, UTC)


class Media(BaseModel):
    """One picture or film, named in exactly one way."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"url": "https://assets.example/a.png"}]})

    url: str | None = Field(None, max_length=4_096, description="https://…, or oss://… of an upload in this cell.")
    upload: str | None = Field(None, max_length=256, description="The id that an upload answered.")
    job: str | None = Field(None, pattern=HEX, description="The id of a finished job of yours.")
    data: str | None = Field(None, description="data:MIME;base64,… of the file itself.")


class JobAsked(BaseModel):
    """A film that somebody wants."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": "a red circle bounces up and down", "seconds": 4, "size": "1280x720", "seed": 7},
                {"prompt": "[1] meets [2]", "references": [{"upload": "file-1"}, {"upload": "file-2"}], "seconds": 5},
            ]
        },
    )

    prompt: str = Field(
        min_length=1, max_length=MOST_PROMPT, description="What the film shows; references are [1], [2] …"
    )
    model: str = Field("equerry", max_length=128, description="One of the names that GET /v1/models lists.")
    size: str | None = Field(
        None,
        max_length=32,
        description="WIDTHxHEIGHT in even pixels. Without it 1280x720, or that of the given image or film.",
    )
    seconds: int | None = Field(
        None, ge=1, le=15, description="Whole length. Without it 4, or that of the edited film."
    )
    seed: int | None = Field(
        None, ge=0, le=2**63 - 1, description="The same seed gives the same film. Without it, one is drawn."
    )
    audio: Literal["made", "none", "origin"] = Field("made", description="origin keeps the sound of an edited film.")
    watermark: bool = Field(False, description="A visible label. The invisible marks are always there.")
    image: Media | None = Field(None, description="The first frame.")
    references: list[Media] = Field(default_factory=list, max_length=9, description="Pictures that the prompt names.")
    source: Media | None = Field(None, description="The film to edit, or to go on from.")
    extend: bool = Field(False, description="Go on from the source, rather than edit it.")
    webhook: str | None = Field(None, max_length=2_048, description="https address that is told of the end.")
    metadata: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="Labels of yours, given back unread."
    )


class Links(BaseModel):
    """Where to go on from here; all of it in this cell."""

    self: str
    events: str
    preview: str
    content: str


class Film(BaseModel):
    """A finished film."""

    url: str | None = Field(description="Signed and expiring; opens without a key.")
    width: int
    height: int
    seconds: float
    bytes: int | None = None
    sha256: str | None = None
    expires: datetime | None = None


class Failure(BaseModel):
    """Why there is no film."""

    code: str
    message: str


class JobShown(BaseModel):
    """A job as its owner sees it."""

    id: str = Field(pattern=HEX)
    state: Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
    progress: int = Field(ge=0, le=100, description="Chunks done per hundred; 100 only when the film is there.")
    place: int | None = Field(description="In the queue; 0 is next.")
    eta_ms: int | None = Field(description="Milliseconds until the film is there, as far as is known.")
    model: str
    mode: Literal["t2v", "i2v", "r2v", "edit", "extend"]
    prompt: str
    size: str | None
    seconds: float | None
    seed: int | None
    audio: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    film: Film | None
    error: Failure | None
    metadata: dict[str, str]
    links: Links


class PageShown(BaseModel):
    """Some of your jobs."""

    jobs: list[JobShown]
    next: str | None = Field(description="The address of the next page.")
    total: int


class UploadShown(BaseModel):
    """A file that was left in the cell."""

    id: str
    name: str
    bytes: int
    created: datetime


class WatermarkShown(BaseModel):
    """The invisible mark of this cell."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$", description="What it carries; the cell's log says for which job.")
    picture: float = Field(ge=0, le=1, description="How like the mark the picture is; 0 where it says nothing.")
    sound: float = Field(ge=0, le=1, description="The same of the sound.")


class ManifestShown(BaseModel):
    """What the film says of itself (C2PA)."""

    standing: Literal["none", "invalid", "valid", "trusted"] = Field(
        description="trusted: unchanged, and signed by this cell; valid: unchanged, by another signer."
    )
    problems: list[str] = Field(description="C2PA's codes of failure.")
    generated: bool = Field(description="It is called made by a trained model.")
    log: str | None = Field(description="The residency log that has its record.")
    request: str | None = Field(description="SHA-256 of the request's id in that log.")


class MarksShown(BaseModel):
    """What is left of a film's marks."""

    generated: bool = Field(description="Whether the watermark, or a manifest that holds, says that a model made it.")
    watermark: WatermarkShown | None = Field(description="Of this cell; another cell's cannot be read here.")
    manifest: ManifestShown


class Problem(BaseModel):
    """What went wrong, as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    request_id: str


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a shape in one piece, so that it can stand anywhere in a description."""
    whole = shape.model_json_schema()
    parts = whole.pop("$defs", {})
    return dict(_inlined(whole, parts))


def _inlined(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(each, parts) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(each, parts) for key, each in value.items()}
