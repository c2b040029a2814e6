"""Webhooks: what they say, how they are signed, and how often they come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadMedia, Refused, Unavailable
from serving.jobs.job import Draft, JobId, State, TenantId, new_id
from serving.jobs.memory import MemoryStore
from serving.jobs.post import GuardedPost
from serving.jobs.records import Parcel
from serving.jobs.webhooks import Courier, body_of, headers_of, key_of, signature
from serving.media.guard import Reach

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PARCEL = Parcel(
    event="evt_1",
    job=JobId("ab" * 16),
    tenant=TenantId("t-1"),
    state=State.SUCCEEDED,
    address="https://hooks.test/in",
    at=1_795_257_741_999,
    tries=1,
)


def test_a_webhook_says_id_and_status_only():
    assert json.loads(body_of(PARCEL)) == {
        "id": "evt_1",
        "object": "event",
        "created_at": 1_795_257_741,
        "type": "video.completed",
        "data": {"id": "video_" + "ab" * 16},
    }


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_an_end_without_a_film_is_told_as_failed(state):
    assert json.loads(body_of(replace(PARCEL, state=state)))["type"] == "video.failed"


def test_the_signature_is_the_published_one():
    # the worked example of the Standard Webhooks specification
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_a_signature_covers_id_time_and_body(body, seconds):
    key = key_of(SECRET)
    sent = headers_of(PARCEL, key, seconds, body)
    mac = hmac.new(key, b"evt_1." + str(seconds).encode() + b"." + body, hashlib.sha256).digest()

    assert sent["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert (sent["webhook-id"], sent["webhook-timestamp"]) == ("evt_1", str(seconds))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!!!", SECRET.removeprefix("whsec_"), "whsec_é"])
def test_a_secret_that_is_none_is_refused_without_repeating_it(secret):
    with pytest.raises(Refused) as refused:
        key_of(secret)

    assert secret.removeprefix("whsec_") in ("", "é") or secret not in str(refused.value)


class Door:
    """Stands where a webhook is received; answers as it is told to."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[str, bytes]] = []

    async def __call__(self, parcel, headers, body):
        self.heard.append((headers["webhook-id"], body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def world(*answers: int | Exception):
    """A store with one end to tell, its clock, the door, and a courier between them."""
    now = [1_800_000_000_000]
    store = MemoryStore(lambda: now[0])
    draft = Draft(
        id=new_id(bytes(16)),
        tenant=TenantId("t-1"),
        order="{}",
        fingerprint="f",
        estimated_ms=1,
        webhook="https://hooks.test/",
    )
    store.submit(draft)
    store.cancel(draft.tenant, draft.id)
    door = Door(*answers)
    return now, door, Courier(store, lambda _: SECRET, door)


def test_an_event_is_told_until_it_is_taken_and_never_again():
    now, door, courier = world(500, Unavailable("away"), ValueError("what nobody thought of"), 204)

    taken = []
    for _ in range(6):
        taken.append(asyncio.run(courier.round()))
        now[0] += 3_600_000

    assert taken == [0, 0, 0, 1, 0, 0]
    assert len(set(door.heard)) == 1  # the same id and the same bytes in all four tries
    assert len(door.heard) == 4


def test_a_tenant_without_a_secret_is_told_nothing():
    _, door, courier = world(204)
    courier._secret = lambda _: None

    assert asyncio.run(courier.round()) == 0
    assert door.heard == []


ANYWHERE = Reach(public=True)


@pytest.mark.parametrize(
    "address",
    ["http://hooks.test/", "https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://inner.test/"],
)
def test_an_address_inside_is_never_called(address):
    async def inside(host, port):
        from ipaddress import ip_address

        return [ip_address("10.0.0.7")]

    post = GuardedPost(lambda _: ANYWHERE, resolve=inside)

    with pytest.raises(BadMedia):
        asyncio.run(post(replace(PARCEL, address=address), {}, b"{}"))


async def _serve(answer: bytes, use):
    """Answers one connection with fixed bytes; gives what `use` gives, and what was heard."""
    heard = asyncio.get_running_loop().create_future()

    async def take(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        heard.set_result(head + await reader.readexactly(2))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await use(port), await heard


def _post_to(port: int):
    from ipaddress import ip_network

    reach = Reach(hosts=("127.0.0.1",), http=True, ports=frozenset({port}), inner=(ip_network("127.0.0.0/8"),))
    return GuardedPost(lambda _: reach)


@pytest.mark.parametrize("status", [204, 302, 500])
def test_the_status_is_what_the_other_side_says_and_no_redirect_is_followed(status):
    answer = f"HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".encode()

    async def use(port):
        address = f"http://127.0.0.1:{port}/in"
        return await _post_to(port)(replace(PARCEL, address=address), {"webhook-id": "evt_1"}, b"{}")

    got, heard = asyncio.run(_serve(answer, use))

    assert got == status
    assert heard.startswith(b"POST /in HTTP/1.1\r\n")
    assert b"webhook-id: evt_1\r\n" in heard
    assert heard.endswith(b"{}")
