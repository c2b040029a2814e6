"""How the cell's pods become somebody of Google's without a key: workload identity; and what nodes themselves are."""

from __future__ import annotations

import pulumi_gcp as gcp

from infra.providers.gcp.guard import Policies
from infra.providers.gcp.store import Films
from infra.providers.protocol import Control, Identity, State
from infra.site import NAMESPACE, SERVICE_ACCOUNT, Site
from policies.constraints import Evidence

__all__ = ["Studio"]


class Studio:
    """The account that reads and writes films, and the account of the machines."""

    def __init__(self, site: Site, films: Films, policies: Policies) -> None:
        self._site = site
        self._policies = policies
        self.account = self._account("studio", "Reads and writes films")
        self.node = self._account("node", "The cell's machines")
        gcp.storage.BucketIAMMember(
            site.name("studio-films"),
            bucket=films.bucket.name,
            role="roles/storage.objectUser",
            member=self.account.email.apply("serviceAccount:{}".format),
            opts=site.options(),
        )
        gcp.serviceaccount.IAMMember(
            site.name("studio-pods"),
            service_account_id=self.account.name,
            role="roles/iam.workloadIdentityUser",
            member=f"serviceAccount:{site.spec.account}.svc.id.goog[{NAMESPACE}/{SERVICE_ACCOUNT}]",
            opts=site.options(),
        )
        gcp.projects.IAMMember(
            site.name("node-duties"),
            project=site.spec.account,
            role="roles/container.defaultNodeServiceAccount",
            member=self.node.email.apply("serviceAccount:{}".format),
            opts=site.options(),
        )

    def part(self) -> Identity:
        """As the protocol wants it."""
        said = {
            "identity.no-long-lived-keys": (
                State.ENFORCED,
                "Workload identity; a policy forbids service account keys.",
            ),
            "identity.least-privilege": (State.CONFIGURED, "Objects of one bucket; nothing else in the project."),
        }
        return Identity(
            annotations={"iam.gke.io/gcp-service-account": self.account.email},
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _account(self, role: str, says: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            self._site.name(role),
            account_id=self._site.name(role),
            project=self._site.spec.account,
            display_name=f"{self._site.spec.cell}: {says}",
            opts=self._site.options(depends_on=self._policies.services),
        )
