"""The page docs/infra/controls.md: what an auditor asks for, by cloud, as the programs themselves say it.

`infra/.venv/bin/python -m infra.controls_page > docs/infra/controls.md` writes it anew; a test says when it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["STACKS", "page"]

#: Control by id, with state, grade and note.
Controls = Mapping[str, Mapping[str, str]]

#: One stack speaks for each cloud: a cloud's controls do not differ by region.
STACKS: Final[Mapping[str, str]] = {
    "AWS": "aws-eu-north-1",
    "Google Cloud": "gcp-europe-west4",
    "Azure": "azure-swedencentral",
    "Alibaba Cloud": "alicloud-eu-central-1",
    "OVHcloud": "ovh-gra",
    "Scaleway": "scaleway-fr-par",
}

#: What an auditor asks, in the order of the parts of a cell.
_ASKED: Final[Mapping[str, str]] = {
    "key.customer-managed": "Is data at rest under a key of ours?",
    "key.rotation": "Does the key get new versions by itself?",
    "key.region": "Does the key stay in the region?",
    "network.private": "Is the network the cell's alone?",
    "network.own-addresses": "Does no other cell have its addresses?",
    "network.flow-log": "Are connections written down?",
    "egress.default-deny": "Is what leaves denied unless allowed?",
    "egress.allow-list": "Is it allowed by host name?",
    "cluster.private-endpoint": "Is the Kubernetes API private?",
    "cluster.secrets-key": "Are secrets in etcd under a key of ours?",
    "cluster.zones": "Do machines stand in named zones?",
    "cluster.node-disk-key": "Are machines' disks under a key of ours?",
    "store.customer-key": "Are films under a key of ours?",
    "store.no-public-access": "Can no film be opened to the public?",
    "store.region": "Do films stay in the region?",
    "store.no-replication": "Are films copied nowhere?",
    "store.tls": "Is plain HTTP refused?",
    "database.customer-key": "Are jobs under a key of ours?",
    "database.private": "Is the database private?",
    "database.backups-in-region": "Do backups stay in the region?",
    "database.tls": "Is TLS demanded?",
    "identity.no-long-lived-keys": "Does nobody hold a key that lasts?",
    "identity.least-privilege": "Do pods have the rights they need, and no more?",
    "audit.in-region": "Does the audit log stay in the region?",
    "audit.immutable": "Can nobody change it?",
    "audit.data-access": "Are accesses to single films in it?",
    "guard.region-deny": "Is everything outside denied to everybody?",
    "guard.scope": "Does that hold for the cell's own administrators?",
}
_SHORT: Final = ("partial", "absent")

_HEAD: Final = """# Controls by cloud

Written by `infra/.venv/bin/python -m infra.controls_page` from what each cloud's program exports; a test holds the two
together. A control is

- **enforced** when the cloud refuses what breaks it, whoever asks;
- **configured** when it is set, and somebody with rights over the cell could unset it, in view of the audit log;
- **partial** when it is set for a part, and the gaps below say for which;
- **absent** when the cloud has no such thing.

In brackets stands how well an outsider can know: *declared* is the program's word, *endpoint* can be read back from an
interface that names the region, *attested* carries a signature. Nothing here was made in an account of ours: it is what
the programs ask for, held against the providers' schemas and the policy pack, and it is no proof that a cloud obeys.
A tenant whose constraints ask for what is absent is refused the region by the rules in `policies/`.
"""


def page(said: Mapping[str, Controls]) -> str:
    """The page, from each cloud's controls. Raises KeyError for a control that nobody has put as a question."""
    strangers = sorted({id_ for controls in said.values() for id_ in controls} - set(_ASKED))
    if strangers:
        raise KeyError(f"_ASKED has no question for {', '.join(strangers)}")
    return "\n".join([_HEAD, *_table(said), "", "## Gaps", "", *_gaps(said)]).rstrip() + "\n"


def _table(said: Mapping[str, Controls]) -> Iterator[str]:
    yield "| what an auditor asks | " + " | ".join(said) + " |"
    yield "|---|" + "---|" * len(said)
    for id_, question in _ASKED.items():
        yield f"| {question} `{id_}` | " + " | ".join(_cell(controls[id_]) for controls in said.values()) + " |"


def _cell(control: Mapping[str, str]) -> str:
    state = control["state"]
    return f"**{state}**" if state in _SHORT else f"{state} ({control['grade']})"


def _gaps(said: Mapping[str, Controls]) -> Iterator[str]:
    for cloud, controls in said.items():
        yield f"### {cloud}"
        yield ""
        for id_ in _ASKED:
            if controls[id_]["state"] in _SHORT:
                yield f"- `{id_}`, {controls[id_]['state']}: {controls[id_]['note']}"
        yield ""


def main() -> None:
    """Plans a stack of each cloud, which takes a minute or two, and prints the page."""
    from datetime import UTC, datetime

    from infra.plan import engine

    said: dict[str, Controls] = {}
    for cloud, stack in STACKS.items():
        print(f"planning {stack}", file=sys.stderr)
        plan = engine.plan(stack, engine.config(stack), datetime.now(UTC).date(), patience=300)
        said[cloud] = plan.outputs["controls"]
    print(page(said), end="")


if __name__ == "__main__":
    main()
