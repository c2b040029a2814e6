"""A log that is as it should be is found to hold, and what is not is found by name."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import Malformed, PolicyError, Refused
from policies.log import entry as entries
from policies.log.entry import encode
from policies.log.lint import schema_digest
from policies.log.note import Kind
from policies.log.reader import Folder, Log, Zip, open_source
from policies.log.sequence import Sequences
from policies.log.tree import leaf_hash
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from tests.unit.policies import residency as cell

TRUST = parse_trust(cell.TRUST)
HOUR = 3_600_000


def codes(folder, **options) -> list[str]:
    return sorted(verify(folder, TRUST, Options(**options)).codes)


def of(tmp_path, *story, step=1000, **more):
    """What verification finds in a log of these entries after the first, which opens the shard."""
    opened = entries.ShardOpened(schema=schema_digest())
    return codes(cell.lay(tmp_path / "log", cell.written([opened, *story], step)), **more)


@pytest.mark.parametrize("requests", [0, 1, 85, 90, 400])
def test_a_log_that_is_as_it_should_be_holds(tmp_path, requests):
    lines = cell.written(cell.story(requests))
    folder = cell.lay(tmp_path, lines, heads=sorted({1, 2, min(256, len(lines)), len(lines) // 2, len(lines)}))

    report = verify(folder, TRUST)

    assert (report.findings, report.size, report.requests) == ([], len(lines), requests)
    assert report.kinds.total() == len(lines)
    assert report.heads >= 2


def test_an_empty_log_holds(tmp_path):
    assert codes(cell.lay(tmp_path, [])) == []


def test_several_processes_find_what_one_finds(tmp_path, monkeypatch):
    monkeypatch.setattr("policies.log.scan.PARALLEL", 300)
    lines = cell.written(cell.story(400))
    lines[300], lines[700] = lines[300].replace(b'"v":', b'"V":'), lines[701]
    folder = cell.lay(tmp_path, lines)

    one, two = verify(folder, TRUST), verify(folder, TRUST, Options(processes=2))

    assert one == two
    assert set(one.codes) >= {"lint", "sequence.twice"}


def test_progress_is_told_up_to_the_last_entry(tmp_path):
    told: list[tuple[int, int]] = []

    verify(
        cell.lay(tmp_path, cell.written(cell.story(100))),
        TRUST,
        Options(tell=lambda done, whole: told.append((done, whole))),
    )

    assert told == [(252, 252)]


@pytest.mark.parametrize(
    ("by", "witnesses"),
    [
        (cell.signer(cell.ORIGIN, seed=1), (cell.WITNESS,)),
        (cell.LOG, ()),
        (cell.LOG, (cell.signer("witness.example/w1", Kind.COSIGNATURE, seed=1),)),
        (cell.LOG, (cell.signer("witness.example/w9", Kind.COSIGNATURE),)),
    ],
)
def test_a_head_that_the_trust_policy_does_not_accept_is_all_that_is_said(tmp_path, by, witnesses):
    assert codes(cell.lay(tmp_path, cell.written(cell.story(3)), by=by, witnesses=witnesses)) == ["head.untrusted"]


def test_a_request_that_ran_without_a_decision_is_found(tmp_path):
    assert of(tmp_path, cell.execution(1), cell.marked(1)) == ["execution.undecided", "marking.undecided"]


def test_a_request_that_ran_though_it_was_denied_is_found(tmp_path):
    assert of(tmp_path, cell.denial(1), cell.execution(1)) == ["execution.denied"]


def test_a_request_that_ran_elsewhere_is_found(tmp_path):
    assert of(tmp_path, cell.decision(1), cell.execution(1, region="aws/us-east-1"), cell.marked(1)) == [
        "execution.elsewhere"
    ]


def test_output_against_the_worker_s_own_decision_is_found(tmp_path):
    assert of(tmp_path, cell.decision(1), cell.execution(1, dec2="deny"), cell.marked(1)) == ["execution.refused"]
    assert of(tmp_path / "2", cell.decision(1), cell.execution(1, dec2="deny", out_bytes=0)) == []


def test_output_that_was_not_marked_is_found_when_the_grace_is_over(tmp_path):
    story = (cell.decision(1), cell.execution(1), entries.Pad())

    assert of(tmp_path / "1", *story, step=25 * HOUR) == ["marking.missing"]
    assert of(tmp_path / "2", *story, step=HOUR) == []
    assert of(tmp_path / "3", *story, step=HOUR, grace=HOUR) == ["marking.missing"]


def test_a_request_whose_end_is_nowhere_is_found_when_the_grace_is_over(tmp_path):
    assert of(tmp_path, cell.decision(1), entries.Pad(), step=25 * HOUR) == ["execution.missing"]


def test_an_end_without_output_needs_no_mark(tmp_path):
    assert of(tmp_path, cell.decision(1), cell.execution(1, out_bytes=0), entries.Pad(), step=25 * HOUR) == []


def test_a_request_may_end_on_another_worker_and_is_marked_once(tmp_path):
    story = (cell.decision(1), cell.execution(1, out_bytes=0), cell.execution(1), cell.marked(1), entries.Pad())

    assert of(tmp_path / "1", *story, step=25 * HOUR) == []
    assert of(tmp_path / "2", *story[:3], entries.Pad(), step=25 * HOUR) == ["marking.missing"]


def test_a_request_that_was_decided_twice_is_found(tmp_path):
    assert of(tmp_path, cell.denial(1), cell.decision(1)) == ["decision.twice"]


def test_a_log_that_follows_another_may_begin_with_ends_of_requests(tmp_path):
    before = entries.Head(origin=cell.ORIGIN, size=9, root=cell.hexes("root"))
    opened = entries.ShardOpened(schema=schema_digest(), prev=before)
    lines = cell.written([opened, cell.execution(1), cell.marked(1), cell.marked(2), cell.execution(2)])

    report = verify(cell.lay(tmp_path, lines), TRUST)

    assert (report.findings, report.carried) == ([], 2)


def test_a_canary_that_was_allowed_is_found(tmp_path):
    sung = list(cell.story(0))[-1]
    assert isinstance(sung, entries.Canary)

    assert of(tmp_path, replace(sung, dec="allow")) == ["canary.allowed"]


def test_another_schema_than_the_one_that_was_checked_is_found(tmp_path):
    lines = cell.written([entries.ShardOpened(schema=cell.hexes("other"))])

    assert codes(cell.lay(tmp_path, lines)) == ["schema.unknown"]


@pytest.mark.parametrize(
    ("numbers", "gap", "expected"),
    [
        ([0, 1, 2, 3], None, []),
        ([0, 2, 1, 3], None, []),
        ([0, 1, 4], None, ["sequence.gap"]),
        ([1, 2], None, ["sequence.gap"]),
        ([0, 1, 1, 2], None, ["sequence.twice"]),
        ([0, 3, 3], (1, 2), ["sequence.twice"]),
        ([0, 1, 4], (2, 3), []),
        ([0, 1, 5], (2, 3), ["sequence.gap"]),
        ([0, 1, 9], (3, 7), ["sequence.gap"]),
    ],
)
def test_a_number_that_is_missing_or_twice_is_found_unless_a_gap_entry_explains_it(tmp_path, numbers, gap, expected):
    other = "w-fedcba9876543210"
    lines = [encode(entries.Pad(), cell.stamp(n, cell.START)) for n in numbers]
    if gap:
        lines.append(
            encode(entries.Gap(gw=cell.WRITER, from_=gap[0], to=gap[1], why="crash"), cell.stamp(0, cell.START, other))
        )

    assert codes(cell.lay(tmp_path, lines)) == expected


@given(st.sets(st.integers(0, 60)), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))), st.randoms())
def test_holes_are_the_numbers_below_the_last_that_neither_an_entry_nor_a_gap_names(numbers, gaps, random):
    sequences, order = Sequences(), sorted(numbers)
    random.shuffle(order)
    assert [sequences.add(0, b"w", number) for number in order] == [None] * len(order)
    for first, last in gaps:
        sequences.gap(b"w", first, last)
    explained = {number for first, last in gaps for number in range(first, last + 1)}
    holes = set(range(max(numbers, default=0))) - numbers - explained

    words = " ".join(found.words for found in sequences.findings())

    told = [part.split(", and")[0] for part in words.split("more entries, ")[1:]]
    assert {n for part in told for n in range(int(part.split(" to ")[0]), int(part.split(" to ")[1]) + 1)} == holes


def test_a_pruned_log_holds_without_the_entries_that_are_gone(tmp_path):
    lines = cell.written(cell.story(400))
    folder = cell.lay(tmp_path, lines, heads=[10, 300])
    (folder / "minimum").write_bytes(b"600\n")
    for n in range(2):
        (folder / f"tile/entries/00{n}").unlink()

    report = verify(folder, TRUST)

    assert (report.findings, report.pruned) == ([], 512)
    (folder / "tile/entries/002").unlink()
    assert codes(folder) == ["bundle.missing"]


def test_a_partial_tile_that_is_left_over_must_begin_the_one_in_its_place(tmp_path):
    lines = cell.written(cell.story(100))
    folder = cell.lay(tmp_path, lines)
    (folder / "tile/0/000.p").mkdir(exist_ok=True)
    left = folder / "tile/0/000.p/2"

    left.write_bytes(b"".join(map(leaf_hash, lines[:2])))
    assert codes(folder) == []
    left.write_bytes(b"".join(map(leaf_hash, lines[1:3])))
    assert codes(folder) == ["tile.differs"]


def test_an_earlier_head_of_another_log_is_bad_input(tmp_path):
    folder = cell.lay(tmp_path, cell.written(cell.story(3)))
    other = cell.signer("op.example/equerry/jp-tyo/residency/2026h2")

    with pytest.raises(PolicyError):
        verify(folder, TRUST, Options(since=cell.head([], by=other, origin=other.vkey.name)))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"PK")])
def test_what_is_no_log_is_bad_input(tmp_path, make):
    make(tmp_path / "log")

    with pytest.raises(Refused):
        verify(tmp_path / "log", TRUST)


def zipped(*members) -> io.BytesIO:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return body


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../checkpoint", 0o100644), ("/checkpoint", 0o100644), ("a/../../b", 0o100644), ("a\\b", 0o100644),
        ("./a", 0o100644), ("a//b", 0o100644), ("C:a", 0o100644), ("checkpoint", 0o120777), ("checkpoint", 0o010644),
        ("x" * 200, 0o100644), ("a\nb", 0o100644), ("é", 0o100644),
    ],
)  # fmt: skip
def test_a_zip_that_could_lead_elsewhere_is_refused(tmp_path, name, mode):
    (tmp_path / "log.zip").write_bytes(zipped((name, b"x", mode)).getvalue())

    with pytest.raises(Malformed, match="Nothing of it was read"):
        open_source(tmp_path / "log.zip")


def test_a_file_that_unpacks_to_more_than_belongs_there_is_not_unpacked(tmp_path):
    (tmp_path / "log.zip").write_bytes(zipped(("checkpoint", bytes(50_000_000), 0o100644)).getvalue())

    with pytest.raises(Malformed, match=r"50,000,000 bytes"):
        Log(Zip(tmp_path / "log.zip")).head()


def test_a_file_that_unpacks_to_more_than_it_claims_is_refused(tmp_path):
    body = zipped(("checkpoint", bytes(3_000_000), 0o100644)).getvalue()
    (tmp_path / "log.zip").write_bytes(body.replace((3_000_000).to_bytes(4, "little"), (30).to_bytes(4, "little")))

    with pytest.raises(Malformed):
        Log(Zip(tmp_path / "log.zip")).head()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_refused(tmp_path):
    (tmp_path / "log.zip").write_bytes(zipped(("a", b"1", 0), ("a", b"2", 0)).getvalue())

    with pytest.raises(Malformed, match="twice"):
        open_source(tmp_path / "log.zip")


def test_links_and_devices_in_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    log = tmp_path / "log"
    log.mkdir()
    (log / "checkpoint").symlink_to(tmp_path / "secret" / "file")
    (log / "tile").symlink_to(tmp_path / "secret")
    os.mkfifo(log / "minimum")

    for path in ("checkpoint", "tile/file", "minimum"):
        with pytest.raises(Malformed):
            Folder(log).read(path, 100)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """A small log as a zip."""
    folder = cell.lay(tmp_path_factory.mktemp("log"), cell.written(cell.story(4)), heads=[3])
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return zipped(*((str(path.relative_to(folder)), path.read_bytes(), 0o100644) for path in files)).getvalue()


@settings(max_examples=60)
@given(st.data())
def test_a_zip_with_any_bytes_changed_is_an_error_or_a_report_and_never_a_crash(whole, tmp_path_factory, data):
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzzed.zip"
    path.write_bytes(bytes(body)[: data.draw(st.integers(0, len(body)) | st.just(len(body)))])

    with suppress(PolicyError):
        verify(path, TRUST)
