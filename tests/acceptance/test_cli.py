"""`equerry model …` does what it says, for a person and for a script."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from model.clip import Clip, Film, Mode, Size
from model.generate import Generator
from model.make import Maker
from model.media import read_film, write_film
from model.report import PLAIN_RAMP, RAMP, Timed, events, time_line
from model.world.render import contacts, render
from model.world.scene import Body, Face, Scene
from model.world.sound import sound

PROMPT = "a red circle bounces up and down"
BALL = Body(shape="circle", size="big", skin="red", material="metal", motion="bounce", pace="quickly", x=32, y=0)


@pytest.fixture
def generate(equerry_model, untrained, tmp_path):
    """Makes a film of 1 s with seed 1 unless told otherwise, and returns what the JSON says."""

    def ask(prompt, *options, name="film.mp4"):
        usual = ("--model", untrained, "--out", tmp_path / name, "--json")
        left = equerry_model("generate", *usual, *options, prompt)
        assert left.code == 0, left.err
        return json.loads(left.out)

    return ask


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)).save(path)
    return path


def film_of(scene: Scene, frames: int = 16) -> Film:
    return Film(frames=render(scene, frames), fps=Fraction(8), sound=sound(scene, frames), rate=8_000)


def test_a_sentence_becomes_a_film_of_the_size_and_length_asked_for(generate, tmp_path):
    told = generate(PROMPT, "--seconds", 1, "--size", "100×60", "--seed", 1, "--sheet", tmp_path / "sheet.png")

    film = read_film(tmp_path / "film.mp4", fps=Fraction(8), rate=8_000)
    assert film.frames.shape == (8, 60, 100, 3)
    assert (told["size"], told["native_size"], told["frames"], told["mode"]) == ("100x60", "80x48", 8, "t2v")
    assert told["bytes"] == (tmp_path / "film.mp4").stat().st_size
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 1280


def test_without_options_a_film_lasts_2_s_at_64x64(generate):
    told = generate(PROMPT)

    assert (told["seconds"], told["size"], told["steps"], told["pace"]) == (2.0, "64x64", 67, "waves")


def test_a_film_can_be_made_again_by_the_seed_that_was_told(generate):
    first = generate(PROMPT, "--seconds", 1)
    again = generate(PROMPT, "--seconds", 1, "--seed", first["seed"], name="again.mp4")
    other = generate(PROMPT, "--seconds", 1, "--seed", first["seed"] ^ 1, name="other.mp4")

    assert first["sha256"] == again["sha256"] != other["sha256"]


@pytest.mark.parametrize("options", [(), ("--guidance", 2)])
def test_the_number_of_threads_does_not_change_a_byte(generate, options):
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(generate(PROMPT, "--seconds", 1, "--seed", 4, *options)["sha256"])

    assert made[0] == made[1]


def test_slot_by_slot_takes_more_steps_to_the_same_bytes(generate):
    waves, slots = (generate(PROMPT, "--seconds", 1, "--seed", 2, "--steps", pace) for pace in ("waves", "slots"))

    assert (waves["steps"], slots["steps"]) == (37, 160)
    assert waves["sha256"] == slots["sha256"]


def test_a_first_image_gives_the_size_nearest_in_shape(generate, picture):
    told = generate("it slides", "--image", picture, "--seconds", 1)

    assert (told["mode"], told["size"]) == ("i2v", "80x48")


def test_references_that_the_prompt_does_not_name_are_remarked_on(generate, picture):
    named = generate("[1] bounces", "--reference", picture, "--seconds", 1)
    silent = generate("it bounces", "--reference", picture, "--seconds", 1)

    assert (named["mode"], named["remarks"]) == ("r2v", [])
    assert "Name each as [1]" in silent["remarks"][0]


def test_an_edit_is_as_long_as_its_film_and_an_extension_2_s_longer(generate, tmp_path):
    generate(PROMPT, "--seconds", 1, name="source.mp4")
    source = tmp_path / "source.mp4"

    edit = generate("make it blue", "--video", source)
    same = generate("make it blue", "--video", source, "--seconds", 1)
    longer = generate(PROMPT, "--video", source, "--extend")
    longest = generate(PROMPT, "--video", source, "--extend", "--seconds", 4, "--size", "48x80")

    assert [told["mode"] for told in (edit, same, longer)] == ["edit", "edit", "extend"]
    assert [told["seconds"] for told in (edit, same, longer, longest)] == [1.0, 1.0, 3.0, 4.0]
    assert longest["size"] == "48x80"


def test_a_film_of_less_than_a_second_can_be_extended(generate, tmp_path):
    scene = Scene(size=Size(64, 64), background="black", bodies=(BALL,))
    write_film(film_of(scene, frames=6), tmp_path / "short.mp4")

    told = generate(PROMPT, "--video", tmp_path / "short.mp4", "--extend", "--seconds", 2)

    assert (told["frames"], told["steps"]) == (16, 3 * 15)


def test_an_edit_may_use_references(generate, tmp_path, picture):
    generate(PROMPT, "--seconds", 1, name="source.mp4")

    told = generate("replace the circle with [1]", "--video", tmp_path / "source.mp4", "--reference", picture)

    assert (told["mode"], told["remarks"]) == ("edit", [])


@pytest.mark.parametrize("size", ["64x64", "64X64", "64*64", " 64 × 64 "])
def test_a_size_may_be_written_in_several_ways(generate, size):
    assert generate(PROMPT, "--seconds", 1, "--size", size)["size"] == "64x64"


def test_a_person_is_told_what_was_made_chunk_by_chunk_and_then_on_a_time_line(equerry_model, untrained, tmp_path):
    place = tmp_path / "film.mp4"

    left = equerry_model("generate", PROMPT, "--model", untrained, "--out", place, "--seconds", 1, "--seed", 5)

    assert left.err == "chunk 1 of 2\nchunk 2 of 2\n"
    assert f"{place}: 64x64, 1 s at 8 frames a second" in left.out
    assert "seed 5, 37 steps by waves" in left.out
    assert [line[:9] for line in left.out.splitlines()[-2:]] == ["  0.0 s  ", "  0.5 s  "]


def test_time_is_told_by_what_it_was_spent_on(untrained, generate):
    told = generate(PROMPT, "--seconds", 1)

    times, meanwhile = told["times"], told["meanwhile"]
    assert times["total"] == pytest.approx(sum(v for k, v in times.items() if k != "total"), abs=0.01)
    assert min(*times.values(), *meanwhile.values()) >= 0
    assert times["decoding"] > meanwhile["rendering"] > 0
    assert 0 < told["first_chunk"] < times["total"]


def test_a_timed_generator_makes_what_a_plain_one_makes(untrained):
    from model.checkpoint import load

    model = load(str(untrained))
    clip = Clip(prompt=PROMPT, mode=Mode.T2V, size=Size(64, 64), seconds=1, seed=1)

    timed, plain = (Maker(kind(model)).make(clip)[0] for kind in (Timed, Generator))

    assert np.array_equal(timed.frames, plain.frames)
    assert np.array_equal(timed.sound, plain.sound)


def test_knocks_are_told_by_their_material_when_they_happen():
    scene = Scene(size=Size(64, 64), background="black", bodies=(BALL,))

    heard = events(film_of(scene))

    assert [e.label for e in heard] == ["metal knock"] * len(contacts(scene, 16))
    assert [e.seconds for e in heard] == pytest.approx([c.frame / 8 for c in contacts(scene, 16)], abs=0.02)


def test_notes_are_told_by_their_names():
    face = Face(colour="yellow", notes=("C", "E", "G", "C"), x=32, y=32)
    scene = Scene(size=Size(64, 64), background="navy", face=face)

    assert [e.label for e in events(film_of(scene))] == ["note C", "note E", "note G", "note C"]


def test_a_time_line_shows_motion_and_sound_in_every_half_second():
    scene = Scene(size=Size(64, 64), background="black", bodies=(BALL,))
    film = film_of(scene)

    lines = list(time_line(film, events(film), RAMP))

    assert len(lines) == 4
    assert ["metal knock at" in line for line in lines] == [True, False, True, False]
    assert all(line.isascii() for line in time_line(film, events(film), PLAIN_RAMP))


def test_silence_and_stillness_are_told_as_nothing():
    film = Film(
        frames=np.zeros((9, 64, 64, 3), np.uint8), fps=Fraction(8), sound=np.zeros(9_000, np.float32), rate=8_000
    )

    assert events(film) == []
    assert next(time_line(film, [])) == "  0.0 s  picture |    |  sound |    |"


def test_a_plan_for_a_person_shows_figures_shares_and_waves(equerry_model):
    shown = equerry_model("layout", "--model", "horse", "--seconds", 10, "--size", "1280x720").out

    assert [words for words in ("3,764", "163,840", "8 H100", "12,104", "top left corner") if words not in shown] == []


def test_a_plan_for_a_script_holds_the_same(equerry_model):
    told = json.loads(equerry_model("layout", "--json", "--mode", "edit", "--references", 2, "--seconds", 5).out)

    assert (told["chunks"], told["decoded_slots"], told["waves"]) == (10, 800, 157)
    assert [w["given"] for w in told["windows"]] == [0, 2, 2, 2]
    assert told["tensor_parallel"]["heads"] == {"1": 8, "2": 4, "4": 2, "8": 1}
    assert told["tensor_parallel"]["key-value heads"]["8"] is None


def test_a_plan_needs_no_weights_but_may_read_a_folder(equerry_model, untrained):
    named, read = (json.loads(equerry_model("layout", "--json", "--model", m).out) for m in ("pony", untrained))

    assert named == read


def test_the_plan_of_a_film_is_what_making_it_takes(equerry_model, generate):
    planned = json.loads(equerry_model("layout", "--json", "--seconds", 5).out)

    assert generate(PROMPT, "--seconds", 5)["steps"] == planned["waves"]


def test_the_card_is_shown_with_the_digest(equerry_model, untrained):
    left = equerry_model("card", "--model", untrained)

    assert left.code == 0
    assert left.out.startswith("# pony\n")
    assert "every file is as SHA256SUMS says" in left.out


def test_the_card_of_altered_weights_says_which_file(equerry_model, untrained, tmp_path):
    for path in untrained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text("{}")

    left = equerry_model("card", "--model", tmp_path)

    assert left.code == 70
    assert "config.json has sha256" in left.err


def test_a_benchmark_holds_waves_beside_slots(equerry_model, untrained):
    left = equerry_model("bench", "--model", untrained, "--repeats", 1, "--json")

    told = json.loads(left.out)
    assert (told["waves"]["steps"], told["slots"]["steps"]) == (67, 320)
    assert told["identical"]
    assert told["ratio"] == pytest.approx(told["slots"]["decoding"] / told["waves"]["decoding"])


def test_the_demonstration_makes_three_films_and_a_sheet(equerry_model, untrained, tmp_path):
    left = equerry_model("demo", "--out", tmp_path / "new" / "out", "--model", untrained)

    assert left.code == 0
    made = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert made == {"ball.mp4", "face.mp4", "edit.mp4", "sheet.png"}
    assert [name for name in made if name not in left.out] == []


def test_help_needs_no_torch_and_idle_threads_are_put_to_sleep_before_it_is_there():
    code = (
        "import os, sys, equerry\n"
        "try: equerry.main(['model', 'generate', '--help'])\n"
        "except SystemExit: print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1].startswith("False ")
