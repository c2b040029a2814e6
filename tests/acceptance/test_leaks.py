"""Nothing that a client says leaves the cell by the side doors, however much goes wrong; and what did, would be found.

Canaries are sent in every place that a request has, in every dialect. Each stage of the work fails at least once, with
the prompt in the error's text, and careless code tells prompts to spans, counters and logs. Then everything that the
cell has let out is searched: standard error, crash output, traces and metrics as a collector got them, the metrics
page, temporary files, the residency log, and what another tenant sees.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.acceptance.canaries import hunt
from tests.acceptance.collector import Collector, collecting
from tests.acceptance.leaky_cell import CRASH

pytestmark = pytest.mark.slow

DASHSCOPE = "/api/v1/services/aigc/video-generation/video-synthesis"
FAULTS = ("engine", "marks", "objects", "store.complete", "store.plan-once", "store.checkpoint", "log-once", "none")
WORDS = {
    "prompt": "Numbat-in-the-prompt",
    "file": "bilby-in-a-file-name",
    "caption": "dunnart-in-a-caption",
    "user": "potoroo-the-user",
    "label": "quokka-in-metadata",
    "hook": "bandicoot-webhook",
    "upload": "wombat-in-an-upload",
    "idempotency": "echidna-idempotency",
    "model": "platypus-model-name",
    "query": "cassowary-in-a-query",
    "path": "lyrebird-in-a-path",
    "header": "kookaburra-in-a-header",
    "trace": "taipan-in-tracestate",
    "field": "goanna-as-a-field-name",
    "body": "galah-in-a-broken-body",
    "host": "emu-in-a-media-url",
    "class": "brolga-as-data-class",
}


def equerry(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "equerry", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def free_ports() -> int:
    """A port whose next one is free too."""
    while True:
        with socket.socket() as place, socket.socket() as beside:
            place.bind(("127.0.0.1", 0))
            port = int(place.getsockname()[1])
            try:
                beside.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@dataclass
class World:
    """A cell with two tenants, and all that it has let out."""

    folder: Path
    port: int
    temporary: Path
    collector: Collector
    keys: list[str]
    process: subprocess.Popen[bytes] | None = None
    seen: dict[str, bytes] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out.log"

    def client(self, tenant: int = 0) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.keys[tenant]}"},
            timeout=60,
        )

    def up(self, *arguments: str) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.temporary),
            "OTEL_RESOURCE_ATTRIBUTES": f"team={WORDS['header']}",
        }
        command = [sys.executable, "-m", "tests.acceptance.leaky_cell", str(self.folder), *arguments]
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        end = time.monotonic() + 600
        while time.monotonic() < end:
            with self.client() as client:
                try:
                    if client.get("/readyz").status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
            assert self.process.poll() is None, self.out.read_text()
            time.sleep(0.2)
        raise AssertionError("the cell did not become ready")

    def down(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        self.process = None
        return code

    def metrics(self) -> str:
        text = httpx.get(f"http://127.0.0.1:{self.port + 1}/metrics", timeout=30).text
        self.seen["metrics page"] = self.seen.get("metrics page", b"") + text.encode()
        return text

    def places(self) -> dict[str, bytes]:
        """Everything that has left, and everything on disk but what the cell keeps for its owner on purpose."""
        kept = {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name not in kept]
        files = [path for path in files if "objects" not in path.relative_to(self.folder).parts]
        found = {f"cell/{path.relative_to(self.folder)}": path.read_bytes() for path in files}
        found |= {f"temporary/{path.name}": path.read_bytes() for path in self.temporary.rglob("*") if path.is_file()}
        found |= {f"name/{path}": str(path).encode() for path in (*self.folder.rglob("*"), *self.temporary.rglob("*"))}
        return {**found, **self.seen, "collector": self.collector.everything}


@contextmanager
def world(folder: Path) -> Iterator[World]:
    port = free_ports()
    cell, temporary = folder / "cell", folder / "tmp"
    temporary.mkdir()
    equerry("cell", "init", cell, "--name", "eu-par", "--country", "FR", "--port", port)
    keys = []
    for name in ("Acme", "Other"):
        told = equerry("tenant", "add", name, "--cell", cell, "--home", "EU", "--jurisdiction", "EU", "--class",
                       "personal", "--json")  # fmt: skip
        keys.append(
            json.loads(equerry("tenant", "key", "add", json.loads(told)["id"], "--cell", cell, "--json"))["key"]
        )
    with collecting() as collector:
        with (cell / "cell.toml").open("a") as settings:
            settings.write(f'\n[telemetry]\notlp = "{collector.address}"\nevery = 1\nsample_reads = 1.0\n')
            settings.write('\n[webhooks]\non = true\nhosts = ["*.example"]\n')
        made = World(cell, port, temporary, collector, keys)
        try:
            yield made
        finally:
            if made.process is not None:
                made.process.kill()
                made.process.wait(30)


def picture() -> bytes:
    """A picture with a caption inside."""
    told, file = PngInfo(), io.BytesIO()
    told.add_text("Description", WORDS["caption"])
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, "png", pnginfo=told)
    return file.getvalue()


def prompt(fault: str) -> str:
    return f"a red circle bounces, {WORDS['prompt']}, fail:{fault}"


def strange(fault: str, dialect: str) -> dict[str, str]:
    """Headers, with a canary wherever a client may write what it likes."""
    return {
        "idempotency-key": f"{WORDS['idempotency']}-{dialect}-{fault}",
        "user-agent": WORDS["header"],
        "x-forwarded-for": WORDS["header"],
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": f"vendor={WORDS['trace']}",
        "baggage": f"who={WORDS['trace']}",
        "x-dashscope-async": "enable",
        "x-dashscope-user": WORDS["user"],
    }


def ask_openai(client: httpx.Client, fault: str) -> tuple[str, str]:
    said = {"model": "pony", "prompt": prompt(fault), "size": "64x64", "seconds": "1", "user": WORDS["user"]}
    answer = client.post(
        f"/v1/videos?about={WORDS['query']}",
        data={**said, "metadata": json.dumps({"case": WORDS["label"]})},
        files={"input_reference": (f"{WORDS['file']}.png", picture(), "image/png")},
        headers=strange(fault, "openai"),
    )
    assert answer.status_code == 200, answer.text
    return f"/v1/videos/{answer.json()['id']}", "status"


def ask_dashscope(client: httpx.Client, fault: str) -> tuple[str, str]:
    answer = client.post(
        DASHSCOPE,
        json={
            "model": "pony",
            "input": {"prompt": prompt(fault), WORDS["field"]: WORDS["user"]},
            "parameters": {"duration": 1, "size": "64*64"},
        },
        headers=strange(fault, "dashscope"),
    )
    assert answer.status_code == 200, answer.text
    return f"/api/v1/tasks/{answer.json()['output']['task_id']}", "task"


def ask_native(client: httpx.Client, fault: str) -> tuple[str, str]:
    answer = client.post(
        "/v1/jobs",
        json={
            "prompt": prompt(fault),
            "size": "64x64",
            "seconds": 1,
            "metadata": {"who": WORDS["user"], "what": WORDS["label"]},
            "webhook": f"https://{WORDS['hook']}.example/{WORDS['user']}",
        },
        headers=strange(fault, "native"),
    )
    assert answer.status_code == 202, answer.text
    return f"/v1/jobs/{answer.json()['id']}", "state"


ASKS = (ask_native, ask_openai, ask_dashscope)


def ask(client: httpx.Client, fault: str) -> dict[str, str]:
    """Films with this fault: in one dialect after the other, and in all of them without one. Where each stands, and in
    which field."""
    asks = ASKS if fault == "none" else (ASKS[FAULTS.index(fault) % len(ASKS)],)
    return dict(each(client, fault) for each in asks)


def blunder(client: httpx.Client) -> list[int]:
    """Requests that cannot be read, each with canaries where the mistake is."""
    shady = {"prompt": prompt("none"), "size": "64x64"}
    answers = [
        client.post("/v1/videos", json={**shady, "model": WORDS["model"]}),
        client.post("/v1/videos", json={**shady, "seconds": WORDS["field"]}),
        client.post("/v1/videos", data=shady, files={"input_reference": (f"{WORDS['file']}.png", b"no picture")}),
        client.post("/v1/videos", content=f'{{"prompt": "{WORDS["body"]}'.encode()),
        client.post("/v1/jobs", json={**shady, WORDS["field"]: 1}),
        client.post("/v1/jobs", json={**shady, "image": {"url": f"https://{WORDS['host']}.example/{WORDS['file']}"}}),
        client.post("/v1/jobs", json={**shady, "image": {"upload": WORDS["upload"]}}),
        client.post(DASHSCOPE, json={"model": WORDS["model"]}, headers={"x-dashscope-async": "enable"}),
        client.post("/v1/jobs", json=shady, headers={"x-equerry-data-class": WORDS["class"]}),
        client.get(f"/v1/{WORDS['path']}/{WORDS['user']}?q={WORDS['query']}"),
        client.request(WORDS["path"][:20].upper(), "/v1/videos"),
        client.post("/v1/jobs", json=shady, headers={"authorization": f"Bearer {WORDS['user']}"}),
    ]
    return [answer.status_code for answer in answers]


def without_ids(seen: httpx.Response | str) -> str:
    """An answer or a path without what is drawn anew each time."""
    text = seen if isinstance(seen, str) else f"{seen.status_code} {seen.text}"
    return re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "0" * 32, text)


def ended(client: httpx.Client, path: str, name: str) -> str:
    end = time.monotonic() + 900
    while time.monotonic() < end:
        told = client.get(path).json()
        state = str(told["output"]["task_status"] if name == "task" else told[name]).lower()
        if state in ("completed", "succeeded", "failed", "cancelled"):
            return state
        time.sleep(0.25)
    raise AssertionError(f"{path} did not end")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Iterator[World]:
    """Everything that can be asked was asked, every fault has struck, and the cell has crashed in the end."""
    with world(tmp_path_factory.mktemp("leaks")) as made:
        made.up()
        with made.client() as client, made.client(1) as other:
            asked = {fault: ask(client, fault) for fault in FAULTS}
            made.blunders = blunder(client)  # type: ignore[attr-defined]
            made.ends = {  # type: ignore[attr-defined]
                fault: [ended(client, *each) for each in paths.items()] for fault, paths in asked.items()
            }
            made.metrics()
            paths = [path for each in asked.values() for path in each]
            lists = ("/v1/videos", "/v1/jobs", "/api/v1/tasks/")
            looks = [other.get(path) for path in (*paths, *(f"{path}/content" for path in paths), *lists)]
            made.seen["another tenant's view"] = b"\n".join(str(each.headers).encode() + each.content for each in looks)
            made.other = [  # type: ignore[attr-defined]
                (without_ids(each), without_ids(other.get(without_ids(each.request.url.path)))) for each in looks
            ]
        time.sleep(2.5)
        made.last = made.metrics()  # type: ignore[attr-defined]
        made.code = made.down()  # type: ignore[attr-defined]
        yield made


def test_every_fault_struck_and_every_job_has_an_end(run):
    lasting = {fault: ends for fault, ends in run.ends.items() if fault != "none" and not fault.endswith("-once")}

    assert set(run.ends) == set(FAULTS)
    assert all(run.ends.values()), run.ends
    assert run.blunders
    assert all(set(ends) == {"failed"} for ends in lasting.values()), run.ends
    assert all(set(ends) <= {"completed", "succeeded"} for fault, ends in run.ends.items() if fault not in lasting), (
        run.ends
    )
    assert all(400 <= status < 500 for status in run.blunders), run.blunders


def test_no_canary_has_left(run):
    secrets = [*WORDS.values(), *(prompt(fault) for fault in FAULTS), CRASH, *run.keys]

    assert hunt(secrets, run.places()) == set()


def test_the_cell_has_told_a_lot_all_the_same(run):
    told = run.out.read_text()
    names = {span.name for span in run.collector.spans}

    assert {
        "request",
        "gate",
        "dialect",
        "media",
        "store.submit",
        "studio",
        "engine",
        "marks",
        "objects.put",
        "log",
    } <= names
    assert {"equerry.jobs.ended", "equerry.store.duration", "gen_ai.server.request.duration"} <= run.collector.metrics
    assert "A job failed." in told
    assert {"A job failed."} <= {line.body.string_value for _, line in run.collector.logs if line.trace_id}
    assert "nobody caught an error" in told
    assert run.code != 0


def test_what_was_told_too_much_was_dropped_and_counted(run):
    dropped = {
        signal: float(next(line for line in run.last.splitlines() if line.startswith(series)).split()[-1])
        for signal in ("spans", "metrics", "logs")
        for series in (f'equerry_telemetry_dropped_total{{cause="unlisted",signal="{signal}"}}',)
    }

    assert all(count >= len(FAULTS) for count in dropped.values()), dropped


def test_a_studios_span_is_in_the_trace_of_the_request_and_linked_to_it(run):
    spans = run.collector.spans
    requests = {span.trace_id: span for span in spans if span.name == "request"}
    studios = [span for span in spans if span.name == "studio"]

    assert len(studios) >= len(FAULTS) + 2
    for studio in studios:
        request = requests[studio.trace_id]
        assert studio.parent_span_id == request.span_id
        assert [(link.trace_id, link.span_id) for link in studio.links] == [(request.trace_id, request.span_id)]


def test_another_tenant_saw_of_each_job_what_it_sees_of_one_that_never_was(run):
    assert [seen for seen, nothing in run.other if seen != nothing] == []


def test_leaks_that_are_planted_are_found_each_where_it_is(tmp_path):
    kinds = ("span", "name", "metric", "log", "file", "state")
    planted = {kind: f"thylacine-planted-in-{kind}" for kind in kinds}
    with world(tmp_path) as made:
        made.up("--plant", *(f"{kind}={word}" for kind, word in planted.items()))
        time.sleep(3)
        made.metrics()
        made.down()
        found = hunt([*planted.values(), CRASH], made.places())

    where = {
        word: {place.split("/")[0] for place, each in found if each == word} for word in [*planted.values(), CRASH]
    }
    assert where == {
        planted["span"]: {"collector"},
        planted["name"]: {"collector"},
        planted["metric"]: {"collector", "metrics page"},
        planted["log"]: {"cell"},  # out.log
        planted["file"]: {"temporary"},
        planted["state"]: {"cell"},
        CRASH: {"cell"},  # the traceback
    }
