"""Training: a run that was killed goes on as if nothing had happened, and the trunk learns from what it should."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from model.checkpoint import load
from model.clip import Mode, Size
from model.config import PONY
from model.errors import Broken, Refused
from model.layout import Kind
from model.train import films
from model.train.kin import digits
from model.train.recipe import Recipe, finish, train
from model.train.run import Plan, Run
from model.trunk import Layer, Trunk, rope

PLAN = Plan(steps=12, rate=1e-2, muon=1e-2, warmup=2, seed=4, keep=0.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 2))


def first_trunk() -> Trunk:
    trunk = Trunk(PONY)
    trunk.begin(PONY, torch.Generator().manual_seed(0))
    return trunk


def learning(net):
    def step(_, rng):
        x = torch.from_numpy(rng.standard_normal((32, 8)).astype(np.float32))
        loss = (net(x) - x[:, :2]).square().mean()
        loss.backward()
        return {"loss": float(loss.detach())}

    return step


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def trained(folder: Path, *stops: int, plan: Plan = PLAN, left: str = "") -> Run:
    """A run in pieces; `left` is what each piece leaves at the end of the log."""
    for stop in (*stops, plan.steps):
        net = network()
        run = Run(net, plan, folder)
        run.load()
        run.go(learning(net), lambda _: None, until=stop)
        if stop < plan.steps:
            with run.log_file.open("a") as log:
                log.write(left)
    return run


def test_a_run_in_pieces_ends_with_the_same_weights_as_a_run_in_one(tmp_path):
    whole, pieces = trained(tmp_path / "a"), trained(tmp_path / "b", 3, 7)

    assert all(torch.equal(whole.named[k], pieces.named[k]) for k in whole.named)
    assert all(torch.equal(whole.mean[k], pieces.mean[k]) for k in whole.mean)


def test_a_run_in_pieces_writes_the_log_of_a_run_in_one(tmp_path):
    plan, left = replace(PLAN, steps=120), '{"step": 100.0, "loss": 9.0}\n{"step": 1'  # as after a kill
    trained(tmp_path / "a", plan=plan)
    trained(tmp_path / "b", 30, 70, plan=plan, left=left)

    assert losses(tmp_path / "b") == losses(tmp_path / "a")


def test_a_run_that_was_killed_before_its_first_file_begins_its_log_again(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 50.0, "loss": 9.0}\n')

    assert not Run(network(), PLAN, tmp_path).load()
    assert losses(tmp_path) == []


def test_learning_goes_down(tmp_path):
    run = trained(tmp_path, 2, plan=replace(PLAN, steps=150))

    first, *_, last = losses(tmp_path)
    assert last < first / 2
    assert run.step == 150


def test_a_folder_of_another_seed_is_refused(tmp_path):
    trained(tmp_path)

    with pytest.raises(Refused, match="seed 4"):
        Run(network(), replace(PLAN, seed=5), tmp_path).load()


def test_the_rate_rises_stays_and_falls_to_nothing():
    plan = Plan(steps=100, rate=1.0, muon=1.0, warmup=10, decay=0.3)

    assert [round(plan.rate_at(s), 2) for s in (0, 9, 50, 70, 85, 99, 100)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.03, 0.0]


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_from_a_whole_file(tmp_path):
    program = (
        "import sys; sys.path.insert(0, 'tests/unit')\n"
        "from test_train import *\n"
        f"trained(Path({str(tmp_path / 'killed')!r}), plan=replace(PLAN, steps=1500))"
    )
    state = tmp_path / "killed" / "state.safetensors"

    def written():
        return state.stat().st_mtime_ns if state.exists() else None

    for wait in (0.2, 0.3):
        before = written()
        with subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2]) as child:
            deadline = time.monotonic() + 60
            while written() == before and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(wait)
            os.kill(child.pid, signal.SIGKILL)

    killed = trained(tmp_path / "killed", plan=replace(PLAN, steps=1500))
    whole = trained(tmp_path / "whole", plan=replace(PLAN, steps=1500))

    assert all(torch.equal(whole.named[k], killed.named[k]) for k in whole.named)


@pytest.fixture(scope="module")
def studio(untrained):
    model = load(str(untrained))
    return films.Studio(model.config, model.tokenizer, model.video, model.audio, model.trunk)


@pytest.mark.parametrize("group", sorted({g for turn in films.STEPS for g in turn}, key=str), ids=str)
def test_every_group_makes_a_batch_whose_codes_are_all_in_place(studio, group):
    batch = studio.batch(np.random.default_rng(1), replace(group, clips=2), Size(64, 64))

    v = studio.trunk.vocabulary
    video = batch.tokens[:, batch.rows.slot[batch.rows.kind == int(Kind.VIDEO)]]
    audio = batch.tokens[:, batch.rows.slot[batch.rows.kind == int(Kind.AUDIO)]]
    assert video.min() >= v.video
    assert video.max() < v.audio
    assert audio.min() >= v.audio
    assert audio.max() < v.audio + PONY.audio.codes
    assert video.shape[1] == 64 * 2 * group.seconds


def test_the_loss_of_a_slot_does_not_see_its_own_code(studio):
    batch = studio.batch(np.random.default_rng(1), films.Group(mode=Mode.T2V, clips=1, seconds=1), Size(64, 64))
    slot = int(batch.rows.slot[-1])
    other = batch.tokens.clone()
    other[:, slot] += 1

    with torch.no_grad():
        before, after = studio.trunk(batch.tokens, batch.rows), studio.trunk(other, batch.rows)

    assert torch.equal(before, after)


@pytest.mark.parametrize("mode", [Mode.T2V, Mode.EDIT])
def test_slips_are_codes_of_the_picture_where_it_is_settled_and_come_from_the_chance_given(studio, mode):
    batch = studio.batch(np.random.default_rng(1), films.Group(mode=mode, clips=8, seconds=1), Size(64, 64))
    trainer = films.Trainer(copy.deepcopy(studio.trunk).requires_grad_(True))

    a, b, c = (trainer.misread(batch, np.random.default_rng(seed)) for seed in (1, 1, 2))

    changed = a != batch.tokens
    v = studio.trunk.vocabulary
    first = batch.rows.slot[batch.rows.kind == int(Kind.VIDEO)][:64]  # chunk 0, apart from the sound between
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert 0 < changed.float().mean() < 0.5
    assert a[changed].min() >= v.video
    assert a[changed].max() < v.audio
    assert not changed[:, ~batch.settled].any()
    assert bool(batch.settled[first].any()) == (mode == Mode.EDIT)


def test_what_is_told_stays_true_where_the_trunk_reads_slips_and_all_of_it_learns(studio):
    batch = studio.batch(np.random.default_rng(1), films.Group(mode=Mode.EDIT, clips=2, seconds=1), Size(64, 64))
    trainer = films.Trainer(copy.deepcopy(studio.trunk).requires_grad_(True))
    told = batch.tokens.clone()
    own = next(seed for seed in range(100) if _reads_its_own(seed))

    plain, slipped = trainer.loss(batch)[0], trainer.loss(batch, np.random.default_rng(own))[0]
    slipped.backward()

    assert torch.equal(batch.tokens, told)
    assert plain != slipped
    assert all(p.grad is not None for name, p in trainer.named_parameters() if not name.startswith("names"))


def _reads_its_own(seed):
    rng = np.random.default_rng(seed)
    rng.integers(1 << 62)
    return rng.random() < films.OWN


def test_a_batch_is_the_same_whenever_it_is_drawn(studio):
    group = films.Group(mode=Mode.EDIT, clips=2, seconds=1)

    a, b = (studio.batch(np.random.default_rng([0, 9]), group, Size(64, 64)) for _ in range(2))

    assert torch.equal(a.tokens, b.tokens)


def test_weights_of_a_run_are_plain_tensors(tmp_path):
    trained(tmp_path)

    assert "parameter/0.weight" in load_file(tmp_path / "state.safetensors")


@pytest.mark.slow
def test_the_whole_recipe_makes_a_checkpoint_that_loads_and_running_it_again_changes_nothing(tmp_path):
    recipe = Recipe(config=PONY, folder=tmp_path / "run", scale=0.001)
    told: list[str] = []

    finish(recipe, train(recipe, lambda stage, *_: told.append(stage)), tmp_path / "model")
    digest = load(str(tmp_path / "model")).digest
    finish(recipe, train(recipe, lambda stage, *_: told.append(stage)), tmp_path / "again")

    assert told == ["audio", "video", "trunk"]
    assert load(str(tmp_path / "again")).digest == digest


@pytest.mark.slow
def test_a_model_that_goes_on_learning_keeps_its_tokenizer_and_its_codecs_and_changes_its_trunk(untrained, tmp_path):
    first = load(str(untrained))
    recipe = Recipe(config=PONY, folder=tmp_path / "run", scale=0.0005, start=load(str(untrained)))

    finish(recipe, train(recipe, lambda *_: None), tmp_path / "model")

    after = load(str(tmp_path / "model"))
    assert all(torch.equal(p, q) for p, q in zip(first.video.parameters(), after.video.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(first.audio.parameters(), after.audio.parameters(), strict=True))
    assert not torch.equal(first.trunk.head.weight, after.trunk.head.weight)
    assert first.digest[:12] in (tmp_path / "model" / "README.md").read_text("utf-8")


def test_a_run_from_nothing_is_not_taken_up_by_one_that_starts_from_a_model(untrained, tmp_path):
    (tmp_path / "recipe.json").write_text('{"seed": 0, "scale": 1.0}\n')

    with pytest.raises(Refused, match="use another folder"):
        train(Recipe(config=PONY, folder=tmp_path, start=load(str(untrained))), lambda *_: None)


def test_codes_that_share_a_digit_or_a_pair_of_digits_share_what_is_learnt_of_it():
    features = digits((3, 4, 5))  # code = a + 3 b + 12 c
    alike = features @ features.T

    assert features.shape == (60, 3 + 4 + 5 + 12 + 15 + 20)
    assert alike.diagonal().tolist() == [6.0] * 60
    assert alike[0, 1] == 3.0  # b and c, and the pair of them
    assert alike[0, 3 + 1] == 1.0  # c alone


def test_what_codes_share_is_nothing_at_first_and_is_folded_into_the_rows_at_the_end(untrained):
    trunk = load(str(untrained)).trunk.requires_grad_(True)
    rows = trunk.table.weight.detach().clone()
    trainer = films.Trainer(trunk)
    assert torch.equal(trunk.table.weight, rows)

    video = trunk.vocabulary.video
    trunk.table.weight[video].sum().backward()  # one code is met
    with torch.no_grad():
        for p in trainer.parameters():
            if p.grad is not None:
                p.sub_(p.grad)
    learnt = trunk.table.weight.detach().clone()

    folded = trainer.fold()
    assert torch.equal(folded.table.weight, learnt)
    assert set(folded.state_dict()) == set(first_trunk().state_dict())
    moved = (learnt - rows).abs().sum(1)
    assert moved[video] > moved[video + 1] > 0  # its kin learn from it, but less
    assert moved[:video].sum() == 0


def test_a_folder_of_a_shorter_recipe_is_refused(tmp_path):
    (tmp_path / "recipe.json").write_text('{"seed": 0, "scale": 0.01}\n')

    with pytest.raises(Refused, match="use another folder"):
        train(Recipe(config=PONY, folder=tmp_path), lambda *_: None)


def test_a_run_that_diverges_stops_and_keeps_its_last_good_state(tmp_path):
    trained(tmp_path)
    net = network()
    run = Run(net, replace(PLAN, steps=20), tmp_path)
    run.load()
    good = (tmp_path / "state.safetensors").read_bytes()

    def diverge(*_):
        (net.get_parameter("0.weight").sum() * float("inf")).backward()
        return {}

    with pytest.raises(Broken, match="step"):
        run.go(diverge, lambda _: None)
    assert (tmp_path / "state.safetensors").read_bytes() == good


def test_attention_through_a_whole_matrix_is_the_fused_one():
    layer = first_trunk().layers[0]
    assert isinstance(layer, Layer)
    attention = layer.attention
    x = torch.randn(2, 30, PONY.trunk.width)
    turned = rope(torch.arange(90, dtype=torch.float32).view(30, 3), PONY.trunk.head_dim)

    with torch.no_grad():
        fused = attention(x, *turned, 0, None)
    whole = attention(x.requires_grad_(), *turned, 0, None)

    assert torch.allclose(fused, whole, atol=1e-5)
