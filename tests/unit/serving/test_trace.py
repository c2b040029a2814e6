"""From a film back to its record, by each of the three ways, with proofs that hold."""

from __future__ import annotations

from hashlib import sha256

import pytest

from policies.errors import PolicyError, Untrusted
from policies.log.entry import encode
from policies.log.reader import Log, open_source
from policies.log.trust import parse_trust
from serving.media.marks.c2pa import Inspected, Residency, Standing
from serving.media.marks.detect import Found
from serving.media.marks.sighting import Sighting
from serving.trace import Clue, clue_of, trace
from tests.unit.policies import residency as log_of

NUMBER = 5  # of the request whose film is traced
REQUEST = log_of.request(NUMBER)
FILE = log_of.hexes("out", NUMBER)
PID = log_of.hexes("pid", NUMBER, digits=12)
MANIFEST = sha256(REQUEST.encode()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return log_of.lay(tmp_path_factory.mktemp("log"), log_of.written(log_of.story(300)))


@pytest.fixture
def log(folder):
    return Log(open_source(folder))


@pytest.mark.parametrize(
    ("clue", "by"),
    [
        (Clue(file=FILE), ("file",)),
        (Clue(request=MANIFEST), ("manifest",)),
        (Clue(pid=PID), ("watermark",)),
        (Clue(file=FILE, request=MANIFEST, pid=PID), ("file", "manifest", "watermark")),
    ],
)
def test_each_way_leads_to_the_whole_story_of_the_request(log, clue, by):
    [found] = trace(clue, [log])

    assert (found.origin, found.request, found.by) == (log_of.ORIGIN, REQUEST, by)
    assert [each.entry["t"] for each in found.records] == ["route.decision", "route.execution", "output.marked"]


def test_each_proof_leads_from_the_entrys_own_bytes_to_the_signed_head(log):
    lines = log_of.written(log_of.story(300))

    [found] = trace(Clue(pid=PID), [log], parse_trust(log_of.TRUST))

    assert found.trusted
    assert found.size == len(lines)
    for record in found.records:
        assert record.proof.proves(lines[record.index])
        assert not record.proof.proves(lines[record.index + 1])


@pytest.mark.parametrize("clue", [Clue(), Clue(file="0" * 64), Clue(pid="0" * 12), Clue(request="0" * 64)])
def test_what_no_entry_names_leads_nowhere(log, clue):
    assert trace(clue, [log]) == ()


def test_marks_that_disagree_lead_to_both_requests(log):
    other = log_of.hexes("pid", 6, digits=12)

    found = trace(Clue(file=FILE, pid=other), [log])

    assert [(each.request, each.by) for each in found] == [
        (REQUEST, ("file",)),
        (log_of.request(6), ("watermark",)),
    ]


def test_a_head_that_nobody_trusted_has_signed_is_not_taken(log):
    stranger = log_of.signer(log_of.ORIGIN, seed=1)

    with pytest.raises(Untrusted):
        trace(Clue(pid=PID), [log], parse_trust(f"log {stranger.vkey}\nquorum none\n"))


def test_an_entry_that_the_tiles_do_not_prove_is_not_taken(tmp_path):
    whole = log_of.written(log_of.story(8))
    folder = log_of.lay(tmp_path, whole)
    forged = [*whole]
    at = next(n for n, line in enumerate(whole) if PID.encode() in line)
    forged[at] = encode(log_of.marked(NUMBER), log_of.stamp(at + 1_000, log_of.START))
    other = log_of.lay(tmp_path / "other", forged)
    bundle = next((other / "tile/entries").rglob("*.p/*"))
    (folder / bundle.relative_to(other)).write_bytes(bundle.read_bytes())

    with pytest.raises(PolicyError):
        trace(Clue(pid=PID), [Log(open_source(folder))])


@pytest.mark.parametrize(
    ("standing", "leads"),
    [(Standing.TRUSTED, True), (Standing.VALID, True), (Standing.INVALID, False), (Standing.NONE, False)],
)
def test_only_a_manifest_that_holds_leads_anywhere(standing, leads):
    said = Residency(origin=log_of.ORIGIN, request=MANIFEST, cell="eu-par", jurisdiction="EU")

    clue = clue_of(b"film", Sighting(None, Inspected(standing=standing, residency=said)))

    assert clue == Clue(file=sha256(b"film").hexdigest(), request=MANIFEST if leads else "")


def test_a_watermark_leads_by_what_it_carries():
    seen = Sighting(Found(pid=PID, picture=0.9, sound=0.8), Inspected(standing=Standing.NONE))

    assert clue_of(b"film", seen).pid == PID
