"""A pod's folders are made ready for a cell: secrets with a mode of their own, books when there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policies.tenants.folder import open_books
from serving.errors import Refused
from serving.pod import MOST_BYTES, close, copy_secrets, main
from serving.secret import read_secret


def mounted(folder: Path, **secrets: dict[str, bytes]) -> Path:
    """Secrets as the kubelet mounts them: links to files in a folder that changes whole."""
    for name, keys in secrets.items():
        data = folder / name / "..2026_11_21"
        data.mkdir(parents=True)
        for key, value in keys.items():
            (data / key).write_bytes(value)
            (data / key).chmod(0o440)
        (folder / name / "..data").symlink_to(data.name)
        for key in keys:
            (folder / name / key).symlink_to(f"..data/{key}")
    return folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def settings(folder: Path) -> Path:
    path = folder / "cell.toml"
    path.write_text(
        f'[cell]\nname = "eu-par"\n[folders]\nstate = "{folder}/state"\n[policies]\ntenants = "{folder}/tenants"\n'
    )
    return path


def test_a_mounted_secret_becomes_one_that_a_cell_reads(tmp_path: Path) -> None:
    source = mounted(
        tmp_path / "from", database={"password": b"swordfish\n"}, keeper={"tls.key": b"k", "tls.crt": b"c"}
    )

    count = copy_secrets(source, tmp_path / "to")

    assert count == 3
    assert read_secret(tmp_path / "to" / "database" / "password") == b"swordfish"
    assert sorted(path.name for path in (tmp_path / "to" / "keeper").iterdir()) == ["tls.crt", "tls.key"]
    with pytest.raises(Refused, match="plain file"):
        read_secret(source / "database" / "password")  # why it is copied


def test_a_pod_that_starts_again_takes_the_secret_as_it_is_now(tmp_path: Path) -> None:
    source = mounted(tmp_path / "from", database={"password": b"old"})
    copy_secrets(source, tmp_path / "to")
    (source / "database" / "..data" / "password").chmod(0o640)
    (source / "database" / "..data" / "password").write_bytes(b"new")

    copy_secrets(source, tmp_path / "to")

    assert read_secret(tmp_path / "to" / "database" / "password") == b"new"


def test_a_link_that_waits_at_the_target_is_not_followed(tmp_path: Path) -> None:
    source = mounted(tmp_path / "from", database={"password": b"swordfish"})
    (tmp_path / "to" / "database").mkdir(parents=True)
    (tmp_path / "to" / "database" / ".password").symlink_to(tmp_path / "elsewhere")

    copy_secrets(source, tmp_path / "to")

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("body", [bytes(MOST_BYTES + 1), None], ids=["too long", "a folder"])
def test_what_is_no_secret_is_refused(tmp_path: Path, body: bytes | None) -> None:
    place = tmp_path / "from" / "database" / "password"
    place.parent.mkdir(parents=True)
    place.write_bytes(body) if body is not None else place.mkdir()

    with pytest.raises(Refused, match="password"):
        copy_secrets(tmp_path / "from", tmp_path / "to")


def test_the_books_are_made_once_and_kept(tmp_path: Path) -> None:
    file = settings(tmp_path)

    assert (main([str(file)]), (tmp_path / "tenants").is_dir()) == (0, True)
    pepper = (tmp_path / "tenants" / "pepper").read_bytes()
    assert main([str(file)]) == 0

    assert (tmp_path / "tenants" / "pepper").read_bytes() == pepper
    books = open_books(tmp_path, os.urandom)
    assert books.store.cell.name == "eu-par"
    books.store.close()


def test_what_the_kubelet_opened_to_the_group_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "links").write_bytes(b"secret")
    (tmp_path / "state" / "links").chmod(0o660)
    (tmp_path / "state").chmod(0o2770)

    close(tmp_path / "state")

    assert (mode(tmp_path / "state"), mode(tmp_path / "state" / "links")) == (0o700, 0o600)


@pytest.mark.parametrize("text", ["", "[cell]\nname = 'eu-par'\n", "nonsense"])
def test_settings_that_the_chart_has_not_written_are_refused(tmp_path: Path, text: str, capsys) -> None:
    (tmp_path / "cell.toml").write_text(text)

    assert main([str(tmp_path / "cell.toml")]) == 2
    assert "The chart writes this file" in capsys.readouterr().err
