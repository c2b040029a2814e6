"""The gate: nobody comes in whom the rules keep out, and of a request that is refused no byte of body is read."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from policies.canonical import Digest
from policies.constraints import Constraints, DataClass, Wish
from policies.decision import Decision, Grounds
from policies.errors import Broken
from policies.log.entry import Decision as Decided
from policies.log.entry import Execution, Stamp, encode
from policies.sla import Rejection
from policies.tables import Place as Where
from policies.tenants.admission import Admitted, Reason, Rejected
from policies.tenants.cell import Cell
from policies.tenants.keytext import KeyId
from policies.tenants.tenant import TenantId
from serving.dialects.caller import CALLER
from serving.gate import Gate, Place

HERE, ELSEWHERE = "own/eu-par-1", "own/jp-tyo-1"
DEMANDS = Constraints(
    home="EU",
    allowed_jurisdictions=frozenset({"EU"}),
    allowed_classes=frozenset({DataClass.PERSONAL, DataClass.PUBLIC}),
)
GROUNDS = Grounds(pol=Digest("1" * 64), cat=Digest("2" * 64), lst=Digest("3" * 64), con=DEMANDS.digest)
OPEN = Decision((HERE,), {ELSEWHERE: ("jurisdiction-allowed",)}, GROUNDS)
ONLY_THERE = Decision((ELSEWHERE,), {HERE: ("jurisdiction-allowed",)}, GROUNDS)
NOWHERE = Decision((), {HERE: ("seal-minimum",), ELSEWHERE: ("lists-clear",)}, GROUNDS, "no_compliant_region")
REQUEST = "ab" * 16
STAMP = Stamp(ts=1_795_000_000_000, id="0" * 32, salt="1" * 32, w="w-0123456789abcdef", n=0)


class Pen:
    """Keeps what it is told; `broken` stands for a log that cannot be written."""

    def __init__(self, broken: bool = False) -> None:
        self.entries: list[Any] = []
        self.broken = broken

    async def commit(self, entry):
        if self.broken:
            raise Broken("The disk is full.")
        encode(entry, STAMP)  # the schema's lint: what the real log would refuse is refused here
        self.entries.append(entry)


def admitted(text: str = "") -> Admitted:
    return Admitted(
        tenant=TenantId("t-0123456789abcdef"),
        key=KeyId("k-0123456789abcdef"),
        sla="standard",
        constraints=DEMANDS,
        wish=Wish(),
        con=DEMANDS.digest,
    )


class World:
    """A gate, what stands behind it, and one request through it."""

    def __init__(self, decision=OPEN, admit=admitted, broken=False, job=True, status=200):
        self.pen, self.job, self.passed, self.read = Pen(broken), job, [], 0
        self.status, self.counted = status, []
        self.at = 1_795_000_000_000
        where = Where("EU", "FR", "own", "EU")
        tables: Any = SimpleNamespace(decide=lambda *_, **__: decision, place=lambda _: where, grounds=GROUNDS)
        place = Place(cell="eu-par", region=HERE, evidence="declared", egress="4" * 64, accelerator="cpu")
        self.gate = Gate(
            self.inner,
            place=place,
            admit=admit,
            tables=lambda: tables,
            pen=self.pen,
            now=lambda: self.at,
            new_id=lambda: REQUEST,
            keep=self.keep,
            made=self.made,
            free=lambda scope: scope["path"] == "/healthz",
            missed=self.missed,
            fruitless=2,
        )

    async def missed(self, tenant, why):
        self.counted.append((tenant, why))

    async def keep(self, digest, constraints):
        assert constraints == DEMANDS

    async def made(self, job):
        assert job == REQUEST
        return self.job

    async def inner(self, scope, receive, send):
        self.passed.append(scope)
        await receive()
        if not self.status:
            raise RuntimeError("a mistake of ours")
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def ask(self, method="POST", path="/v1/videos", key="Bearer k", **headers):
        sent = []
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        pairs += [(b"authorization", key.encode())] if key else []
        scope = {"type": "http", "method": method, "path": path, "headers": pairs}

        async def receive():
            self.read += 1
            return {"type": "http.request", "body": b"a secret prompt"}

        async def send(message):
            sent.append(message)

        asyncio.run(self.gate(scope, receive, send))
        return SimpleNamespace(
            status=sent[0]["status"], headers=dict(sent[0]["headers"]), body=json.loads(sent[1]["body"] or b"null")
        )


def test_a_request_that_the_rules_allow_goes_on_and_is_in_the_log_before():
    world = World()

    answer = world.ask()

    assert answer.status == 200
    assert [(entry.dec, entry.sel) for entry in world.pen.entries] == [("allow", HERE)]
    assert world.passed[0][CALLER].decision == REQUEST


@pytest.mark.parametrize(
    ("world", "status"),
    [
        (World(decision=NOWHERE), 403),
        (World(decision=ONLY_THERE), 421),
        (World(admit=lambda _: Rejected(Reason.UNKNOWN)), 401),
        (World(admit=lambda _: Rejected(Reason.REVOKED)), 401),
        (World(admit=lambda _: Rejected(Reason.WRONG_CELL, Cell("jp-tyo"))), 421),
        (World(broken=True), 503),
        (World(decision=Decision((), {}, GROUNDS, "stale_table")), 503),
        (World(decision=Decision((HERE,), {}, Grounds(con=Digest("5" * 64)))), 503),
    ],
)
def test_of_a_request_that_is_refused_no_body_is_read_and_nothing_goes_on(world, status):
    answer = world.ask()

    assert (answer.status, world.read, world.passed) == (status, 0, [])
    assert answer.headers[b"connection"] == b"close"


@pytest.mark.parametrize(("decision", "rules"), [(NOWHERE, ("seal-minimum",)), (ONLY_THERE, ("jurisdiction-allowed",))])
def test_a_denial_of_a_known_caller_is_in_the_log_with_its_rules(decision, rules):
    world = World(decision=decision)

    world.ask(method="GET", path="/v1/videos/video_1")

    assert [(entry.dec, entry.rules) for entry in world.pen.entries] == [("deny", rules)]


def test_a_key_of_another_cell_leaves_a_denial_without_a_tenant():
    world = World(admit=lambda _: Rejected(Reason.WRONG_CELL, Cell("jp-tyo")))

    world.ask()

    assert [(entry.ten, entry.sub, entry.rules) for entry in world.pen.entries] == [
        ("t-0000000000000000", "JP", ("unknown_tenant",))
    ]


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/videos", lambda body: body["error"]["code"]),
        ("/api/v1/services/aigc/video-generation/video-synthesis", lambda body: body["code"]),
        ("/v1/jobs", lambda body: body["title"]),
    ],
)
def test_a_refusal_has_the_shape_of_the_callers_dialect(path, shape):
    assert shape(World(decision=NOWHERE).ask(path=path).body)


@pytest.mark.parametrize("key", ["", "k", "Basic abc", "Bearer ", "bearer"])
def test_without_a_key_there_is_no_decision(key):
    world = World()

    assert (world.ask(key=key).status, world.pen.entries) == (401, [])


@pytest.mark.parametrize(
    "headers", [{"x_equerry_data_class": "secret"}, {"x_equerry_subject_region": "the moon"}], ids=str
)
def test_a_header_that_says_nonsense_is_refused_before_anything_is_decided(headers):
    world = World()

    assert (world.ask(**headers).status, world.read, world.pen.entries) == (400, 0, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"x_equerry_data_class": "special", "X_Equerry_Data_Class": "public"},
        {"x_equerry_subject_region": "JP", "X_Equerry_Subject_Region": "JP"},
    ],
    ids=["class", "region"],
)
def test_a_header_that_decides_and_comes_twice_is_in_doubt_and_refused(headers):
    """A client and a proxy before it may each have set one; with neither, the request would pass as something else."""
    world = World()

    answer = world.ask(**headers)

    assert (answer.status, "twice" in str(answer.body), world.read, world.pen.entries) == (400, True, 0, [])


def test_two_keys_in_one_request_are_no_key():
    world = World()

    assert world.ask(Authorization="Bearer other").status == 401


def test_a_request_that_became_no_job_ends_in_the_log():
    world = World(job=False)

    world.ask()

    ended = world.pen.entries[1]
    assert isinstance(ended, Execution)
    assert (ended.req, ended.out_bytes) == (world.pen.entries[0].req, 0)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/videos"), ("POST", "/v1/jobs/1/cancel"), ("DELETE", "/v1/videos/1")]
)
def test_looking_after_jobs_needs_a_permission_and_leaves_no_entry(method, path):
    world = World()

    assert (world.ask(method=method, path=path).status, world.pen.entries) == (200, [])


def test_a_request_without_a_key_passes_only_where_something_else_vouches_for_it():
    world = World()

    assert world.ask(method="GET", path="/healthz", key="").status == 200
    assert CALLER not in world.passed[0]


def test_decisions_hold_only_what_the_schema_allows():
    world = World()
    world.ask(x_equerry_data_class="public", x_equerry_subject_region="JP")

    assert isinstance(world.pen.entries[0], Decided)
    assert (world.pen.entries[0].cls, world.pen.entries[0].sub) == ("public", "JP")


TENANT = "t-0123456789abcdef"
STRANGER = Rejected(Reason.WRONG_CELL, Cell("jp-tyo"))


def test_strangers_are_all_refused_alike_and_the_log_gets_some_of_them_and_the_sum_of_the_rest():
    """Anybody can make up a key of another cell, and an entry is kept for years."""
    world = World(admit=lambda _: STRANGER)

    answers = [world.ask() for _ in range(500)]
    first = len(world.pen.entries)
    world.at += 60_000
    answers.append(world.ask())

    assert ({answer.status for answer in answers}, first) == ({421}, 60)
    assert len({str(answer.body) for answer in answers}) == 1
    summary, last = world.pen.entries[first:]
    assert (summary.ten, summary.count, summary.rej) == ("t-0000000000000000", 440, {"rate_limited": 440})
    assert isinstance(last, Decided)


def test_a_sum_that_could_not_be_written_is_not_forgotten():
    world = World(admit=lambda _: STRANGER)
    [world.ask() for _ in range(70)]

    world.at, world.pen.broken = world.at + 60_000, True
    assert world.ask().status == 503
    world.pen.broken = False
    world.ask()

    assert world.pen.entries[60].count == 10


def fruitless(world: World, times: int = 100) -> list[int]:
    return [world.ask().status for _ in range(times)]


@pytest.mark.parametrize(
    "world", [lambda: World(job=False, status=400), lambda: World(decision=NOWHERE)], ids=["junk", "denied"]
)
def test_what_a_key_asks_for_and_gets_no_film_fills_the_log_at_a_bounded_rate(world):
    world = world()

    statuses = fruitless(world)
    entries = len(world.pen.entries)
    world.at += 60_000
    later = fruitless(world, 3)

    assert (statuses.count(429), later[2]) == (80, 429)
    assert 429 not in later[:2]
    assert world.read == (22 if statuses[0] == 400 else 0)
    assert len(world.pen.entries) - entries == entries // 10
    assert world.counted.count((TENANT, Rejection.RATE_LIMITED)) == 81


@pytest.mark.parametrize(
    "world",
    [World(), World(job=False, status=503), World(job=True, status=500)],
    ids=["a film", "we cannot now", "we failed"],
)
def test_films_and_what_fails_through_us_cost_no_turn(world):
    assert 429 not in fruitless(world)


def test_what_the_log_did_not_take_costs_no_turn():
    world = World(broken=True)

    assert set(fruitless(world)) == {503}


def test_a_caller_who_waits_as_long_as_it_is_told_comes_in():
    world = World(job=False, status=400)
    fruitless(world)

    wait_s = int(world.ask().headers[b"retry-after"])
    world.at += 1000 * wait_s

    assert world.ask().status == 400


@pytest.mark.parametrize(
    ("world", "counted"),
    [
        (World(decision=NOWHERE), [(TENANT, Rejection.NO_COMPLIANT_REGION)]),
        (World(broken=True), [(TENANT, Rejection.UNAVAILABLE)]),
        (World(decision=Decision((), {}, GROUNDS, "stale_table")), [(TENANT, Rejection.UNAVAILABLE)]),
        (World(status=503, job=False), [(TENANT, Rejection.UNAVAILABLE)]),
        (World(status=500, job=True), []),
        (World(status=400, job=False), []),
        (World(status=429, job=False), []),
        (World(), []),
        (World(decision=ONLY_THERE), []),
        (World(admit=lambda _: Rejected(Reason.UNKNOWN)), []),
        (World(admit=lambda _: Rejected(Reason.WRONG_CELL, Cell("jp-tyo"))), []),
    ],
    ids=[
        "the boundary", "no log", "old rules", "an error of ours", "an error after the job was made",
        "the caller's mistake", "too much at once, which admission counts", "a film", "the wrong cell", "no key",
        "another cell's key",
    ],
)  # fmt: skip
def test_a_request_that_no_film_came_of_counts_as_whose_fault_it_was(world, counted):
    world.ask()

    assert world.counted == counted


def test_a_request_that_breaks_the_cell_counts_as_ours():
    world = World(status=0, job=False)

    with pytest.raises(RuntimeError):
        world.ask()
    assert world.counted == [(TENANT, Rejection.UNAVAILABLE)]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/videos/video_1"), ("POST", "/v1/files")])
def test_only_requests_for_films_count(method, path):
    world = World(decision=NOWHERE)

    assert (world.ask(method=method, path=path).status, world.counted) == (403, [])
