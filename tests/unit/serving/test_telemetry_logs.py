"""Log lines: constant sentences, listed fields, the trace, and nothing of what a library says."""

from __future__ import annotations

import ast
import asyncio  # noqa: F401 - a library that logs, loaded
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.telemetry.allowed import ATTRIBUTES
from serving.telemetry.eyes import BLIND
from serving.telemetry.logs import LIBRARY, UNLISTED, Lines
from serving.telemetry.sentences import ROOMS, sentences_of, spoken
from serving.telemetry.sieve import Tally
from serving.telemetry.silence import SILENCE, hush

CANARY = "currawong-in-the-prompt"
GATE = "serving.gate"
ROOT = Path(__file__).parents[3]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def record(name, message, *args, path, **extra):
    made = logging.LogRecord(name, logging.ERROR, path, 1, message, args, None)
    vars(made).update(extra)
    return made


def line(made, tally=None):
    lines = Lines()
    if tally is not None:
        lines.count_in(tally)
    return json.loads(lines.format(made))


@pytest.fixture(scope="module")
def gate():
    import serving.gate

    return str(serving.gate.__file__)


def test_a_sentence_of_the_source_is_said_with_its_listed_fields(gate):
    told = line(record(GATE, "The gate could not decide.", path=gate, error="Refused", job="0" * 32))

    assert {name: told[name] for name in ("says", "from", "error", "job", "level")} == {
        "says": "The gate could not decide.", "from": GATE, "error": "Refused", "job": "0" * 32, "level": "error",
    }  # fmt: skip


@given(st.text(min_size=1))
def test_a_sentence_that_was_put_together_is_not_said(words):
    import serving.gate

    path, tally = str(serving.gate.__file__), Tally()
    told = line(record(GATE, f"The gate could not decide about {words}", path=path), tally)

    assert told["says"] == UNLISTED
    assert tally.dropped == {("logs", "unlisted"): 1}


def test_arguments_are_not_filled_in(gate):
    told = line(record(GATE, "The gate could not decide.", CANARY, path=gate))

    assert told["says"] == "The gate could not decide."


@pytest.mark.parametrize("name", [CANARY, f"uvicorn.{CANARY}", "uvicorn.error", f"serving.{CANARY}"])
def test_neither_a_librarys_words_nor_a_made_up_logger_leave(name, gate):
    made = record(name, f"of {CANARY}", path=gate, job=CANARY, prompt=CANARY, error=CANARY)
    made.exc_info = (ValueError, ValueError(CANARY), None)
    made.stack_info = CANARY

    assert CANARY not in Lines().format(made)


def test_a_library_is_named_and_no_more():
    told = line(record("asyncio.strange", "hello", path="/x.py", job="0" * 32))

    assert {name: told[name] for name in ("from", "says")} == {"from": "asyncio", "says": LIBRARY}
    assert "job" not in told


def test_only_files_of_ours_have_sentences(tmp_path, gate):
    other = tmp_path / "other.py"
    other.write_text('log.error("Hello.")')

    assert sentences_of(str(other)) == frozenset()
    assert sentences_of(gate + "x") == frozenset()
    assert spoken(gate, "An end was not logged.")
    assert not spoken(gate, None)


def log_calls():
    """Every call of a logger in the source, with its file."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                    owner = node.func.value
                    if isinstance(owner, ast.Name) and owner.id in ("log", "_LOG", "logger"):
                        yield path, node


def test_every_field_that_a_log_call_gives_is_on_the_list():
    given = {
        (str(path.relative_to(ROOT)), key.value if isinstance(key, ast.Constant) else None)
        for path, call in log_calls()
        for word in call.keywords
        if word.arg == "extra" and isinstance(word.value, ast.Dict)
        for key in word.value.keys
    }

    assert {name for _, name in given} > {"job", "error"}
    assert {each for each in given if each[1] not in ATTRIBUTES} == set()


def test_no_log_call_puts_its_sentence_together():
    """It would not be said, and nobody would know what was wrong."""
    made = [
        (path.name, call.lineno) for path, call in log_calls() if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    ]

    assert made == []


def test_third_parties_are_silenced_whatever_was_said_before():
    environment = {
        "RAY_USAGE_STATS_ENABLED": "1",
        "VLLM_NO_USAGE_STATS": "0",
        "OTEL_RESOURCE_ATTRIBUTES": "a=b",
        "HOME": "/",
    }

    hush(environment)

    assert environment == {**SILENCE, "HOME": "/"}


ASKS = {
    "vllm": "from vllm.usage.usage_lib import is_usage_stats_enabled as on",
    "ray": "from ray._common.usage.usage_lib import usage_stats_enabled as on",
    "huggingface_hub": "from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY as off; on = lambda: not off",
}


@pytest.mark.slow
@pytest.mark.parametrize("library", ASKS)
def test_a_library_that_would_report_home_believes_that_it_must_not(library):
    """Asked in a process of its own, whose environment says the opposite."""
    pytest.importorskip(library)
    code = f"import serving.telemetry.silence as s; s.hush(); {ASKS[library]}; print(on())"
    loud = {name: {"0": "1", "1": "0"}[value] for name, value in SILENCE.items()}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **loud}
    )

    assert done.stdout.split()[-1] == "False"


def test_eyes_that_are_shut_take_everything_and_tell_nothing(caplog, capsys):
    with BLIND.request("x", sampled=True) as request, BLIND.job("y"), BLIND.span(CANARY, prompt=CANARY):
        request.tell(prompt=CANARY)
    BLIND.count(CANARY)
    BLIND.gauge(CANARY, 1)
    BLIND.measure(CANARY, 1)

    told = capsys.readouterr()
    assert CANARY not in caplog.text + told.out + told.err
