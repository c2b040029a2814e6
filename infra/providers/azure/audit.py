"""Activity, reads of films, use of keys and the cluster's audit log, in an account of the region that forgets nothing.

Azure makes an account's immutability policy only unlocked; locking it is a second step that a person takes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.accounts import account
from infra.providers.azure.keys import Keys
from infra.providers.azure.network import Vnet
from infra.providers.protocol import Audit, Control, State
from infra.site import Site
from policies.constraints import Evidence

if TYPE_CHECKING:
    from infra.providers.azure.cluster import Kubernetes
    from infra.providers.azure.store import Films

__all__ = ["Sink"]

_ACTIVITY = ("Administrative", "Security", "Policy", "Alert", "ResourceHealth")


class Sink:
    """Where the cloud writes down who did what."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet, keys: Keys) -> None:
        self._site = site
        lasting = azure.storage.AccountImmutabilityPolicyPropertiesArgs(
            state="Unlocked",
            immutability_period_since_creation_in_days=site.spec.audit_days,
            allow_protected_append_writes=True,
        )
        self.account = account(
            site,
            "audit",
            group,
            keys,
            keys.audit,
            keys.audit_user,
            bypass="AzureServices",
            immutable=azure.storage.ImmutableStorageAccountArgs(enabled=True, immutability_policy=lasting),
        )
        azure.monitor.SubscriptionDiagnosticSetting(
            site.name("activity"),
            name=site.name("activity"),
            storage_account_id=self.account.id,
            logs=[azure.monitor.SubscriptionLogSettingsArgs(category=name, enabled=True) for name in _ACTIVITY],
            opts=site.data_options(),
        )
        azure.network.FlowLog(
            site.name("flows"),
            flow_log_name=site.name("flows"),
            network_watcher_name=f"NetworkWatcher_{site.spec.region}",
            resource_group_name="NetworkWatcherRG",
            location=site.spec.region,
            target_resource_id=vnet.network.id,
            storage_id=self.account.id,
            enabled=True,
            format=azure.network.FlowLogFormatParametersArgs(type="JSON", version=2),
            retention_policy=azure.network.RetentionPolicyParametersArgs(enabled=False, days=0),
            tags=site.tags,
            opts=site.options(),
        )

    def watch(self, films: Films, kubernetes: Kubernetes, keys: Keys) -> None:
        """Every read and write of a film, every use of a key, every call to the cluster."""
        blobs = films.account.id.apply("{}/blobServices/default".format)
        self._log("touches", blobs, "StorageRead", "StorageWrite", "StorageDelete")
        self._log("keys-used", keys.vault.id, "AuditEvent")
        self._log("cluster-calls", kubernetes.cluster.id, "kube-audit-admin", "guard")

    def part(self) -> Audit:
        """As the protocol wants it."""
        days = self._site.spec.audit_days
        said = {
            "audit.in-region": (
                State.PARTIAL,
                "All is kept in the region; Azure keeps 90 days of the activity log itself, wherever it likes.",
            ),
            "audit.immutable": (
                State.PARTIAL,
                f"Kept for {days} days; Azure makes the policy unlocked, and someone has to lock it once by hand.",
            ),
            "audit.data-access": (State.CONFIGURED, "Every read and write of a film, and every use of a key."),
        }
        return Audit(
            location=self.account.id,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _log(self, role: str, of: pulumi.Input[str], *categories: str) -> None:
        azure.monitor.DiagnosticSetting(
            self._site.name(role),
            name=self._site.name(role),
            resource_uri=of,
            storage_account_id=self.account.id,
            logs=[azure.monitor.DiagnosticsLogSettingsArgs(category=name, enabled=True) for name in categories],
            opts=self._site.data_options(),
        )
