"""The benchmarks' own arithmetic: exponents, rooflines, ratios, and a run that says what it left out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import __main__ as suite
from benchmarks.figures import charts, lines
from benchmarks.first import Run
from benchmarks.growth import exponent
from benchmarks.hardware import BadDevice, bound, here
from benchmarks.picture import Bar, Part, page
from benchmarks.where import Stages
from model.clip import Mode, Size
from model.config import PONY
from model.cost import Machine, cost
from model.layout import layout
from model.plan import shape_of
from model.prompt import Prompt
from model.vocabulary import Guide

SLOW = Machine(name="slow", flops_per_s=1e10, bytes_per_s=1e10, memory_bytes=1e12)
GROWTH = {"rows": [{"at": "2 s", "processor": 1.5}], "fits": [{"what": "length", "exponent": 1.02, "predicted": 1.0}]}


@pytest.fixture(scope="module")
def table():
    prompt = Prompt(mode=Mode.T2V, size=Size(64, 64), seconds=2, guide=Guide.PLAIN, text=tuple(range(20)))
    return layout(prompt.spec(PONY, 4))


@given(power=st.floats(0.2, 3), scale=st.floats(0.1, 10))
def test_an_exponent_is_that_of_the_power_law(power, scale):
    x = [80.0, 160.0, 320.0, 1200.0]

    assert exponent(x, [scale * each**power for each in x]) == pytest.approx(power)


@pytest.mark.parametrize("waves", [True, False])
def test_the_roofline_of_one_film_is_the_costs_own(table, waves):
    told = cost(table, shape_of(PONY, 4), SLOW)

    seconds = 60 / bound(table, PONY, SLOW, 1, waves=waves)

    assert seconds == pytest.approx(told.wave_seconds if waves else told.flat_seconds, rel=0.02)


def test_films_that_share_a_step_share_its_weights(table):
    memory = Machine(name="memory", flops_per_s=1e15, bytes_per_s=1e10, memory_bytes=1e12)

    assert bound(table, PONY, memory, 8, waves=True) > 6 * bound(table, PONY, memory, 1, waves=True)


def test_a_stage_is_told_without_what_it_calls():
    stages, clock = Stages("cpu"), iter([0.0, 1.0, 4.0, 6.0])
    stages.now = lambda: next(clock)  # type: ignore[method-assign]

    with stages.of("outer"), stages.of("inner"):
        pass

    assert dict(stages.seconds) == {"inner": 3.0, "outer": 3.0}


def test_stages_of_other_threads_are_not_inside_ones_own():
    stages = Stages("cpu")

    def work() -> None:
        with stages.of("beside"):
            sum(range(200_000))

    with stages.of("outer"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert stages.seconds["beside"] > 0
    assert stages.seconds["outer"] >= 0


def test_a_picture_is_xml_with_a_rectangle_for_each_part():
    drawn = page([("Time <of> a film", [Bar("1 & 8", (Part("trunk", 2.0), Part("codec", 1.0)), "3 s")])])

    root = ET.fromstring(drawn)
    wide = [float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect") if len(each)]
    assert wide[0] == pytest.approx(2 * wide[1], rel=1e-2)


def test_figures_become_lines_and_bars():
    assert lines("growth", GROWTH) == [("exponent of length", "1.020, by the roofline 1.000", "1 within 10 %")]
    assert [bar.told for _, bars in charts({"growth": GROWTH}) for bar in bars] == ["1.50 s"]


def test_a_part_that_needs_vllm_is_skipped_with_the_reason_where_it_is_not(monkeypatch):
    monkeypatch.setattr(suite, "engine_python", lambda: None)

    assert "make setup-engine" in suite.measured(part("ranks"), suite.Asked(quick=True))["skipped"]


def test_a_part_that_measures_the_pony_alone_says_so_of_the_horse():
    assert suite.skipped(part("pages"), suite.Asked(model="horse")) == "it measures the pony alone."


def test_a_part_that_fails_says_why_and_the_others_are_kept(tmp_path, monkeypatch):
    def ran(command, **_):
        failed = "benchmarks.first" in command
        return subprocess.CompletedProcess(
            command, failed, "said by a library\n" + json.dumps(GROWTH, indent=1), "No room."
        )

    monkeypatch.setattr(subprocess, "run", ran)

    result = CliRunner().invoke(command_line(), ["--only", "growth", "--only", "first", "--out", str(tmp_path)])

    told = json.loads((tmp_path / "bench.json").read_text())["parts"]
    assert result.exit_code == 1
    assert told["first"] == {"failed": "No room."}
    assert told["growth"]["fits"] == GROWTH["fits"]
    assert (tmp_path / "bench.svg").read_text().startswith("<svg")


def test_a_run_that_is_broken_off_keeps_what_it_has(tmp_path, monkeypatch):
    def ran(part, _):
        if part.name == "first":
            raise KeyboardInterrupt
        return dict(GROWTH)

    monkeypatch.setattr(suite, "measured", ran)

    CliRunner().invoke(command_line(), ["--only", "growth", "--only", "first", "--out", str(tmp_path)])

    whole = json.loads((tmp_path / "bench.json").read_text())
    assert list(whole["parts"]) == ["growth"]
    assert whole["machine"]["cores"] >= 1


def test_a_gpu_that_is_not_there_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "_has_cuda", lambda _: False)

    result = CliRunner().invoke(command_line(), ["--device", "cuda", "--out", str(tmp_path)], env={"COLUMNS": "300"})

    assert result.exit_code == 2
    assert "torch finds no GPU here" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_part_on_a_gpu_that_is_not_there_ends_with_one_sentence():
    with pytest.raises(BadDevice, match="nothing can be measured on cuda"):
        here("cuda")


def test_the_device_and_the_model_reach_the_parts_that_take_them(monkeypatch):
    monkeypatch.setattr(suite, "engine_python", lambda: None)
    asked = suite.Asked(device="cuda", model="horse")
    commands = {each.name: suite.command(each, asked) for each in suite.PARTS}

    wanted = [sys.executable, "-m", "benchmarks.growth", "--device", "cuda", "--model", "horse", "--json"]
    assert commands["growth"] == wanted
    assert "--device" not in commands["doors"]
    assert "--model" not in commands["pages"]


def test_on_a_gpu_every_part_that_runs_a_model_runs_where_vllm_is(monkeypatch):
    monkeypatch.setattr(suite, "engine_python", lambda: Path("engine"))

    assert suite.python_of(part("growth"), suite.Asked(device="cuda")) == Path("engine")
    assert suite.python_of(part("growth"), suite.Asked()) == Path(sys.executable)


@pytest.mark.parametrize(("resident", "grown"), [([400.0] * 10 + [401.0, 403.0], 3.0), ([390.0, 400.0, 402.0], 2.0)])
def test_memory_is_told_of_films_of_every_length(resident, grown):
    assert Run(way="meanwhile", resident=resident).grown == grown


def part(name):
    return next(each for each in suite.PARTS if each.name == name)


def command_line():
    app = typer.Typer()
    app.command()(suite.main)
    return app
