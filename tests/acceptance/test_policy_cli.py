"""`equerry policy …` does what it says, for a person and for a script."""

from __future__ import annotations

import json
import stat
from importlib.resources import files

import pytest

from policies.canonical import sha256
from policies.constraints import Constraints
from policies.policy import Policy
from policies.shelf import Shelf

DAY = "2026-12-01"
TODAY = 20788  # that day
TENANT = {
    "v": "equerry.constraints/1",
    "home": "EU",
    "allowed_jurisdictions": ["EU"],
    "allowed_classes": ["personal", "restricted_eu"],
}
GROUNDS = {"checked": "2026-11-24", "expires": "2027-03-31", "source": "the register of companies"}
OVERLAY = {
    "v": "equerry.overlay/1",
    "name": "acme",
    "dated": "2026-11-25",
    "expires": "2027-06-30",
    "confirmations": [{"fact": "ownership", "provider": "scaleway", "value": "EU", **GROUNDS}],
}


@pytest.fixture
def policy(capfd):
    """Runs `equerry policy …` in this process: exit code, what it printed, and what it complained about."""
    from equerry import main

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["policy", *map(str, arguments)])
        out, err = capfd.readouterr()
        return left.value.code or 0, out, err

    return run


@pytest.fixture
def told(policy):
    """Runs with --json and returns the exit code and the value."""

    def run(*arguments):
        code, out, err = policy(*arguments, "--json")
        assert err == ""
        return code, json.loads(out)

    return run


@pytest.fixture
def tenant(tmp_path):
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(TENANT))
    return path


@pytest.fixture
def signed_overlay(policy, tmp_path):
    """An operator's key, its trust file and an overlay that it signed."""
    key, trust, overlay = tmp_path / "key.pem", tmp_path / "trust.json", tmp_path / "overlay.json"
    overlay.write_text(json.dumps(OVERLAY, indent=2))
    assert policy("keygen", "acme-2026", "--key", key, "--trust", trust, "--until", "2027-06-30")[0] == 0
    assert policy("sign", overlay, "--key", key)[0] == 0
    return overlay, trust, key


def test_regions_are_a_table_in_which_doubt_is_visible(policy):
    code, out, _ = policy("regions", "--jurisdiction", "JP", "--on", DAY)

    assert code == 0
    assert "aws/ap-northeast-1" in out
    assert "sakura/is1" in out
    assert "aws/eu-west-1" not in out
    assert "ismap?" in out
    assert "12 regions" in out


def test_regions_for_a_script_hold_sources_and_doubts(told):
    code, value = told("regions", "--on", DAY)

    assert (code, len(value["regions"])) == (0, 79)
    paris = next(region for region in value["regions"] if region["id"] == "scaleway/fr-par")
    assert paris["location"] == {"confidence": "confirmed", "sources": ["s5"], "checked": "2026-11-21"}
    assert "owner recalled, not confirmed" in paris["in_doubt"]


def test_the_shipped_policy_may_decide_and_is_proven(policy, told):
    assert policy("lint")[0] == 0
    code, value = told("prove")

    assert code == 0
    assert all(proof["holds"] for proof in value["proofs"])
    assert value["policy"] == Policy.shipped().digest


def test_a_policy_that_lost_a_rule_is_caught_by_lint_proof_and_diff(policy, told, tmp_path):
    shipped = Policy.shipped()
    (tmp_path / "schema.cedarschema").write_text(shipped.schema)
    condition = "resource.evidence >= principal.min_evidence"
    (tmp_path / "rules.cedar").write_text(shipped.rules.replace(condition, "resource.evidence >= 1"))

    assert policy("lint", tmp_path)[0] == 0  # permit and forbid agree with each other: lint alone cannot see it
    code, value = told("prove", tmp_path)
    assert (code, [proof["id"] for proof in value["proofs"] if not proof["holds"]]) == (1, ["evidence"])
    code, value = told("diff", "shipped", tmp_path)
    assert (code, value["wider"]) == (1, True)
    assert 'region.jurisdiction = "EU"' in value["counterexample"]


def test_a_policy_is_no_wider_than_itself(policy):
    assert policy("diff", "shipped", "shipped") == (0, "The new rules permit nothing that the old ones do not.\n", "")


def test_an_explanation_names_the_unconfirmed_fact_until_an_overlay_confirms_it(told, tenant, signed_overlay):
    overlay, trust, _ = signed_overlay
    asked = ("explain", "--tenant-file", tenant, "--class", "restricted_eu", "--region", "scaleway/fr-par", "--on", DAY)

    _, (before,) = told(*asked)
    _, (after,) = told(*asked, "--overlay", overlay, "--trust", trust)
    assert before["whys"][0]["rule"] == "restricted-eu"
    assert "recalled, not confirmed" in before["whys"][0]["because"]
    assert "confirm `ownership` of scaleway in a signed overlay" in before["whys"][0]["remedy"]
    assert after == {"region": "scaleway/fr-par", "allowed": True, "whys": []}


def test_an_explanation_for_a_person_says_what_to_do(policy, tenant):
    code, out, _ = policy("explain", "--tenant-file", tenant, "--class", "personal", "--on", DAY)

    assert code == 0
    assert "may run" in out
    assert "use another region" in out
    assert "of 79 regions may run this" in out


