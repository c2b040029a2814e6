"""How the cell's pods become somebody of Azure's without a key: workload identity."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.cluster import Kubernetes
from infra.providers.azure.grants import BLOB_CONTRIBUTOR, grant, identity
from infra.providers.azure.store import Films
from infra.providers.protocol import Control, Identity, State
from infra.site import NAMESPACE, SERVICE_ACCOUNT, Site
from policies.constraints import Evidence

__all__ = ["Studio"]


class Studio:
    """The identity that reads and writes films."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, kubernetes: Kubernetes, films: Films) -> None:
        self._user = identity(site, "studio", group)
        azure.managedidentity.FederatedIdentityCredential(
            site.name("studio-pods"),
            federated_identity_credential_resource_name=site.name("studio-pods"),
            resource_name_=self._user.name,
            resource_group_name=group.name,
            issuer=kubernetes.issuer,
            subject=f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}",
            audiences=["api://AzureADTokenExchange"],
            opts=site.options(),
        )
        scope = pulumi.Output.concat(films.account.id, "/blobServices/default/containers/", films.container.name)
        grant(site, "studio-films", self._user, BLOB_CONTRIBUTOR, scope)

    def part(self) -> Identity:
        """As the protocol wants it."""
        said = {
            "identity.no-long-lived-keys": (State.ENFORCED, "Workload identity; account keys are switched off."),
            "identity.least-privilege": (State.CONFIGURED, "Blobs of one container; nothing else in the subscription."),
        }
        return Identity(
            annotations={"azure.workload.identity/client-id": self._user.client_id},
            labels={"azure.workload.identity/use": "true"},
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )
