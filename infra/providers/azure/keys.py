"""A key vault in hardware, closed to the network, and for each store a key and somebody who may use it."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.grants import CRYPTO_SERVICE, CRYPTO_USER, KEYS_CONTRIBUTOR, grant, identity
from infra.providers.azure.network import Vnet
from infra.providers.protocol import Control, Key, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Keys"]

_LONGEST: Final = 24  # letters of a vault's name
_BITS: Final = 3072


class Keys:
    """The vault; a key and an identity each for films, jobs, the cluster and the audit log."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet) -> None:
        self._site = site
        self._group = group
        self.vault = self._vault()
        self.granted: list[pulumi.Resource] = []  # rights to keys, which have to be there before what is under them
        self.films, self.films_user = self._key("films"), self._user("films")
        self.jobs, self.jobs_user = self._key("jobs"), self._user("jobs")
        self.cluster, self.cluster_user = self._key("cluster"), self._user("cluster")
        self.audit, self.audit_user = self._key("audit"), self._user("audit")
        self.granted.append(grant(site, "cluster-wraps", self.cluster_user, CRYPTO_USER, self.vault.id))
        self.granted.append(grant(site, "cluster-reaches-keys", self.cluster_user, KEYS_CONTRIBUTOR, self.vault.id))
        vnet.door(site, "vault", self.vault.id, "vault", vnet.names("vault", "privatelink.vaultcore.azure.net"))

    def part(self) -> Key:
        """As the protocol wants it."""
        said = {
            "key.customer-managed": (
                State.CONFIGURED,
                "Keys in Azure's hardware modules, in a vault of the cell's own.",
            ),
            "key.rotation": (State.CONFIGURED, "A new version every 90 days; stores follow it by themselves."),
            "key.region": (
                State.PARTIAL,
                "The vault is in the region; Azure copies its vaults to the paired region of the same geography.",
            ),
        }
        return Key(
            id=self.films.key_uri,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _vault(self) -> azure.keyvault.Vault:
        site = self._site
        asked = azure.authorization.get_client_config_output(opts=site.invoke_options())
        return azure.keyvault.Vault(
            site.name("vault"),
            vault_name=site.global_name("keys", _LONGEST),
            resource_group_name=self._group.name,
            location=site.spec.region,
            properties=azure.keyvault.VaultPropertiesArgs(
                tenant_id=asked.tenant_id,
                sku=azure.keyvault.SkuArgs(family="A", name=azure.keyvault.SkuName.PREMIUM),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=90,
                enable_purge_protection=True,
                enabled_for_deployment=False,
                enabled_for_disk_encryption=False,
                enabled_for_template_deployment=False,
                public_network_access="Disabled",
                network_acls=azure.keyvault.NetworkRuleSetArgs(
                    bypass=azure.keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=azure.keyvault.NetworkRuleAction.DENY,
                ),
            ),
            tags=site.tags,
            opts=site.data_options(),
        )

    def _key(self, role: str) -> azure.keyvault.Key:
        rotate = azure.keyvault.LifetimeActionArgs(
            action=azure.keyvault.ActionArgs(type=azure.keyvault.KeyRotationPolicyActionType.ROTATE),
            trigger=azure.keyvault.TriggerArgs(time_after_create="P90D"),
        )
        return azure.keyvault.Key(
            self._site.name(f"{role}-key"),
            key_name=role,
            vault_name=self.vault.name,
            resource_group_name=self._group.name,
            properties=azure.keyvault.KeyPropertiesArgs(
                kty=azure.keyvault.JsonWebKeyType.RS_A_HSM,
                key_size=_BITS,
                key_ops=["wrapKey", "unwrapKey", "encrypt", "decrypt"],
                rotation_policy=azure.keyvault.RotationPolicyArgs(
                    attributes=azure.keyvault.KeyRotationPolicyAttributesArgs(expiry_time="P2Y"),
                    lifetime_actions=[rotate],
                ),
            ),
            tags=self._site.tags,
            opts=self._site.data_options(),
        )

    def _user(self, role: str) -> azure.managedidentity.UserAssignedIdentity:
        user = identity(self._site, f"{role}-user", self._group)
        key: pulumi.Output[str] = pulumi.Output.concat(self.vault.id, f"/keys/{role}")
        self.granted.append(grant(self._site, f"{role}-uses-key", user, CRYPTO_SERVICE, key))
        return user
