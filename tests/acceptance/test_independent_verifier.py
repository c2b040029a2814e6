"""What the writer writes, a verifier that shares no line with us accepts, and nobody can write a person into it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from policies.errors import Malformed
from policies.log import entry as entries
from policies.log.disk import Folder
from policies.log.lint import lint, schema
from policies.log.tiles import decode_bundle
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from policies.log.writer import Pace, Writer
from tests.acceptance import independent_verifier
from tests.unit.policies import residency as cell

PROGRAM = Path(independent_verifier.__file__)
ROOT = PROGRAM.parents[2]


def write(folder: Path, requests: int) -> None:
    """A cell's log by the writer that a cell uses, in several commits, cosigned at the end."""
    lines = cell.written(cell.story(requests))
    folder.mkdir()
    with Writer.open(Folder(folder), [cell.LOG], now=lambda: cell.START, pace=Pace(most=64, linger=0.0)) as writer:
        writer.store(schema())
        done = [writer.append(line) for line in lines]
        assert [one.result(60).index for one in done] == list(range(len(lines)))
        writer.cosign(writer.head, [cell.WITNESS.sign(writer.head.note.text, cell.START // 1000)], quorum=True)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cell") / "log"
    write(folder, 200)
    return folder


def by_program(folder: Path, *more: str):
    command = [sys.executable, "-I", str(PROGRAM), str(folder), str(cell.LOG.vkey), *more]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]}
    )


def test_what_the_writer_writes_holds_for_both(log):
    done = by_program(log, "--witness", str(cell.WITNESS.vkey))
    report = verify(log, parse_trust(cell.TRUST), Options(since=(log / "checkpoint").read_bytes()))

    assert (done.stdout, done.returncode) == ("holds: 502 entries\n", 0)
    assert (report.findings, report.size) == ([], 502)


def test_a_change_of_one_bit_anywhere_in_an_entry_is_refused_by_both(log):
    path = log / "tile/entries/000"
    before = path.read_bytes()
    path.write_bytes(before[:4000] + bytes([before[4000] ^ 1]) + before[4001:])
    try:
        assert by_program(log).returncode == 1
        assert not verify(log, parse_trust(cell.TRUST)).holds
    finally:
        path.write_bytes(before)


def test_it_shares_no_line_with_us_and_imports_the_standard_library_only():
    text = PROGRAM.read_text(encoding="utf-8")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    ours = {
        line.strip()
        for path in (ROOT / "policies").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line.strip()) > 30 and not line.strip().startswith(("import ", "from "))
    }

    assert imported <= sys.stdlib_module_names
    assert [line for line in text.splitlines() if line.strip() in ours] == []


def test_the_writer_refuses_what_a_person_wrote_and_it_costs_no_index(tmp_path):
    honest, n = cell.written([entries.Pad()])[0], b'"w":"w-0123456789abcdef"'
    with Writer.open(Folder(tmp_path), [cell.LOG], now=lambda: cell.START) as writer:
        for words in (b"a red circle bounces", b"Taro Yamada", b"anna@example.org", b"192.0.2.17", b"::1"):
            for bad in (honest.replace(n, b'"w":"%s"' % words), honest.replace(b'"id"', b'"note":"%s","id"' % words)):
                with pytest.raises(Malformed):
                    writer.append(bad)
        assert writer.append(honest).result(60).index == 0


def test_every_entry_that_the_writer_left_on_disk_passes_lint(log):
    bundles = [path for path in sorted((log / "tile/entries").rglob("*")) if path.is_file()]
    found = [entry for path in bundles for entry in decode_bundle(path.read_bytes())]

    for entry in found:
        lint(entry)
    assert len(found) >= 502
    assert signature(Writer.open).parameters["lint"].default is lint
