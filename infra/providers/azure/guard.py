"""The cell's resource group, and Azure policies on it that refuse other places and public doors.

The allowed-locations policy leaves out resource groups themselves and resources whose location is `global`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_azure_native as azure

from infra.providers.protocol import Control, Guard, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Border"]

#: Azure's own policies, by the id of their definition.
_LOCATIONS: Final = "e56962a6-4747-49cd-b67b-bf8b01975c4c"  # allowed locations
_DEFINITIONS: Final = "/providers/Microsoft.Authorization/policyDefinitions"

#: Further ones that refuse, each with its id.
_REFUSE: Final[Mapping[str, str]] = {
    "storage-https": "404c3081-a854-4457-ae30-26a93ef643f9",  # secure transfer to storage accounts
    "storage-public": "4fa4b6c0-31ca-4c0d-b10d-24b96f62a751",  # public access to storage accounts is disallowed
    "no-public-addresses": "83a86a26-fd1f-447c-b59d-e51f44264114",  # network interfaces have no public IP
}


class Border:
    """The resource group and what is refused in it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.group = azure.resources.ResourceGroup(
            site.name("group"),
            resource_group_name=site.name("group"),
            location=site.spec.region,
            tags=site.tags,
            opts=site.data_options(),
        )
        places = azure.authorization.ParameterValuesValueArgs(value=[site.spec.region])
        self._assign("locations", _LOCATIONS, {"listOfAllowedLocations": places})
        for role, definition in _REFUSE.items():
            deny = azure.authorization.ParameterValuesValueArgs(value="Deny")
            own = definition != _REFUSE["no-public-addresses"]  # that one refuses always and takes no effect
            self._assign(role, definition, {"effect": deny} if own else None)

    def part(self) -> Guard:
        """As the protocol wants it."""
        said = {
            "guard.region-deny": (
                State.PARTIAL,
                "Azure policy refuses other locations in the group; `global` resources and groups are beyond it.",
            ),
            "guard.scope": (State.PARTIAL, "Set on the resource group; the subscription's own is made by infra/org."),
        }
        return Guard(
            expects=f"Azure policy {_LOCATIONS} on the subscription, with {self._site.spec.region} alone.",
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _assign(
        self,
        role: str,
        definition: str,
        parameters: Mapping[str, azure.authorization.ParameterValuesValueArgs] | None,
    ) -> None:
        name = self._site.name(f"policy-{role}")
        azure.authorization.PolicyAssignment(
            name,
            policy_assignment_name=name,
            scope=self.group.id,
            policy_definition_id=f"{_DEFINITIONS}/{definition}",
            enforcement_mode=azure.authorization.EnforcementMode.DEFAULT,
            display_name=f"{self._site.spec.cell}: {role}",
            non_compliance_messages=[
                azure.authorization.NonComplianceMessageArgs(message=f"{self._site.spec.cell} does not allow this.")
            ],
            parameters=pulumi.Output.from_input(dict(parameters)) if parameters else None,
            opts=self._site.data_options(),
        )
