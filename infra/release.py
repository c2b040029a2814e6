"""The chart inside the cluster, as part of the same program: what was made above becomes the chart's values.

The operator's own values come first, from a file that the stack names; what this program knows better stands over them.
Secrets that only the operator can bring, such as the certificate that signs films, are named in that file and made by
hand, or by whatever keeps secrets in the cluster; docs/charts/ says which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as kubernetes

from infra.cell import RegionCell
from infra.errors import Impossible
from infra.site import NAMESPACE, SERVICE_ACCOUNT
from infra.spec import CATALOGUE, Chart

__all__ = ["Release"]

CHART: Final = Path(__file__).resolve().parents[1] / "charts" / "equerry-cell"
PATIENCE: Final = 1800  # seconds; a machine with accelerators takes its time to come
_PASSWORD: Final = "equerry-database"  # of the secret with the database's password
_RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}


class Release(pulumi.ComponentResource):
    """Namespace, the database's password as a secret, the chart, and the identity of its pods."""

    def __init__(self, chart: Chart, cell: RegionCell) -> None:
        self._cell = cell
        name = cell.site.name("release")
        super().__init__("equerry:infra:Release", name, None, pulumi.ResourceOptions(parent=cell))
        self._options = pulumi.ResourceOptions(parent=self, provider=self._reach())
        space = self._space()
        secret = self._password(space)
        released = self._release(chart, [space, *secret])
        self._become(released)
        self.register_outputs({"name": released.name})

    def _reach(self) -> pulumi.ProviderResource:
        """The cluster, by the kubeconfig that the cloud gave. Raises Impossible where it gives none."""
        kubeconfig = self._cell.parts.cluster.kubeconfig
        if kubeconfig is None:
            raise Impossible(
                f"{self._cell.site.spec.provider} hands out no kubeconfig to a program. Leave `chart` out of the stack "
                "file, get one under your own name, and run helm with the values in the stack's outputs."
            )
        name = self._cell.site.name("kubernetes")
        return kubernetes.Provider(name, kubeconfig=kubeconfig, opts=pulumi.ResourceOptions(parent=self))

    def _space(self) -> kubernetes.core.v1.Namespace:
        meta = kubernetes.meta.v1.ObjectMetaArgs(name=NAMESPACE, labels=_RESTRICTED)
        return kubernetes.core.v1.Namespace(self._cell.site.name("namespace"), metadata=meta, opts=self._options)

    def _password(self, space: pulumi.Resource) -> list[pulumi.Resource]:
        """The database's password, where the program knows it."""
        password = self._cell.parts.database.password
        if password is None:
            return []
        held: dict[str, pulumi.Input[str]] = {"password": password}
        authority = self._cell.parts.database.ca
        if authority is not None:
            held["ca.crt"] = authority
        meta = kubernetes.meta.v1.ObjectMetaArgs(name=_PASSWORD, namespace=NAMESPACE)
        options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[space]))
        name = self._cell.site.name("database-secret")
        return [kubernetes.core.v1.Secret(name, metadata=meta, string_data=held, immutable=True, opts=options)]

    def _release(self, chart: Chart, after: list[pulumi.Resource]) -> kubernetes.helm.v3.Release:
        options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=after))
        return kubernetes.helm.v3.Release(
            self._cell.site.name("chart"),
            name=SERVICE_ACCOUNT,  # the chart names its service account after the release
            chart=str(CHART),
            namespace=NAMESPACE,
            create_namespace=False,
            atomic=True,
            timeout=PATIENCE,
            value_yaml_files=[pulumi.FileAsset(str(CHART / chart.values))],
            values=self._values(chart),
            opts=options,
        )

    def _values(self, chart: Chart) -> dict[str, Any]:
        """What this program knows better than a file."""
        spec, parts = self._cell.site.spec, self._cell.parts
        found = parts.database.url.apply(urlsplit)
        external = {
            "host": found.apply(lambda url: url.hostname or ""),
            "port": found.apply(lambda url: url.port or 5432),
            "sslMode": parts.database.verify,
            "user": found.apply(lambda url: url.username or ""),
            "name": found.apply(lambda url: url.path.removeprefix("/")),
        }
        return {
            "cell": {
                "name": spec.cell,
                "jurisdiction": spec.jurisdiction,
                "provider": CATALOGUE.get(spec.provider, spec.provider),
                "region": spec.region,
                "origin": chart.origin,
            },
            "place": {"region": spec.region, "zones": list(spec.zones)},
            "image": {"repository": chart.image, "digest": chart.digest},
            "database": {"external": external, "passwordSecret": {"name": _PASSWORD, "key": "password"}},
            "objects": {"url": parts.store.url, "options": dict(parts.store.options)},
            "pods": {"labels": dict(parts.identity.labels)},
        }

    def _become(self, released: pulumi.Resource) -> None:
        """Binds the chart's service account to the cloud's identity, where that takes an annotation."""
        annotations = dict(self._cell.parts.identity.annotations)
        if not annotations:
            return
        meta = kubernetes.meta.v1.ObjectMetaPatchArgs(
            name=SERVICE_ACCOUNT, namespace=NAMESPACE, annotations=annotations
        )
        options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[released]))
        name = self._cell.site.name("service-account")
        kubernetes.core.v1.ServiceAccountPatch(name, metadata=meta, opts=options)
