"""Roles of Azure that are given to someone, by the ids of the built-in definitions."""

from __future__ import annotations

import uuid
from typing import Final

import pulumi
import pulumi_azure_native as azure

from infra.site import Site

__all__ = [
    "BLOB_CONTRIBUTOR",
    "CRYPTO_SERVICE",
    "CRYPTO_USER",
    "KEYS_CONTRIBUTOR",
    "NETWORK_CONTRIBUTOR",
    "grant",
    "identity",
]

CRYPTO_SERVICE: Final = "e147488a-f6f5-4113-8e2d-b22465e65bf6"  # Key Vault Crypto Service Encryption User
CRYPTO_USER: Final = "12338af0-0e69-4776-bea7-57ae8d297424"  # Key Vault Crypto User
BLOB_CONTRIBUTOR: Final = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"  # Storage Blob Data Contributor
KEYS_CONTRIBUTOR: Final = "f25e0fa2-a7c8-4377-a976-54943a77a395"  # Key Vault Contributor
NETWORK_CONTRIBUTOR: Final = "4d97b98b-1d4f-4787-a291-c67834d212e7"  # Network Contributor
_NAMESPACE: Final = uuid.UUID("6f1f2e56-6f0b-5f0e-9d0c-6d8f6a1f2b11")  # of the names of assignments


def grant(
    site: Site, role: str, to: azure.managedidentity.UserAssignedIdentity, definition: str, scope: pulumi.Input[str]
) -> azure.authorization.RoleAssignment:
    """Gives one role over one resource. Azure names assignments by a UUID, so it is made from ours."""
    definitions = f"/subscriptions/{site.spec.account}/providers/Microsoft.Authorization/roleDefinitions"
    return azure.authorization.RoleAssignment(
        site.name(role),
        role_assignment_name=str(uuid.uuid5(_NAMESPACE, site.global_name(role))),
        principal_id=to.principal_id,
        principal_type="ServicePrincipal",
        role_definition_id=f"{definitions}/{definition}",
        scope=scope,
        opts=site.options(),
    )


def identity(site: Site, role: str, group: azure.resources.ResourceGroup) -> azure.managedidentity.UserAssignedIdentity:
    """Somebody for a service to be."""
    return azure.managedidentity.UserAssignedIdentity(
        site.name(role),
        resource_name_=site.name(role),
        resource_group_name=group.name,
        location=site.spec.region,
        tags=site.tags,
        opts=site.options(),
    )
