"""A new cell's folder is made whole, or nothing of it is."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

import equerry
from serving import cli


@pytest.fixture
def init(capsys):
    """Runs `equerry cell init`; returns the exit code and what was said of a mistake."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            equerry.main(["cell", "init", *map(str, arguments)])
        return int(left.value.code or 0), capsys.readouterr().err

    return run


def test_a_cell_is_made_with_settings_keys_books_and_a_catalogue(init, tmp_path):
    code, _ = init(tmp_path / "eu", "--name", "eu-par", "--country", "FR", "--port", 8100)

    made = {path.name for path in (tmp_path / "eu").iterdir()}
    assert (code, made) == (
        0,
        {"catalogue.json", "catalogue.json.sig", "cell.toml", "signing.pem", "tenants", "trust.json"},
    )
    assert tomllib.loads((tmp_path / "eu/cell.toml").read_text())["listen"] == {"port": 8100, "operations_port": 8101}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "Paris"], "'Paris' is not the name of a cell"),
        (["--country", "Paris"], "'Paris' is no country of EU"),
        (["--country", "JP"], "'JP' is no country of EU"),
        (["--name", "us-nyc", "--country", "US"], "There is no jurisdiction US"),
        (["--model", "ponny"], "There is no model 'ponny'. Shipped: pony"),
        (["--neighbour", "jp"], "'jp' is not NAME,COUNTRY,CITY"),
        (["--neighbour", "jp-tyo,Japan,Tokyo"], "'Japan' is no country of JP"),
        (["--neighbour", "eu-par,FR,Paris"], "regions names own-eu/eu-par-1 twice"),
        (["--key", "nowhere.pem"], "nowhere.pem cannot be read"),
    ],
)
def test_a_slip_is_one_sentence_and_leaves_nothing_behind(init, tmp_path, options, words):
    code, said = init(tmp_path / "eu", *options)

    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert said.startswith("equerry: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_cell_is_not_made_twice(init, tmp_path):
    init(tmp_path / "eu")
    before = {path: path.read_bytes() for path in (tmp_path / "eu").iterdir() if path.is_file()}

    code, said = init(tmp_path / "eu")

    assert (code, "is a cell already" in said) == (2, True)
    assert before == {path: path.read_bytes() for path in before}


def test_a_cell_is_not_made_in_a_file_or_below_one(init, tmp_path):
    (tmp_path / "notes").write_text("mine")

    assert init(tmp_path / "notes") == (
        2,
        f"equerry: {tmp_path}/notes is a file, and a cell is a folder. Name another place.\n",
    )
    assert "cannot be made (Not a directory)" in init(tmp_path / "notes/eu")[1]
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_folder_that_holds_a_model_is_named_whole(init, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)

    init("eu", "--model", "mine")

    assert tomllib.loads(Path("eu/cell.toml").read_text())["engine"] == {"model": str(tmp_path / "mine")}


def test_neighbours_are_in_the_catalogue(init, tmp_path):
    init(tmp_path / "eu", "--neighbour", "jp-tyo, JP, Tokyo")

    regions = json.loads((tmp_path / "eu/catalogue.json").read_text())["regions"]
    assert [each["id"] for each in regions] == ["own-eu/eu-par-1", "own-jp/jp-tyo-1"]


@pytest.mark.parametrize(("looked_at", "said"), [(True, "The cell eu-par starts.\n"), (False, "")])
def test_a_cell_speaks_to_a_person_and_leaves_the_log_alone(capsys, monkeypatch, looked_at, said):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: looked_at)

    cli._tell_a_person("The cell eu-par starts.")

    assert capsys.readouterr() == ("", said)