def test_an_overlay_that_was_changed_after_signing_is_not_used(policy, tenant, signed_overlay):
    overlay, trust, _ = signed_overlay
    overlay.write_text(overlay.read_text().replace("2027-03-31", "2029-03-31"))

    files_ = ("--overlay", overlay, "--trust", trust, "--on", DAY)
    code, out, err = policy("explain", "--tenant-file", tenant, "--class", "personal", *files_)
    assert (code, out) == (2, "")
    assert "changed after it was signed" in err


def test_an_unsigned_overlay_and_an_unknown_signer_are_refused_with_a_next_step(policy, signed_overlay):
    overlay, trust, _ = signed_overlay

    assert "Nobody trusts the key" in policy("regions", "--overlay", overlay, "--on", DAY)[2]
    overlay.with_name("overlay.json.sig").unlink()
    assert "equerry policy sign" in policy("regions", "--overlay", overlay, "--trust", trust, "--on", DAY)[2]


def test_a_private_key_is_for_its_owner_alone_and_is_never_written_over(policy, signed_overlay, tmp_path):
    overlay, _, key = signed_overlay
    before = key.read_bytes()

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert policy("keygen", "acme", "--key", key, "--trust", tmp_path / "t")[0] == 2
    assert key.read_bytes() == before
    key.chmod(0o644)
    code, _, err = policy("sign", overlay, "--key", key)
    assert code == 2
    assert "chmod 600" in err


def test_only_a_document_that_holds_is_signed(policy, signed_overlay):
    overlay, _, key = signed_overlay
    overlay.write_text(json.dumps({**OVERLAY, "colour": "red"}))

    code, _, err = policy("sign", overlay, "--key", key)
    assert code == 2
    assert "colour" in err


def test_a_catalogue_of_one_s_own_is_signed_and_used(policy, told, tmp_path):
    mine, key, trust = tmp_path / "mine.json", tmp_path / "key.pem", tmp_path / "trust.json"
    value = json.loads((files("policies") / "data" / "catalogue.json").read_bytes())
    mine.write_text(json.dumps({**value, "regions": value["regions"][:1]}))
    usual = ("--until", "2027-06-30", "--signs", "catalogue")
    policy("keygen", "mine", "--key", key, "--trust", trust, *usual)
    policy("sign", mine, "--key", key)

    _, shown = told("regions", "--catalogue", mine, "--trust", trust, "--on", DAY)
    assert [region["id"] for region in shown["regions"]] == ["aws/eu-central-1"]


@pytest.mark.parametrize(("region", "code"), [("aws/eu-west-1", 0), ("aws/ap-northeast-1", 1)])
def test_one_past_decision_is_replayed_from_documents_named_by_digest(told, tmp_path, region, code):
    shelf, tenant = Shelf(), Constraints.parse(json.dumps(TENANT).encode())
    atlas, lists, policy = shelf.read_atlas(TODAY), shelf.read_lists(TODAY), shelf.read_policy()
    parts = (policy.canonical, atlas.canonical, lists.canonical, tenant.canonical())
    named = dict(zip(("pol", "cat", "lst", "con"), map(sha256, parts), strict=True))
    for digest, part in zip(named.values(), parts, strict=True):
        folder = tmp_path / "sha256" / digest[:2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / digest[2:]).write_bytes(part)
    asked = {"data_class": "personal", "purpose": "generation", "subject_region": "EU", "region": region, "day": TODAY}
    record = tmp_path / "record.json"
    record.write_text(json.dumps({**named, **asked}))

    assert told("replay", record, "--objects", tmp_path)[0] == code


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("regions", "--on", "yesterday"), "not a day"),
        (("regions", "--on", "2020-01-01"), "still to come"),
        (("regions", "--on", "2035-01-01"), "trusted until"),
        (("regions", "--on", DAY, "--jurisdiction", "MARS"), "no region of MARS"),
        (("regions", "--catalogue", "nowhere.json"), "cannot be read"),
        (("lint", "nowhere"), "cannot be read"),
        (("explain", "--tenant-file", "nowhere", "--class", "personal"), "cannot be read"),
        (("replay", "nowhere", "--objects", "nowhere"), "cannot be read"),
        (("keygen", "Not A Name", "--key", "/dev/null/k", "--trust", "/dev/null/t"), "keys.0.name"),
        (("keygen", "acme", "--key", "/dev/null/k", "--trust", "/dev/null/t"), "cannot be written"),
        (("keygen", "acme", "--key", "k", "--trust", "/dev/null/t", "--signs", "cheques"), "no kind of document"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(policy, arguments, match):
    code, out, err = policy(*arguments)

    assert (code, out) == (2, "")
    assert match in err
    assert err.count("\n") == 1


def test_a_class_or_region_that_does_not_exist_is_named(policy, tenant):
    assert "no class 'secret'" in policy("explain", "--tenant-file", tenant, "--class", "secret")[2]
    asked = ("explain", "--tenant-file", tenant, "--class", "personal", "--region", "aws/moon-1", "--on", DAY)
    assert "no region aws/moon-1" in policy(*asked)[2]
