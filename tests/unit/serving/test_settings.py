"""Settings of a cell: one file, the environment over it, every mistake with its place, and no secret inside."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from serving.errors import Refused
from serving.media.guard import Reach
from serving.secret import draw_secret, read_secret
from serving.settings import CellSettings
from serving.settings_file import load, secrets_of
from serving.settings_page import EXAMPLE, PAGE, example, page

LEAST = """
[cell]
name = "eu-par"
jurisdiction = "EU"
provider = "own"
region = "eu-par-1"
origin = "https://eu.example.com"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in os.environ:
        if name.startswith("EQUERRY_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    def written(more="", least=LEAST):
        path = tmp_path / "cell.toml"
        path.write_text(least + more)
        return path

    return written


def secret(path, mode=0o600, text="s3cret-value\n"):
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(path):
    with pytest.raises(Refused) as refused:
        load(path)
    return str(refused.value)


def test_the_least_file_gives_a_whole_cell(write, tmp_path):
    settings = load(write())

    assert (settings.cell.name, settings.jobs.lease, settings.database.url) == ("eu-par", 30, "sqlite")
    assert settings.folders.state == tmp_path / "state"
    assert settings.objects_url == f"file://{tmp_path}/state/objects"
    assert settings.media.reach("t-1") == Reach()


def test_settings_cannot_be_changed(write):
    settings = load(write())

    with pytest.raises(ValidationError):
        settings.jobs.lease = 5


def test_a_variable_comes_before_the_file(write, monkeypatch):
    monkeypatch.setenv("EQUERRY_JOBS__LEASE", "45")
    monkeypatch.setenv("EQUERRY_MEDIA__HOSTS", '["a.test"]')
    monkeypatch.setenv("EQUERRY_CELL__REGION", "elsewhere")
    settings = load(write("[jobs]\nlease = 60\nattempts = 7\n"))

    assert (settings.jobs.lease, settings.jobs.attempts) == (45, 7)
    assert settings.media.hosts == ("a.test",)
    assert settings.cell.region == "elsewhere"


@pytest.mark.parametrize(
    ("more", "line", "field", "words"),
    [
        ("[jobs]\nleese = 5\n", 9, "jobs.leese", "no such setting"),
        ("[jobs]\n\nlease = -5\n", 10, "jobs.lease", "greater than 0"),
        ("[jobs]\nlease = 'soon'\n", 9, "jobs.lease", "number"),
        ("[jobs]\nlease = inf\n", 9, "jobs.lease", "finite"),
        ("[jobs]\nlease = 20\n", 8, "jobs", "heartbeat must be a third"),
        ("[jbos]\nlease = 5\n", 8, "jbos", "no such setting"),
        ("[listen]\nport = 70000\n", 9, "listen.port", "65535"),
        ("[listen]\nport = 8001\n", 8, "listen", "must differ"),
        ("[media]\nhosts = ['a.test', 'https://b.test']\n", 9, "media.hosts.1", "pattern"),
        ("[media]\nhttp = true\n", 8, "media", "80"),
        ("[media]\ninner = ['10.0.0.1/8']\n", 9, "media.inner.0", "host bits"),
        ("[media.hosts_of]\n't-1' = 'a.test'\n", 9, "media.hosts_of.t-1", "tuple"),
        ("[engine]\nkind = 'jax'\n", 9, "engine.kind", "'torch' or 'vllm'"),
        ("[engine]\ntensor_parallel = 2\n", 8, "engine", "torch"),
        ("[engine]\nkind = 'vllm'\nreplicas = 3\n", 8, "engine", "most_replicas"),
        ("[database]\nurl = 'postgresql://u:hunter2@h/d'\n", 9, "database.url", "take the password out"),
        ("[database]\nurl = 'mysql://h/d'\n", 9, "database.url", "sqlite"),
        ("[objects]\nurl = 'https://b'\n", 9, "objects.url", "s3://BUCKET"),
        ("[objects.options]\naws_secret_access_key = 'hunter2'\n", 8, "objects.options", "is a secret"),
        ("[objects.options]\nazure_storage_account_key = 'hunter2'\n", 8, "objects.options", "is a secret"),
        ("[media]\nlink_hours = 48\n", None, "", "outlive"),
        ('[objects]\nurl = "s3://films"\nsealed = true\n', None, "", "sealing_keys"),
        ('[objects]\nsealed = true\n[database]\nurl = "postgresql://equerry@db/jobs"\n', None, "", "another key"),
        ("[webhooks]\non = true\n", None, "", "nobody"),
        ("[media]\nfilm_bytes = 500\n", None, "", "could never be uploaded"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_field_and_without_its_value(write, more, line, field, words):
    path = write(more)
    text = refusal(path)

    assert text.startswith(f"{path}" + (f", line {line}, {field}: " if line else ": "))
    assert words in text
    assert "hunter2" not in text


def test_all_mistakes_are_said_at_once(write):
    text = refusal(write("[jobs]\nlease = -1\nleese = 2\n[engine]\nbatch = 0\n"))

    assert len(text.splitlines()) == 3


def test_a_cell_must_say_who_and_where_it_is(write):
    assert "cell.region: it is missing" in refusal(write(least=LEAST.replace('region = "eu-par-1"', "")))
    assert "cell: it is missing" in refusal(write(least=""))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"EU"', '"JP"', "jurisdiction says otherwise"),
        ('"EU"', '"eu"', "pattern"),
        ("eu-par", "paris", "pattern"),
        ("https://eu.example.com", "http://eu.example.com", "use https"),
        ("https://eu.example.com", "https://eu.example.com/v1", "nothing after"),
        ("https://eu.example.com", "https://u:p@eu.example.com", "nothing after"),
    ],
)
def test_a_cells_name_place_and_origin_agree(write, old, new, words):
    assert words in refusal(write(least=LEAST.replace(old, new)))


def test_plain_http_is_an_origin_on_loopback(write):
    for origin in ("http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:80"):
        assert load(write(least=LEAST.replace("https://eu.example.com", origin))).cell.origin == origin


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EQUERRY_JOBS__LEASE", "soon", "the variable EQUERRY_JOBS__LEASE, jobs.lease"),
        ("EQUERRY_JOBS__LEESE", "5", "the variable EQUERRY_JOBS__LEESE, jobs.leese: there is no such setting"),
        ("EQUERRY_JBOS__LEASE", "5", "EQUERRY_JBOS__LEASE: there is no such setting"),
        ("EQUERRY_MEDIA__HOSTS", "a.test", "EQUERRY_MEDIA"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(write, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)

    assert words in refusal(write())


def test_a_file_that_is_missing_or_no_toml_is_said_so(write, tmp_path):
    assert "There is no settings file" in refusal(tmp_path / "none.toml")
    assert "line 9" in refusal(write("[jobs]\nlease = = 3\n"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(tmp_path / "bytes.toml")


SECRETS = """
[media]
link_keys = ["2026-11.key", "old/2026-10.key"]
[objects.secrets]
aws_secret_access_key = "s3.key"
[database]
password = "db.key"
"""


def test_secrets_are_named_by_their_files(write, tmp_path):
    (tmp_path / "old").mkdir()
    files = [secret(tmp_path / name) for name in ("db.key", "s3.key", "2026-11.key", "old/2026-10.key")]
    settings = load(write(SECRETS))

    assert [path for _, path in secrets_of(settings)] == files
    assert read_secret(files[0]) == b"s3cret-value"
    assert "s3cret" not in repr(settings)


def test_a_secret_that_is_missing_or_open_to_others_is_refused_with_its_place(write, tmp_path):
    (tmp_path / "old").mkdir()
    secret(tmp_path / "2026-11.key", 0o644)
    secret(tmp_path / "s3.key", text="")
    (tmp_path / "db.key").symlink_to(tmp_path / "s3.key")
    told = refusal(write(SECRETS)).splitlines()

    assert len(told) == 4
    assert ["line 14, database.password" in told[0], "link" in told[0]] == [True, True]
    assert "objects.secrets.aws_secret_access_key" in told[1]
    assert "chmod 600" in told[2]
    assert "media.link_keys" in told[3]
    assert "There is no file" in told[3]


def test_a_secret_is_drawn_once_for_its_owner_alone(tmp_path):
    draws = [b"1" * 32, b"2" * 32]
    first = draw_secret(tmp_path / "k", lambda _: draws.pop(0))

    assert draw_secret(tmp_path / "k", lambda _: draws.pop(0)) == first == (b"1" * 32).hex().encode()
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_a_tenant_reaches_its_own_hosts_and_everybodys(write):
    media = load(write("[media]\nhosts = ['a.test']\nhosts_of = {'t-1' = ['*.b.test']}\n")).media

    assert media.reach("t-1").hosts == ("a.test", "*.b.test")
    assert media.reach("t-2").hosts == ("a.test",)


def test_limits_are_counted_in_their_units(write):
    media = load(write("[media]\nimage_bytes = 2\nfilm_bytes = 3\nfilm_seconds = 4\nseconds = 5\n")).media

    assert (media.images.bytes, media.films.bytes, media.films.seconds) == (2 << 20, 3 << 20, 4)
    assert (media.patience.bytes, media.patience.whole) == (3 << 20, 5)


def test_every_setting_says_what_it_is(write):
    sections = {name: type(section) for name, section in load(write()).sections().items()}
    fields = {f"{name}.{field}": facts for name, each in sections.items() for field, facts in each.model_fields.items()}

    assert len(fields) > 70
    assert [name for name, facts in fields.items() if len(facts.description or "") < 10] == []
    assert [name for name, each in sections.items() if not each.__doc__] == []


def test_a_log_belongs_to_a_domain_that_its_format_can_name(write):
    assert load(write("[log]\ndomain = 'log.example.com'\n")).log.domain == "log.example.com"
    with pytest.raises(Refused, match="domain"):
        load(write("[log]\ndomain = 'Not A Domain'\n"))


def test_webhooks_go_to_hosts_of_their_own_under_the_same_guard(write):
    settings = load(
        write("[webhooks]\non = true\nhosts = ['hook.test']\n[media]\nhosts = ['a.test']\nports = [8443]\n")
    )

    assert settings.webhook_reach == Reach(hosts=("hook.test",), ports=frozenset({8443}))


def test_the_page_and_the_example_are_fresh():
    """`python -m serving.settings_page` writes them."""
    assert PAGE.read_text(encoding="utf-8") == page()
    assert EXAMPLE.read_text(encoding="utf-8") == example()


def test_the_example_starts_a_cell(tmp_path):
    path = tmp_path / "cell.toml"
    path.write_text(example())

    assert load(path).cell.jurisdiction == "EU"


def test_the_examples_defaults_are_the_defaults(write):
    """Each `#:` line, switched on, changes nothing; files of secrets and tables are only named there."""
    lines = [line.removeprefix("#: ") for line in example().splitlines()]
    spoken = [line for line in lines if not line.endswith(('"FILE"', "… }"))]
    given = tomllib.loads("\n".join(spoken))

    assert CellSettings(**given) == CellSettings(cell=given["cell"])
    assert given["engine"]["kind"] == "torch"


def test_below_the_settings_and_the_command_nothing_reads_the_environment():
    room = Path(__file__).parents[3] / "serving"
    files = {str(path.relative_to(room)): path.read_text(encoding="utf-8") for path in room.rglob("*.py")}
    reading = {name for name, text in files.items() if "os.environ" in text or "getenv" in text}

    tools = {"conform/cli.py", "conform/site.py", "demo/cells.py"}  # start cells as children, with an environment
    assert reading <= {"settings_file.py", "cli.py", "telemetry/silence.py"} | tools  # silence only writes
