"""A checkpoint that is missing something, altered, or not ours is refused before anything is loaded."""

import pickle
import shutil
import subprocess
from pathlib import Path

import pytest

from model.checkpoint import CHECKED, SUMS, config_from, config_json, load, verify
from model.config import HORSE, PONY
from model.errors import BadWeights


@pytest.fixture
def copy(untrained, tmp_path) -> Path:
    return Path(shutil.copytree(untrained, tmp_path / "pony"))


def test_a_checkpoint_loads_and_its_digest_names_it(copy):
    assert load(str(copy)).digest == verify(copy)


@pytest.mark.parametrize("name", CHECKED)
def test_one_changed_byte_in_any_file_is_refused_by_name(copy, name):
    body = bytearray((copy / name).read_bytes())
    body[len(body) // 2] ^= 1
    (copy / name).write_bytes(body)

    with pytest.raises(BadWeights, match=name):
        load(str(copy))


@pytest.mark.parametrize("name", [*CHECKED, SUMS])
def test_a_missing_file_is_refused_by_name(copy, name):
    (copy / name).unlink()

    with pytest.raises(BadWeights, match=name):
        load(str(copy))


def test_a_pickle_is_never_opened_even_when_its_digest_is_right(copy, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    with_its_sum(copy, "trunk.safetensors", pickle.dumps(Trap()))

    with pytest.raises(BadWeights, match="does not hold the weights"):
        load(str(copy))
    assert not (tmp_path / "sprung").exists()


def with_its_sum(folder: Path, name: str, body: bytes) -> None:
    (folder / name).write_bytes(body)
    sums = subprocess.run(["sha256sum", *CHECKED], cwd=folder, capture_output=True, text=True, check=True).stdout
    (folder / SUMS).write_text(sums)


@pytest.mark.parametrize(("old", "new"), [('"layers": 6', '"layers": "six"'), ('"width": 256', '"width": -1')])
def test_a_configuration_that_no_model_can_have_is_refused(copy, old, new):
    with_its_sum(copy, "config.json", (copy / "config.json").read_text().replace(old, new).encode())

    with pytest.raises(BadWeights, match="no model that can be built"):
        load(str(copy))


def test_every_file_is_read_once_so_that_what_was_checked_is_what_is_loaded(copy, monkeypatch):
    opened: list[str] = []
    whole = Path.open

    def watched(path, *rest, **more):
        opened.append(path.name)
        return whole(path, *rest, **more)

    monkeypatch.setattr(Path, "open", watched)

    load(str(copy))

    assert sorted(opened) == sorted([*CHECKED, SUMS])


def test_sha256sum_accepts_the_sums(copy):
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=copy, check=True, capture_output=True)


def test_an_unknown_name_is_refused_with_what_there_is():
    with pytest.raises(BadWeights, match="no weights called 'zebra'"):
        load("zebra")


@pytest.mark.parametrize("config", [PONY, HORSE])
def test_a_configuration_survives_being_written_and_read(config):
    assert config_from(config_json(config)) == config


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"name": 3}', config_json(PONY).replace("layers", "lairs")])
def test_a_configuration_of_another_shape_is_refused(text):
    with pytest.raises(BadWeights):
        config_from(text)
