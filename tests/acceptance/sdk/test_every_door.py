"""What holds for every door there is, as the application itself lists them."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from serving.dialects.app import described
from serving.dialects.doorway import Doorway
from serving.dialects.origin import Origin
from tests.acceptance.sdk.stand_in import StandIn

NOBODY = "0" * 32
UNDESCRIBED = {  # signed addresses, and what is as its GET
    ("GET", "/content/{job}/film.mp4"),
    ("HEAD", "/content/{job}/film.mp4"),
    ("HEAD", "/v1/jobs/{job}/content"),
}


def layers(app):
    """The application and all that it wraps, outermost first."""
    while app is not None:
        yield app
        app = getattr(app, "app", None) or getattr(app, "beyond", None)


def foreign_doors(app) -> set[tuple[str, str]]:
    (doorway,) = [each for each in layers(app) if isinstance(each, Doorway)]
    doors = [door for alike in doorway._doors.values() for door in alike]
    return {(method, "/".join(door.path)) for door in doors for method in door.methods}


def native_doors(app) -> set[tuple[str, str]]:
    (inner,) = [each for each in layers(app) if isinstance(each, FastAPI)]
    routes = [route for route in all_routes(inner.routes) if isinstance(route, APIRoute)]
    return {(method, route.path) for route in routes for method in route.methods or ()}


def all_routes(routes):
    for route in routes:
        yield route
        below = getattr(route, "original_router", None) or getattr(route, "router", None)
        yield from all_routes(getattr(below, "routes", []))


def spelled(path: str, job: str) -> str:
    """A door's path with a job in the place of whatever it names."""
    return re.sub(r"\{[^}]*\}", f"video_{job}" if path.startswith("/v1/videos") else job, path)


async def a_film(client: httpx.AsyncClient) -> str:
    made = await client.post("/v1/jobs", json={"prompt": "x", "seconds": 1, "size": "64x64"}, headers=key("acme"))
    job = str(made.json()["id"])
    while (await client.get(f"/v1/jobs/{job}", headers=key("acme"))).json()["state"] != "succeeded":
        await asyncio.sleep(0.02)
    return job


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer key-{name}"}


def plain(answer: httpx.Response, job: str) -> tuple[int, str]:
    """An answer without the ids that were asked for, and without its own."""
    text = answer.text.replace(job, NOBODY)
    return answer.status_code, re.sub(r'"request_id": ?"[^"]*"', "", text)


STAND_IN = StandIn(Origin("https://cell.example"))
DOORS = sorted(foreign_doors(STAND_IN) | native_doors(STAND_IN))
NAMING = [door for door in DOORS if "{" in door[1]]


def test_the_description_holds_every_native_door_and_no_other():
    paths = described(STAND_IN.app)["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    assert told == native_doors(STAND_IN) - UNDESCRIBED
    assert len(told) > 8


def test_all_doors_are_counted():
    """So that a door of which this file cannot see the name does not slip by."""
    assert len(NAMING) >= 20, NAMING


def test_at_every_door_another_tenants_film_is_one_that_never_was():
    async def run():
        transport = httpx.ASGITransport(STAND_IN, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://cell.example", timeout=20) as client:
            film, seen = await a_film(client), []
            for method, path in NAMING:
                both = [
                    plain(
                        await client.request(
                            method, spelled(path, job), headers=key("other"), json={"prompt": "x", "input": {}}
                        ),
                        job,
                    )
                    for job in (film, NOBODY)
                ]
                seen.append(((method, path), *both))
            kept = await client.get(f"/v1/jobs/{film}", headers=key("acme"))
        return seen, kept.json()["state"]

    seen, state = asyncio.run(run())
    assert [door for door, foreign, never in seen if foreign != never] == []
    assert state == "succeeded"  # nobody has deleted it either


def test_no_door_changes_anything_by_head():
    """GET cancels in DashScope's dialect, as one of its clients sends it."""
    assert {path for method, path in DOORS if method == "HEAD" and path.endswith("/cancel")} == set()


@pytest.mark.parametrize(
    ("method", "path"), [door for door in DOORS if not door[1].startswith(("/content", "/api/v1/uploads/"))]
)
def test_without_a_key_no_door_opens(method, path):
    async def run():
        transport = httpx.ASGITransport(
            STAND_IN.app, raise_app_exceptions=False
        )  # behind the gate: nobody came past it
        async with httpx.AsyncClient(transport=transport, base_url="https://cell.example") as client:
            return (await client.request(method, spelled(path, NOBODY))).status_code

    assert asyncio.run(run()) == 401
