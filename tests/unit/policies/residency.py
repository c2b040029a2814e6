"""A residency log for tests: what a cell writes in some hours, laid out as the writer does, in a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.log import entry as entries
from policies.log.entry import Candidates, Decision, Entry, Execution, Marked, Stamp, encode
from policies.log.lint import schema, schema_digest
from policies.log.note import Checkpoint, Kind, Note, Signer, Vkey
from policies.log.tiles import WIDTH, encode_bundle, entries_path, nodes, tile_path, tiles_of
from policies.log.tree import Edge, leaf_hash, root_of

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
START = 1_795_276_800_000  # 2026-11-21T16:00:00Z
WRITER = "w-0123456789abcdef"
TENANT = "t-0123456789abcdef"
REGION = "aws/eu-central-1"


def hexes(*parts: object, digits: int = 64) -> str:
    """Digits that look random and are the same in each run."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:digits]


def signer(name: str, kind: Kind = Kind.ED25519, seed: int = 0) -> Signer:
    """A signer whose key follows from its name and seed."""
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(hexes(name, seed)))
    return Signer(Vkey(name, kind, key.public_key().public_bytes_raw()), key.sign)


LOG = signer(ORIGIN)
WITNESS = signer("witness.example/w1", Kind.COSIGNATURE)
OTHER = signer("witness.example/w2", Kind.COSIGNATURE)
TRUST = (
    f"# whom the tests trust\nlog {LOG.vkey}\nwitness w1 {WITNESS.vkey}\nwitness w2 {OTHER.vkey}\n"
    "group some any w1 w2\nquorum some\n"
)


def stamp(n: int, ts: int, writer: str = WRITER) -> Stamp:
    return Stamp(
        ts=ts, id=hexes("id", writer, n, digits=32), salt=hexes("salt", writer, n, digits=32), w=writer, n=n
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grounds:
    """Documents that decisions rest on, by digest."""

    pol: str = hexes("pol")
    cat: str = hexes("cat")
    lst: str = hexes("lst")
    con: str = hexes("con")


def decision(number: int, grounds: Grounds | None = None, **more: object) -> Decision:
    """An allowed request."""
    grounds = grounds or Grounds()
    usual = Decision(
        ten=TENANT, req=request(number), cls="personal", pur="generation", sub="EU", dec="allow", rules=("permit",),
        cand=Candidates(eligible=1, denied={"jurisdiction-allowed": 78}), pol=grounds.pol, cat=grounds.cat,
        lst=grounds.lst, con=grounds.con, sel=REGION,
        where=entries.Where(jur="EU", cc="DE", prov="aws", own="US"),
    )  # fmt: skip
    return replace(usual, **more)  # type: ignore[arg-type]  # the caller names fields of a decision


def denial(number: int, grounds: Grounds | None = None) -> Decision:
    return decision(
        number, grounds, dec="deny", rules=("restricted-eu",), cand=Candidates(eligible=0), sel=None, where=None
    )


def execution(number: int, **more: object) -> Execution:
    usual = Execution(
        ten=TENANT, req=request(number), region=REGION, evid="endpoint", dec2="allow", ms=8_000, gpu="H100",
        in_bytes=90, out_bytes=1_600_000, egress=hexes("egress"),
    )  # fmt: skip
    return replace(usual, **more)  # type: ignore[arg-type]  # the caller names fields of an execution


def marked(number: int) -> Marked:
    manifest = entries.Manifest(manifest=hexes("c2pa", number), cert=hexes("cert"))
    wm = entries.Watermark(alg="equerry", ver=1, pid=hexes("pid", number, digits=12))
    return Marked(ten=TENANT, req=request(number), out=hexes("out", number), c2pa=manifest, wm=wm, vis=False)


def request(number: int) -> str:
    return f"r-{hexes('req', number, digits=32)}"


def story(requests: int) -> Iterator[Entry]:
    """What a cell writes for some requests: each fourth is denied."""
    yield entries.ShardOpened(schema=schema_digest())
    for number in range(requests):
        if number % 4 == 3:
            yield denial(number)
        else:
            yield from (decision(number), execution(number), marked(number))
    yield entries.Canary(
        ten=TENANT, req=request(-1), cls="restricted_eu", region=REGION, dec="deny", rules=("restricted-eu",)
    )


def written(whole: Sequence[Entry] | Iterator[Entry], step: int = 1000) -> list[bytes]:
    """Their bytes, one writer's, a second apart."""
    return [encode(one, stamp(n, START + n * step)) for n, one in enumerate(whole)]


def lay(
    folder: Path,
    lines: Sequence[bytes],
    *,
    heads: Sequence[int] = (),
    by: Signer = LOG,
    witnesses: Sequence[Signer] = (WITNESS,),
    origin: str = ORIGIN,
) -> Path:
    """A log's folder with these entries, and kept heads of these sizes."""
    files: dict[str, bytes] = {f"objects/sha256/{schema_digest()[:2]}/{schema_digest()[2:]}": schema()}
    leaves = [leaf_hash(line) for line in lines]
    for n in range(-(-len(lines) // WIDTH)):
        some = lines[n * WIDTH : (n + 1) * WIDTH]
        files[entries_path(n, len(some))] = encode_bundle(some)
        files[tile_path(0, n, len(some))] = b"".join(leaves[n * WIDTH : (n + 1) * WIDTH])
    level = [root_of(leaves[n * WIDTH : (n + 1) * WIDTH]) for n in range(len(leaves) // WIDTH)]
    for tile in tiles_of(len(lines)):
        if tile.level == 1:  # enough for 16 million entries
            files[tile.path] = b"".join(level[tile.n * WIDTH : tile.n * WIDTH + tile.width])
        elif tile.level == 2:
            files[tile.path] = b"".join(root_of(level[m * WIDTH : (m + 1) * WIDTH]) for m in range(tile.width))
    files["checkpoint"] = head(leaves, by=by, witnesses=witnesses, origin=origin)
    day = datetime.fromtimestamp(START / 1000, UTC).strftime("%Y%m%d")
    files |= {f"checkpoints/{day}/{size}": head(leaves[:size], by=by, origin=origin) for size in heads}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def head(leaves: Sequence[bytes], *, by: Signer = LOG, witnesses: Sequence[Signer] = (), origin: str = ORIGIN) -> bytes:
    """A signed checkpoint over the hashes of entries."""
    edge = Edge()
    edge.extend(leaves)
    text = Checkpoint(origin, edge.size, edge.root()).body().decode()
    return bytes(Note(text, tuple(one.sign(text, START // 1000) for one in (by, *witnesses))))


def node_reader(folder: Path, size: int):
    """The full subtrees of a log in a folder."""
    return nodes(size, lambda path: (folder / path).read_bytes())
