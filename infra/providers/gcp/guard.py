"""Organisation policies on the cell's own project: where resources may lie, and what may never be switched on.

They hold for whoever asks, but only for what is made after them, and not for every service of Google's. The folder or
organisation above should carry the same; infra/org makes that with the rights it needs.
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.providers.protocol import Control, Guard, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Policies"]

#: Switches that an organisation policy holds on.
_ENFORCED: Final = (
    "storage.publicAccessPrevention",
    "storage.uniformBucketLevelAccess",
    "sql.restrictPublicIp",
    "iam.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload",
    "compute.skipDefaultNetworkCreation",
    "compute.requireOsLogin",
)

#: Services that a cell uses.
_SERVICES: Final = (
    "cloudkms",
    "cloudresourcemanager",
    "compute",
    "container",
    "dns",
    "iam",
    "logging",
    "orgpolicy",
    "sqladmin",
    "storage",
)

#: Services whose resources must be under a key of the project's own.
_KEYED: Final = ("container", "compute", "logging", "sqladmin", "storage")


class Policies:
    """The project's policies, and the services that are switched on in it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.services = [self._service(name) for name in _SERVICES]
        self.first: list[pulumi.Resource] = [*self.services]  # what everything else has to wait for
        self._values("gcp.resourceLocations", "locations", allowed=[f"in:{site.spec.region}-locations"])
        self._values("gcp.restrictNonCmekServices", "keys", denied=[f"{name}.googleapis.com" for name in _KEYED])
        self._values("compute.vmExternalIpAccess", "no-public-machines", deny_all=True)
        self._values("compute.restrictVpcPeering", "no-peering", deny_all=True)
        for constraint in _ENFORCED:
            self._enforced(constraint)

    def part(self) -> Guard:
        """As the protocol wants it."""
        return Guard(
            expects=f"gcp.resourceLocations with in:{self._site.spec.region}-locations, on what the project is in.",
            controls=(
                Control(
                    id="guard.region-deny",
                    state=State.PARTIAL,
                    grade=Evidence.ENDPOINT,
                    note="gcp.resourceLocations holds for new resources of the services that support it.",
                ),
                Control(
                    id="guard.scope",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Set on the project; who administers organisation policies could lift it, which is logged.",
                ),
            ),
        )

    def _service(self, name: str) -> gcp.projects.Service:
        return gcp.projects.Service(
            self._site.name(f"service-{name}"),
            project=self._site.spec.account,
            service=f"{name}.googleapis.com",
            disable_on_destroy=False,
            opts=self._site.options(),
        )

    def _values(
        self,
        constraint: str,
        role: str,
        *,
        allowed: list[str] | None = None,
        denied: list[str] | None = None,
        deny_all: bool = False,
    ) -> None:
        values = gcp.orgpolicy.PolicySpecRuleValuesArgs(allowed_values=allowed, denied_values=denied)
        rule = gcp.orgpolicy.PolicySpecRuleArgs(
            deny_all="TRUE" if deny_all else None, values=None if deny_all else values
        )
        self._policy(constraint, role, rule)

    def _enforced(self, constraint: str) -> None:
        rule = gcp.orgpolicy.PolicySpecRuleArgs(enforce="TRUE")
        self._policy(constraint, constraint.replace(".", "-").lower(), rule)

    def _policy(self, constraint: str, role: str, rule: gcp.orgpolicy.PolicySpecRuleArgs) -> None:
        project = f"projects/{self._site.spec.account}"
        policy = gcp.orgpolicy.Policy(
            self._site.name(f"policy-{role}"),
            name=f"{project}/policies/{constraint}",
            parent=project,
            spec=gcp.orgpolicy.PolicySpecArgs(inherit_from_parent=False, rules=[rule]),
            opts=self._site.data_options(depends_on=self.services),
        )
        self.first.append(policy)
