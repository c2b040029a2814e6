"""Whatever is typed or given: a film, or one sentence and exit code 2; never a traceback, never half a file."""

from __future__ import annotations

import errno
import importlib.util
import os
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from model.clip import Clip, Film, Mode
from model.config import PONY
from model.errors import BadLength
from model.make import check
from model.media import write_film

PROMPT = "a red circle bounces up and down"


@pytest.fixture
def generate(equerry_model, untrained, tmp_path):
    """Asks for a film of 1 s in an empty folder; later options win over the ones here."""

    def ask(prompt, *options):
        usual = ("--model", untrained, "--out", tmp_path / "film.mp4", "--seconds", 1, "--seed", 1)
        return equerry_model("generate", *usual, *options, "--", prompt)

    return ask


@pytest.fixture
def files(tmp_path):
    """A folder of good and bad inputs."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    picture.save(folder / "good.png")
    picture.resize((10_000, 16)).save(folder / "wide.png")
    whole = (folder / "good.png").read_bytes()
    (folder / "corrupt.png").write_bytes(whole[:2000] + bytes(500) + whole[2500:])
    (folder / "cut.png").write_bytes(whole[:3000])
    (folder / "text.png").write_text("This is a text, whatever its name says.\n")
    (folder / "empty.png").write_bytes(b"")
    (folder / "noise.png").write_bytes(np.random.default_rng(1).bytes(5000))
    os.mkfifo(folder / "pipe.png")
    frames = np.zeros((16, 64, 64, 3), np.uint8)
    film = Film(frames=frames, fps=Fraction(8), sound=np.zeros(16_000, np.float32), rate=8_000)
    write_film(film, folder / "good.mp4")
    (folder / "cut.mp4").write_bytes((folder / "good.mp4").read_bytes()[:-700])
    return folder


def assert_refused(left, words, code=2):
    """One sentence on standard error and nothing else."""
    assert left.err.startswith("equerry: ")
    assert words in left.err
    assert "Traceback" not in left.err
    assert (left.code, left.out, left.err.count("\n")) == (code, "", 1)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("64by64", "is not a size"),
        ("", "is not a size"),
        ("64", "is not a size"),
        ("64x64x64", "is not a size"),
        ("-64x64", "is not a size"),
        ("64.0x64", "is not a size"),
        ("9" * 5000 + "x1", "is not a size"),
        ("0x0", "has no pixels"),
        ("99999999999999999999x1", "cannot be made"),
        ("30x64", "cannot be made"),
        ("65x64", "cannot be made"),
        ("64x2210", "cannot be made"),
    ],
)
def test_a_size_that_cannot_be_made_is_refused(generate, tmp_path, size, words):
    assert_refused(generate(PROMPT, "--size", size), words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", ["0", "16", "-1", "2.5", "1e1", "two", "", "nan", "9" * 5000])
def test_a_length_that_cannot_be_made_is_refused(generate, seconds):
    assert_refused(generate(PROMPT, "--seconds", seconds), "Ask for 1 to 15")


@pytest.mark.parametrize("prompt", ["", " ", " \t\n\u3000 "])
def test_a_prompt_without_a_letter_is_refused(generate, prompt):
    assert_refused(generate(prompt), "The prompt is empty")


def test_a_prompt_of_20_000_characters_is_refused(generate):
    assert_refused(generate("x" * 20_000), "20,000 characters")


@pytest.mark.parametrize(
    "prompt",
    [
        "🔴⬆️⬇️ 👨‍👩‍👧‍👦",
        "دائرة حمراء تقفز \u202eup\u202c",
        "עיגול אדום קופץ",
        "a red\x00circle\x07\x1b[2J bounces\r\n\x7f",
        os.fsdecode(b"a r\xe9d circle \xff\xfe"),
        "\ud83d alone",
        "z\u0335\u0321\u034f" * 300,
        "x" * 5_000,
        "--help is not an option here",
        "%s %n {0} \\u0000 ${HOME} [bold]red[/bold]",
    ],
)
def test_any_other_prompt_gives_a_film(generate, tmp_path, prompt):
    left = generate(prompt, "--sheet", tmp_path / "sheet.png")

    assert left.code == 0
    assert not {"\x1b", "\x00", "\x07"} & set(left.out)
    assert (tmp_path / "film.mp4").stat().st_size > 1000
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("corrupt.png", "damaged"),
        ("cut.png", "damaged"),
        ("text.png", "holds text"),
        ("wide.png", "10000x16 pixels"),
        ("empty.png", "is empty"),
        ("noise.png", "is not an image"),
        ("missing.png", "There is no file"),
        ("pipe.png", "is not a file"),
        (".", "is not a file"),
        ("good.mp4", "is a film"),
        ("n" * 300 + ".png", "cannot be read"),
        (os.fsdecode(b"\xff.png"), "There is no file"),
    ],
)
@pytest.mark.parametrize("option", ["--image", "--reference"])
def test_an_image_that_cannot_be_read_is_refused(generate, files, name, words, option):
    assert_refused(generate(PROMPT, option, files / name), words)


@pytest.mark.parametrize(
    ("name", "words"),
    [("cut.mp4", "breaks off"), ("good.png", "is an image"), ("text.png", "holds text"), ("missing.mp4", "no file")],
)
def test_a_film_that_cannot_be_read_is_refused(generate, files, name, words):
    assert_refused(generate(PROMPT, "--video", files / name), words)


def test_parts_that_contradict_each_other_are_refused(generate, files):
    image, film = files / "good.png", files / "good.mp4"

    assert_refused(generate(PROMPT, "--image", image, "--image", image), "--reference")
    assert_refused(generate(PROMPT, "--image", image, "--reference", image), "--image goes with no other")
    assert_refused(generate(PROMPT, "--image", image, "--video", film), "--image goes with no other")
    assert_refused(generate(PROMPT, "--extend"), "Name it with --video")
    assert_refused(generate(PROMPT, "--video", film, "--seconds", 5), "Leave out --seconds")
    assert_refused(generate(PROMPT, "--video", film, "--extend", "--seconds", 2), "already lasts 2.0 s")
    assert_refused(generate(PROMPT, "--video", film, "--extend", "--reference", image, "--seconds", 3), "References do")
    assert_refused(generate("[3] bounces", "--reference", image, "--reference", image), "names [3]")
    assert_refused(generate("[1] bounces"), "names [1]")
    assert_refused(generate("［１］ bounces"), "names [1]")
    assert_refused(generate(PROMPT, *["--reference", image] * 10), "10 references")


def test_a_film_as_long_as_can_be_is_not_extended():
    whole = Film(
        frames=np.zeros((120, 2, 2, 3), np.uint8), fps=Fraction(8), sound=np.zeros(120_000, np.float32), rate=8_000
    )
    clip = Clip(prompt=PROMPT, mode=Mode.EXTEND, size=PONY.sizes[0], seconds=15, seed=1, source=whole)

    with pytest.raises(BadLength, match="Cut it first"):
        check(clip, PONY)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--seed", "-1", "out of range"),
        ("--seed", str(2**63), "out of range"),
        ("--seed", "9" * 5000, "out of range"),
        ("--seed", "lucky", "is not a seed"),
        ("--guidance", "nan", "cannot be used"),
        ("--guidance", "-1", "cannot be used"),
        ("--guidance", "strong", "cannot be used"),
        ("--steps", "leaps", "Use waves or slots"),
        ("--engine", "steam", "Use torch or vllm"),
        ("--model", "zebra", "no weights called"),
        ("--model", "", "no weights called"),
        ("--model", "n" * 5000, "no weights called"),
    ],
)
def test_an_option_that_means_nothing_is_refused(generate, option, value, words):
    assert_refused(generate(PROMPT, option, value), words)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_an_engine_that_is_not_here_is_unavailable(generate):
    assert_refused(generate(PROMPT, "--engine", "vllm"), "vLLM is not installed", code=69)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere/film.mp4", "There is no folder"),
        ("inputs", "ends in .mp4"),
        ("film.webm", "ends in .mp4"),
        ("folder.mp4", "is not a file"),
        ("pipe.mp4", "is not a file"),
        ("inputs/good.png/film.mp4", ""),
        ("inputs/good.mp4", "is read and cannot be written"),
        ("link.mp4", "is read and cannot be written"),
        ("n" * 300 + ".mp4", "cannot be written"),
        ("/proc/film.mp4", "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(generate, files, tmp_path, place, words):
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(files / "good.mp4")
    before = (files / "good.mp4").read_bytes()

    left = generate("make it blue", "--video", files / "good.mp4", "--seconds", 2, "--out", tmp_path / place)

    assert_refused(left, words)
    assert (files / "good.mp4").read_bytes() == before


def test_a_sheet_that_cannot_be_written_is_refused_before_any_work(generate, tmp_path):
    assert_refused(generate(PROMPT, "--sheet", tmp_path / "nowhere" / "sheet.png"), "There is no folder")
    assert_refused(generate(PROMPT, "--sheet", tmp_path / "sheet.gif"), "ends in .png")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(generate, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("model.media._files.os.fsync", full)

    left = generate(PROMPT)

    assert (left.code, left.out) == (69, "")
    assert left.err.splitlines()[-1].startswith("equerry: The disk is full")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seconds", "0"), "Ask for 1 to 15"),
        (("--size", "0x0"), "has no pixels"),
        (("--mode", "opera"), "Use t2v"),
        (("--references", "10", "--mode", "r2v"), "cannot be used"),
        (("--references", "2"), "do not go with"),
        (("--references", "-1", "--mode", "r2v"), "cannot be used"),
        (("--model", "zebra"), "no weights called"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(equerry_model, options, words):
    assert_refused(equerry_model("layout", *options), words)


@pytest.mark.parametrize("repeats", ["0", "-3", "many", "1000000"])
def test_a_number_of_repeats_that_cannot_be_run_is_refused(equerry_model, repeats):
    assert_refused(equerry_model("bench", "--repeats", repeats), "repeats")


def test_a_demonstration_into_a_file_is_refused(equerry_model, untrained, tmp_path):
    (tmp_path / "out").touch()

    assert_refused(equerry_model("demo", "--out", tmp_path / "out", "--model", untrained), "cannot be made a folder")
