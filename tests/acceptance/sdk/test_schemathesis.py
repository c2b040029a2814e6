"""Requests that are made up from the OpenAPI description never find a failure of ours, nor an answer that it does not
tell of. That the description holds every native door stands in `test_every_door`."""

from __future__ import annotations

import re
import subprocess

import pytest

pytestmark = pytest.mark.slow

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_every_request_that_the_description_allows_or_forbids_is_answered_as_it_says(cell, python_of, request):
    examples = 25 if request.node.callspec.params["cell"] == "stand-in" else 4  # a real cell makes what is asked for
    program = python_of("schemathesis", "newest").with_name("schemathesis")
    arguments = [
        *("run", f"{cell['url']}/v1/jobs/openapi.json", "--url", cell["url"]),
        *("--header", f"Authorization: Bearer {cell['keys']['acme']}"),
        *("--checks", CHECKS, "--max-examples", str(examples), "--request-timeout", "60", "--seed", "1"),
    ]
    done = subprocess.run([program, *arguments], capture_output=True, timeout=1_200, check=False)

    told = done.stdout.decode(errors="replace")
    assert done.returncode == 0, told[-4_000:]
    counted = re.findall(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", told)
    assert [len(set(each)) for each in counted] == [1], told[-4_000:]  # every door was tried
