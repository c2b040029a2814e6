"""A cell on a kind cluster, to try everything that needs Kubernetes and no cloud.

`kind create cluster --name CELL` comes first; the program then fills that cluster. It guards nothing: the machine is
yours, so every control of a cloud is absent, and no tenant may be admitted here.
"""

from __future__ import annotations

from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.password import password
from infra.providers.protocol import (
    EXPECTED,
    Audit,
    Cluster,
    Control,
    Database,
    Egress,
    Guard,
    Identity,
    Key,
    Network,
    Parts,
    State,
    Store,
)
from infra.site import Site
from infra.spec import RegionSpec
from policies.constraints import Evidence

__all__ = ["CLOUD"]

_SPACE: Final = "equerry"
_POSTGRES: Final = "docker.io/library/postgres:{version}-bookworm"
_USER: Final = 999  # postgres, in that image
_HERE: Final = {
    "network.private": "The cluster is reached from this machine alone.",
    "egress.default-deny": "Network policies deny what they do not name; kind's own plugin enforces them since 0.24.",
    "cluster.private-endpoint": "The API listens on the loopback of this machine.",
    "store.no-public-access": "Films lie in a volume of the cluster.",
    "store.no-replication": "Films lie in one volume.",
    "database.private": "Postgres listens inside the cluster alone.",
}


class Local:
    """A kind cluster on this machine."""

    name = "local"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """By the context that `kind create cluster --name CELL` writes."""
        return kubernetes.Provider(f"{spec.cell}-kind", context=f"kind-{spec.cell}", opts=options)

    def build(self, site: Site) -> Parts:
        """All parts; most are words."""
        space = _space(site.room("network"))
        _walls(site.room("egress"), space)
        films = _films(site.room("store"), space)
        name = space.metadata.apply(lambda found: str(found["name"]))
        return Parts(
            key=Key(id=None, controls=_says("key")),
            network=Network(id=name, controls=_says("network")),
            egress=Egress(addresses=(), allowed=site.spec.egress, controls=_says("egress")),
            cluster=Cluster(
                name=pulumi.Output.from_input(f"kind-{site.spec.cell}"),
                endpoint=pulumi.Output.from_input("https://127.0.0.1"),
                kubeconfig=None,
                controls=_says("cluster"),
            ),
            store=Store(url=films.id.apply(lambda _: "folder"), controls=_says("store")),
            database=_database(site.room("database"), space),
            identity=Identity(controls=_says("identity")),
            audit=Audit(location=None, controls=_says("audit")),
            guard=Guard(expects="nothing: this is a machine of yours", controls=_says("guard")),
        )


CLOUD: Final = Local()


def _says(part: str) -> tuple[Control, ...]:
    """What little holds on a machine of one's own, and the absence of everything else."""
    return tuple(
        Control(
            id=name,
            state=State.CONFIGURED if name in _HERE else State.ABSENT,
            grade=Evidence.DECLARED,
            note=_HERE.get(name, "A machine of yours has no such thing."),
        )
        for name in EXPECTED[part]
    )


def _space(site: Site) -> kubernetes.core.v1.Namespace:
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return kubernetes.core.v1.Namespace(
        site.name("space"), metadata={"name": _SPACE, "labels": {**site.labels, **level}}, opts=site.options()
    )


def _walls(site: Site, space: kubernetes.core.v1.Namespace) -> None:
    """Nothing in, nothing out, but names and one another."""
    _policy(site, space, "deny", {"policyTypes": ["Ingress", "Egress"]})
    among: list[dict[str, Any]] = [{"podSelector": {}}]
    _policy(
        site,
        space,
        "among-us",
        {"policyTypes": ["Ingress", "Egress"], "ingress": [{"from": among}], "egress": [{"to": among}]},
    )
    names = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    _policy(site, space, "names", {"policyTypes": ["Egress"], "egress": [{"to": names, "ports": ports}]})


def _policy(site: Site, space: kubernetes.core.v1.Namespace, role: str, spec: dict[str, Any]) -> None:
    kubernetes.networking.v1.NetworkPolicy(
        site.name(role),
        metadata=_named(site, role),
        spec={"podSelector": {}, **spec},
        opts=site.options(depends_on=[space]),
    )


def _named(site: Site, role: str) -> dict[str, Any]:
    return {"name": site.name(role), "namespace": _SPACE, "labels": site.labels}


def _films(site: Site, space: kubernetes.core.v1.Namespace) -> kubernetes.core.v1.PersistentVolumeClaim:
    return kubernetes.core.v1.PersistentVolumeClaim(
        site.name("films"),
        metadata=_named(site, "films"),
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
        opts=site.data_options(depends_on=[space]),
    )


def _database(site: Site, space: kubernetes.core.v1.Namespace) -> Database:
    drawn = password(site, "database")
    secret = kubernetes.core.v1.Secret(
        site.name("jobs"),
        metadata=_named(site, "jobs"),
        string_data={"password": drawn},
        opts=site.options(depends_on=[space], secrets=["stringData", "data"]),
    )
    labels = {"app.kubernetes.io/name": site.name("jobs")}
    kubernetes.core.v1.Service(
        site.name("jobs"),
        metadata=_named(site, "jobs"),
        spec={"clusterIP": "None", "selector": labels, "ports": [{"name": "postgres", "port": 5432}]},
        opts=site.options(depends_on=[space]),
    )
    kubernetes.apps.v1.StatefulSet(
        site.name("jobs"),
        metadata=_named(site, "jobs"),
        spec={
            "serviceName": site.name("jobs"),
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(site)},
            "volumeClaimTemplates": [_volume(site)],
        },
        opts=site.data_options(depends_on=[secret]),
    )
    return Database(
        url=pulumi.Output.from_input(f"postgresql://equerry@{site.name('jobs')}.{_SPACE}.svc:5432/equerry"),
        password=drawn,
        controls=_says("database"),
    )


def _pod(site: Site) -> dict[str, Any]:
    """Restricted, as the namespace demands."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "postgres",
                "image": _POSTGRES.format(version=site.spec.database.version),
                "env": [
                    {"name": "POSTGRES_USER", "value": "equerry"},
                    {"name": "POSTGRES_DB", "value": "equerry"},
                    {"name": "POSTGRES_PASSWORD_FILE", "value": "/secret/password"},
                    {"name": "PGDATA", "value": "/data/pg"},
                ],
                "ports": [{"name": "postgres", "containerPort": 5432}],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "resources": {
                    "requests": {"cpu": "100m", "memory": "256Mi"},
                    "limits": {"memory": "1Gi"},
                },
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "secret", "mountPath": "/secret", "readOnly": True},
                ],
            }
        ],
        "volumes": [{"name": "secret", "secret": {"secretName": site.name("jobs"), "defaultMode": 0o440}}],
    }


def _volume(site: Site) -> dict[str, Any]:
    size = f"{site.spec.database.storage}Gi"
    return {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }
