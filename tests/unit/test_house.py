"""The house itself: its packages, its front door, its dependencies, its lock file and its documents."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import equerry
from model.errors import BadWeights, Broken, EquerryError, Refused, Unavailable
from tests.docs.check_docs import broken_links, missing_commands, missing_doors

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["model", "policies", "serving"]
PACKAGES = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("__init__.py"))
]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): pin for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", LOCK, re.MULTILINE)}
LOCKED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cell"], *PROJECT["optional-dependencies"]["dev"]]
DECLARED = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]


def own_names(package: ModuleType) -> set[str]:
    """The public classes and functions that a package has made itself and shows at its top."""
    home = package.__name__
    return {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and f"{getattr(value, '__module__', '')}.".startswith(f"{home}.")
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room):
    assert import_module(room).__doc__


@pytest.mark.parametrize("package", [*PACKAGES, "equerry"])
def test_public_names_are_real_and_complete(package):
    module = import_module(package)
    names = getattr(module, "__all__", [])

    assert len(names) == len(set(names))  # ruff holds their order
    assert [name for name in names if not hasattr(module, name)] == []
    assert own_names(module) - set(names) == set()


def test_help_names_every_room_and_imports_none_of_them():
    code = "import sys, equerry\ntry: equerry.main(['--help'])\nfinally: print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert [name for name in equerry.DOORS if name not in done.stdout] == []
    assert {"torch", "numpy", *ROOMS} & set(done.stderr.split()) == set()


def test_the_version_is_that_of_the_project(capsys):
    with pytest.raises(SystemExit) as left:
        equerry.main(["--version"])

    assert (left.value.code, capsys.readouterr().out) == (0, f"equerry {PROJECT['version']}\n")


def test_an_unknown_room_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as left:
        equerry.main(["stable"])

    assert (left.value.code, "stable" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("name", equerry.DOORS)
def test_a_room_has_commands_or_is_one(name):
    group = equerry.door(name)

    assert group.commands or group.invoke_without_command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("0 s is too short."), 2),
        (Unavailable("No encoder."), 69),
        (Broken("A table is torn."), 70),
        (BadWeights("The digest differs."), 70),
        (EquerryError("Something else."), 70),
    ],
)
def test_an_error_with_a_name_is_one_sentence_and_an_exit_code(error, code, monkeypatch, capsys):
    monkeypatch.setattr(equerry, "app", raising(error))

    with pytest.raises(SystemExit) as left:
        equerry.main([])

    assert (left.value.code, *capsys.readouterr()) == (code, "", f"equerry: {error}\n")


def test_an_error_without_text_says_what_its_docstring_says(monkeypatch, capsys):
    monkeypatch.setattr(equerry, "app", raising(Unavailable()))

    with pytest.raises(SystemExit):
        equerry.main([])

    assert capsys.readouterr().err == f"equerry: {Unavailable.__doc__}\n"


def test_an_error_cannot_write_to_the_terminal_behind_our_back(monkeypatch, capsys):
    monkeypatch.setattr(equerry, "app", raising(Refused("no\x1b[2Jsuch\nfile")))

    with pytest.raises(SystemExit):
        equerry.main([])

    assert capsys.readouterr().err == "equerry: no\N{REPLACEMENT CHARACTER}[2Jsuch file\n"


def test_an_interruption_ends_with_130(monkeypatch):
    monkeypatch.setattr(equerry, "app", raising(KeyboardInterrupt()))

    with pytest.raises(SystemExit) as left:
        equerry.main([])

    assert left.value.code == 130


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "eu/x"),
            "eu/x: No such file or directory. Check",
        ),
        (PermissionError(errno.EACCES, "Permission denied", b"eu"), "eu: Permission denied. Check the path"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device. Make room"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence_and_74(error, words, monkeypatch, capsys):
    monkeypatch.setattr(equerry, "app", raising(error))

    with pytest.raises(SystemExit) as left:
        equerry.main([])

    said = capsys.readouterr().err
    assert (left.value.code, said.count("\n")) == (74, 1)
    assert said.startswith(f"equerry: {words}")


def test_an_error_of_the_system_that_names_no_file_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(equerry, "app", raising(OSError(errno.EBADF, "Bad file descriptor")))

    with pytest.raises(OSError, match="Bad file descriptor"):
        equerry.main([])


def test_an_error_without_a_name_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(equerry, "app", raising(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        equerry.main([])


def raising(error):
    """A command line that does nothing but fail."""

    def app(*_, **__):
        raise error

    return app


@pytest.mark.parametrize("requirement", DECLARED)
def test_a_dependency_is_justified_by_a_sentence_above_it(requirement):
    assert re.search(rf'^ *# .*\.\n *"{re.escape(requirement)}",$', PYPROJECT, re.MULTILINE)


@pytest.mark.parametrize("requirement", LOCKED)
def test_a_dependency_is_locked_at_a_version_it_allows(requirement):
    requirement = Requirement(requirement)

    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", PINS)
def test_a_locked_package_is_installed_and_what_it_needs_is_locked(name):
    installed = distribution(name)
    needs = [need for text in installed.requires or [] if applies(need := Requirement(text))]

    assert installed.version.partition("+")[0] == PINS[name]
    assert [str(need) for need in needs if not locked(need)] == []


def applies(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


def locked(need: Requirement) -> bool:
    return need.specifier.contains(PINS.get(canonicalize_name(need.name), "0"), prereleases=True)


def test_the_lock_holds_pins_and_nothing_else():
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]

    assert len(lines) == len(PINS)
    assert "://" not in LOCK


def test_the_lock_pulls_nothing_that_needs_a_gpu():
    assert [name for name in PINS if name.startswith(("nvidia", "cuda", "triton"))] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "here.md").touch()
    text = "[a](here.md#part) [b](gone.md) [c](https://example.org) [d](#part) `[e](code.md)`"

    assert broken_links(text, tmp_path) == ["gone.md"]


def test_a_door_that_does_not_exist_is_found():
    assert missing_doors("`make test`, then ```make tea``` and make peace", "test: x\n") == ["make tea"]


def test_a_command_that_does_not_exist_is_found():
    assert missing_commands("the equerry sings; `equerry stable clean --now`") == ["equerry stable clean"]
