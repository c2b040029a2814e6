"""What a page tells a reader to type works as the page shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import equerry

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(?:json)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPLAIN = "policy explain --tenant-file tenant.json --class restricted_eu --region scaleway/fr-par"


@pytest.fixture
def run(capfd, tmp_path, monkeypatch):
    """Runs `equerry …` in an empty folder: exit code and standard output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(words: str) -> tuple[int, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            equerry.main(words.split())
        return int(left.value.code or 0), capfd.readouterr().out

    return command


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


def documents(page: str) -> list[dict[str, object]]:
    return [json.loads(block) for block in blocks(page) if block.startswith("{")]


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_the_overlay_on_the_page_can_be_signed_and_confirms(run, tmp_path):
    overlay, _ = documents("docs/policy.md")
    (tmp_path / "overlay.json").write_text(json.dumps(overlay))

    assert run("policy keygen acme-2026 --key operator.pem --trust trust.json")[0] == 0
    assert run("policy sign overlay.json --key operator.pem")[0] == 0
    code, out = run(f"policy regions --overlay overlay.json --trust trust.json --on {overlay['dated']} --json")

    paris = next(each for each in json.loads(out)["regions"] if each["id"] == "scaleway/fr-par")
    assert (code, paris["location"]["sources"]) == (0, ["acme"])


def test_the_explanation_on_the_page_is_what_is_printed(run, tmp_path):
    _, tenant = documents("docs/policy.md")
    (tmp_path / "tenant.json").write_text(json.dumps(tenant))

    shown = next(block for block in blocks("docs/policy.md") if "lists-checked" in block)
    assert lines(run(f"{EXPLAIN} --on 2026-11-22")[1]) == lines(shown)


def test_the_explanation_in_the_readme_is_what_is_printed(run, tmp_path):
    (asked,) = re.findall(r"^echo '(.*)' > tenant\.json$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    (tmp_path / "tenant.json").write_text(asked)

    shown = next(block for block in blocks("README.md") if block.startswith("region "))
    assert lines(run(f"{EXPLAIN} --on 2026-11-22")[1]) == lines(shown)


def test_a_file_that_the_readme_reads_is_there_or_was_made_on_the_way():
    named = re.findall(r"--(?:image|reference|video) (\S+)", (ROOT / "README.md").read_text("utf-8"))
    made = re.findall(r"--out (\S+)", (ROOT / "README.md").read_text("utf-8"))

    assert named
    assert [each for each in named if each not in made and not (ROOT / each).is_file()] == []
