"""A cell stands where the catalogue lets it, and a refusal names the nearest place or machine."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.errors import Impossible, Unconfirmed
from infra.figures import figures
from infra.gpus import ACCELERATORS, MACHINES, machine
from infra.ground import Ground, least, offered, stand
from infra.spec import CATALOGUE, RegionSpec
from policies.catalogue import Confidence, Gpu
from policies.shelf import Shelf
from policies.signatures import days

DAY = days(date(2026, 11, 21))
ATLAS = Shelf().read_atlas(DAY)


def spec(
    provider="aws", region="eu-north-1", jurisdiction="EU", gpu="p5.48xlarge", parallel=2, **more: Any
) -> RegionSpec:
    zone = {"aws": f"{region}a", "gcp": f"{region}-b", "azure": "1", "alicloud": f"{region}a"}
    return RegionSpec.parse(
        {
            "cell": f"{jurisdiction.lower()}-abc",
            "jurisdiction": jurisdiction,
            "provider": provider,
            "region": region,
            "zones": [zone.get(provider, f"{region}-1" if provider == "scaleway" else region)],
            "network": "10.16.0.0/16",
            "owner": "example.org",
            "account": "111111111111",
            "pools": [
                {"name": "system", "role": "system", "machine": "small"},
                {"name": "gpu", "role": "gpu", "machine": gpu, "tensor_parallel": parallel},
            ],
            "database": {"machine": "db"},
            **more,
        }
    )


def test_a_confirmed_place_with_confirmed_machines_leaves_no_doubt():
    ground = stand(spec(), ATLAS, DAY)

    assert ground == Ground(confidence="confirmed", grade="declared", digest=str(ATLAS.digest), doubts=())


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (spec(region="eu-north-2"), "The nearest one in EU is eu-north-1"),
        (spec(region="europe-west-9"), "The catalogue knows no region aws/europe-west-9"),
        (spec(region="eu-west-2"), "is UK and not EU. The nearest one in EU is eu-west-3"),
        (spec(region="ap-northeast-1"), "which is JP and not EU"),
        (spec(region="eu-north-1", jurisdiction="JP"), "nearest one in JP is ap-northeast-"),
        (spec(provider="scaleway", region="fr-par", jurisdiction="JP", gpu="H100-1-80G"), "scaleway has none in JP"),
        (spec(provider="azure", region="francesouth", gpu="Standard_NC40ads_H100_v5"), "is restricted"),
    ],
)
def test_a_place_that_cannot_be_is_refused_with_the_nearest(asked, says):
    with pytest.raises(Impossible) as refused:
        stand(asked, ATLAS, DAY)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (spec(region="eu-central-1", gpu="p5.48xlarge"), "not known to have p5.48xlarge (H100)"),
        (spec(region="eu-central-1", gpu="p5.48xlarge"), "The nearest that it has is g6e."),
        (spec(region="ap-northeast-1", jurisdiction="JP"), "The nearest that it has is p5.4xlarge (1 x H100)"),
        (spec(region="eu-south-1"), "names nothing there that holds the horse"),
        (spec(gpu="p5.24xlarge"), "The nearest is p5.4"),
        (spec(gpu="m7i.large"), "nothing is known of aws's m7i.large with accelerators"),
        (spec(provider="gcp", region="europe-west8", gpu="a3-highgpu-8g"), "The nearest that it has is a3-highgpu-4g"),
        (spec(region="eu-central-1", gpu="g6e.12xlarge", parallel=1), "The nearest that can is tensor_parallel 2"),
        (spec(region="eu-central-1", gpu="g5.12xlarge", parallel=2), "The nearest that can is tensor_parallel 4"),
        (spec(gpu="g6e.xlarge", parallel=1), "No group of this machine can"),
        (spec(gpu="p5.48xlarge", parallel=8, model="pony"), "cannot hold the pony"),
    ],
)
def test_machines_that_cannot_be_are_refused_with_the_nearest(asked, says):
    with pytest.raises(Impossible) as refused:
        stand(asked, ATLAS, DAY)

    assert says in str(refused.value)


def test_a_doubt_is_refused_until_it_is_accepted_by_name_and_then_it_is_told():
    hearsay = {"provider": "azure", "region": "swedencentral", "gpu": "Standard_NC80adis_H100_v5"}

    with pytest.raises(Unconfirmed, match="unconfirmed: \\[location\\]"):
        stand(spec(**hearsay), ATLAS, DAY)
    with pytest.raises(Unconfirmed, match="unconfirmed: \\[H100\\]"):
        stand(spec(**hearsay, unconfirmed=["location"]), ATLAS, DAY)
    ground = stand(spec(**hearsay, unconfirmed=["location", "H100"]), ATLAS, DAY)

    assert ground.confidence == "reported"
    assert len(ground.doubts) == 2


def test_a_confirmed_fact_needs_nobody_to_accept_it():
    assert stand(spec(unconfirmed=["location", "H100"]), ATLAS, DAY).doubts == ()


@pytest.mark.parametrize(
    ("sku", "provider", "name", "speaks"),
    [
        ("p5e.48xlarge, p5en.48xlarge", "aws", "p5en.48xlarge", True),
        ("p5e.48xlarge", "aws", "p5en.48xlarge", False),
        ("g6e.*", "aws", "g6e.12xlarge", True),
        ("g6.*", "aws", "g6e.12xlarge", False),
        ("a3-highgpu-1g..4g", "gcp", "a3-highgpu-2g", True),
        ("a3-highgpu-1g..4g", "gcp", "a3-highgpu-8g", False),
        ("ND H100 v5 / NC H100 v5", "azure", "Standard_NC40ads_H100_v5", True),
        ("ND/NC H100 v5", "azure", "Standard_ND96isr_H100_v5", True),
        ("NC H100 v5", "azure", "Standard_ND96isr_H100_v5", False),
        ("H100-1-80G, H100-SXM-*-80G (zone fr-par-2)", "scaleway", "H100-SXM-4-80G", True),
        ("gn7i", "alicloud", "ecs.gn7i-c32g1.32xlarge", True),
        ("h100-*", "ovh", "h100-380", True),
    ],
)
def test_an_entry_of_the_catalogue_speaks_of_the_machines_that_it_names(sku, provider, name, speaks):
    carrier = machine(provider, name)

    assert carrier is not None
    assert offered(Gpu(confidence=Confidence.REPORTED, model="X", sku=sku), carrier) is speaks


def test_every_machine_carries_a_known_card_and_stands_somewhere():
    regions = ATLAS.catalogue.regions
    nowhere = [
        one.name
        for one in MACHINES
        if not any(
            region.provider == CATALOGUE.get(one.provider, one.provider) and offered(gpu, one)
            for region in regions
            for gpu in region.gpus
        )
    ]

    assert nowhere == []
    assert {one.accelerator for one in MACHINES} <= set(ACCELERATORS)


def test_a_price_that_somebody_looked_up_says_where():
    looked = [one.price for one in MACHINES if one.price and one.price.sure is Confidence.REPORTED]

    assert looked
    assert all("/" in price.source and price.hour > 0 for price in looked)


def test_one_big_card_holds_the_horse_and_small_ones_share_it():
    needs = figures("horse")
    sizes = {
        name: least(carrier, needs)
        for name in ("p5.48xlarge", "g6e.12xlarge", "g6e.xlarge")
        if (carrier := machine("aws", name))
    }

    assert sizes == {"p5.48xlarge": 1, "g6e.12xlarge": 2, "g6e.xlarge": None}
