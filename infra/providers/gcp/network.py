"""A network of the cell's own: one subnet in the region, and names of Google's services that stay inside.

Subnets of Google Cloud span a region's zones, so the nodes have one.
"""

from __future__ import annotations

from typing import Final

import pulumi_gcp as gcp

from infra.providers.gcp.guard import Policies
from infra.providers.protocol import Control, Network, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["RESTRICTED", "Vpc"]

#: The addresses of restricted.googleapis.com: Google's services, and only those that a perimeter can hold.
RESTRICTED: Final = tuple(f"199.36.153.{number}" for number in range(4, 8))
_BLOCK: Final = "199.36.153.4/30"
_DOMAINS: Final = ("googleapis.com", "gcr.io", "pkg.dev")
_TTL: Final = 300  # seconds


class Vpc:
    """The network, its subnet, and its names."""

    def __init__(self, site: Site, policies: Policies) -> None:
        self.site = site
        where = site.addresses
        self.network = gcp.compute.Network(
            site.name("network"),
            name=site.name("network"),
            project=site.spec.account,
            auto_create_subnetworks=False,
            delete_default_routes_on_create=True,
            routing_mode="REGIONAL",
            opts=site.options(depends_on=policies.first),
        )
        self.nodes_range = str(next(where.whole.subnets(new_prefix=17)))
        self.subnet = gcp.compute.Subnetwork(
            site.name("nodes"),
            name=site.name("nodes"),
            project=site.spec.account,
            region=site.spec.region,
            network=self.network.id,
            ip_cidr_range=self.nodes_range,
            private_ip_google_access=True,
            stack_type="IPV4_ONLY",
            secondary_ip_ranges=[
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name="pods", ip_cidr_range=str(where.pods)),
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name="services", ip_cidr_range=str(where.services)),
            ],
            log_config=gcp.compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_1_MIN", flow_sampling=1.0, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=site.options(),
        )
        self._route("google", _BLOCK)
        for domain in _DOMAINS:
            self._names(domain)

    def part(self) -> Network:
        """As the protocol wants it."""
        said = {
            "network.private": (State.ENFORCED, "No machine has a public address; a policy of the project forbids it."),
            "network.own-addresses": (State.ENFORCED, f"{self.site.spec.network}; a policy forbids peering."),
            "network.flow-log": (State.CONFIGURED, "Every flow of the subnet, to the log bucket in the region."),
        }
        return Network(
            id=self.network.id,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _route(self, role: str, block: str) -> gcp.compute.Route:
        return gcp.compute.Route(
            self.site.name(f"route-{role}"),
            name=self.site.name(f"route-{role}"),
            project=self.site.spec.account,
            network=self.network.id,
            dest_range=block,
            next_hop_gateway="default-internet-gateway",
            opts=self.site.options(),
        )

    def _names(self, domain: str) -> None:
        """A private zone in which all names of a domain of Google's are the restricted address."""
        role = f"names-{domain.replace('.', '-')}"
        zone = gcp.dns.ManagedZone(
            self.site.name(role),
            name=self.site.name(role),
            project=self.site.spec.account,
            dns_name=f"{domain}.",
            description=f"{domain} by its restricted address",
            visibility="private",
            private_visibility_config=gcp.dns.ManagedZonePrivateVisibilityConfigArgs(
                networks=[gcp.dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=self.network.id)]
            ),
            labels=self.site.labels,
            opts=self.site.options(),
        )
        for role_, name, kind, data in (
            (f"{role}-all", f"*.{domain}.", "CNAME", [f"{domain}."]),
            (f"{role}-own", f"{domain}.", "A", list(RESTRICTED)),
        ):
            gcp.dns.RecordSet(
                self.site.name(role_),
                project=self.site.spec.account,
                managed_zone=zone.name,
                name=name,
                type=kind,
                ttl=_TTL,
                rrdatas=data,
                opts=self.site.options(),
            )
