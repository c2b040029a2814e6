"""The plan engine tells what a program does, and passes on what a program says when it fails."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.plans import PYTHON, ROOT

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="infra/.venv is missing; `make setup-infra` builds it")

PLAN = """
import json, sys
from datetime import date
from pathlib import Path
from infra.plan import engine
home = Path(sys.argv[1])
plan = engine.plan("s", json.loads(sys.argv[2]), date(2026, 11, 21), home, patience=float(sys.argv[3]))
print(json.dumps(plan.as_json()))
"""


def run(home: Path, program: str, config: dict[str, str] | None = None, patience: float = 120.0):
    (home / "__main__.py").write_text(program)
    return subprocess.run(
        [str(PYTHON), "-c", PLAN, str(home), json.dumps(config or {}), str(patience)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_SECRET_ACCESS_KEY": "hunter2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def planned(home: Path, program: str, config: dict[str, str] | None = None):
    ended = run(home, program, config)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


def test_what_a_cloud_would_answer_is_a_name_and_links_can_be_read(tmp_path):
    plan = planned(
        tmp_path,
        "import pulumi, pulumi_aws as aws\n"
        "key = aws.kms.Key('k', description='x')\n"
        "aws.s3.Bucket('b', bucket='mine', tags={'key': key.arn})\n"
        "pulumi.export('key', key.arn)\n",
    )
    bucket = next(one for one in plan["resources"] if one["name"] == "b")

    assert bucket["inputs"] == {"bucket": "mine", "tags": {"key": "<k.arn>"}}
    assert [urn.rsplit("::", 1)[1] for urn in bucket["depends_on"]] == ["k"]
    assert plan["outputs"] == {"key": "<k.arn>"}


def test_a_secret_keeps_its_mark(tmp_path):
    plan = planned(
        tmp_path,
        "import pulumi, pulumi_aws as aws\naws.kms.Key('k', description=pulumi.Output.secret('hush'))\n",
    )
    key = next(one for one in plan["resources"] if one["name"] == "k")

    assert key["inputs"]["description"]["value"] == "hush"
    assert len(key["inputs"]["description"]) == 2


def test_a_plan_is_the_same_however_often_it_is_made(tmp_path):
    program = "import pulumi_aws as aws\n[aws.kms.Key(f'k{n}', description=str(n)) for n in range(20)]\n"

    assert planned(tmp_path, program) == planned(tmp_path, program)


def test_no_credential_of_the_caller_reaches_the_program(tmp_path):
    plan = planned(tmp_path, "import os, pulumi\npulumi.export('seen', 'AWS_SECRET_ACCESS_KEY' in os.environ)\n")

    assert plan["outputs"] == {"seen": False}


def test_configuration_arrives_as_pulumi_hands_it_over(tmp_path):
    plan = planned(
        tmp_path,
        "import pulumi\npulumi.export('said', pulumi.Config().require_object('cell')['zones'])\n",
        {"equerry:cell": '{"zones": ["a", "b"]}'},
    )

    assert plan["outputs"] == {"said": ["a", "b"]}
    assert plan["config"]["equerry:day"] == "2026-11-21"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise ValueError('no such luck')\n", "ValueError: no such luck"),
        (
            "from infra.errors import Impossible\nraise Impossible('The nearest is eu-north-1.')\n",
            "The nearest is eu-north-1.",
        ),
        ("import pulumi\npulumi.log.error('not today')\n", "not today"),
        (
            "import pulumi_aws as aws\n[aws.kms.Key('k', description='x') for _ in range(2)]\n",
            "registered twice",
        ),
        ("import pulumi_aws as aws\naws.get_caller_identity()\n", "asks a cloud, and a plan has none"),
        ("import pulumi_aws as aws\naws.kms.Key('k', descriptionn='x')\n", "descriptionn"),
    ],
)
def test_a_program_that_fails_is_refused_in_its_own_words(tmp_path, program, says):
    ended = run(tmp_path, program)

    assert ended.returncode == 1
    assert "infra.errors.Refused: The program of s does not run" in ended.stderr
    assert says in ended.stderr


def test_a_program_that_does_not_end_is_stopped(tmp_path):
    ended = run(tmp_path, "import time\ntime.sleep(600)\n", patience=3)

    assert "infra.errors.Unavailable: The program of s did not end within 3 s." in ended.stderr


def test_a_stack_that_is_not_there_is_refused_with_those_that_are():
    ended = subprocess.run(
        [str(PYTHON), "-m", "infra.plan", "aws-moon-1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 2
    assert "There is no stack aws-moon-1. There are alicloud-" in ended.stderr
    assert "aws-eu-north-1" in ended.stderr


def test_a_cell_that_may_not_stand_is_refused_by_the_program_itself_in_one_sentence():
    """The real program, and a stack file that puts a European cell into London."""
    program = (
        "import json; from datetime import date; from infra.plan import engine\n"
        "config = dict(engine.config('aws-eu-north-1'))\n"
        "cell = {**json.loads(config['equerry:cell']), 'region': 'eu-west-2'}\n"
        "cell = json.loads(json.dumps(cell).replace('eu-north-1', 'eu-west-2'))\n"
        "engine.plan('aws-eu-north-1', {'equerry:cell': json.dumps(cell)}, date(2026, 11, 21), patience=240)\n"
    )
    ended = subprocess.run(
        [str(PYTHON), "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    said = ended.stderr.strip().splitlines()[-1]

    assert "aws/eu-west-2 lies in London, GB, which is UK and not EU. The nearest one in EU is eu-west-3" in said
    assert "Traceback" not in said


def test_a_catalogue_that_has_expired_stops_a_plan():
    program = (
        "from datetime import date; from infra.plan import engine\n"
        "engine.plan('aws-eu-north-1', engine.config('aws-eu-north-1'), date(2031, 1, 1), patience=240)\n"
    )
    ended = subprocess.run(
        [str(PYTHON), "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == 1
    assert "does not run" in ended.stderr
    assert "2027" in ended.stderr or "trusted until" in ended.stderr
