"""Requests that are made up from the OpenAPI description never find a failure of ours."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.slow


def test_no_request_that_the_description_allows_or_forbids_gives_a_5xx(cell, python_of, request):
    examples = 25 if request.node.callspec.params["cell"] == "stand-in" else 4  # a real cell makes what is asked for
    program = python_of("schemathesis", "newest").with_name("schemathesis")
    arguments = [
        *("run", f"{cell['url']}/v1/jobs/openapi.json", "--url", cell["url"]),
        *("--header", f"Authorization: Bearer {cell['keys']['acme']}"),
        *("--checks", "not_a_server_error", "--max-examples", str(examples), "--request-timeout", "60", "--seed", "1"),
    ]
    done = subprocess.run([program, *arguments], capture_output=True, timeout=1_200, check=False)

    assert done.returncode == 0, done.stdout.decode(errors="replace")[-4_000:]
