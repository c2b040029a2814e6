"""What is signed, dated and confirmed counts; whatever is not is absent, and says why."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policies.atlas import Atlas, LegalLists
from policies.canonical import encode
from policies.catalogue import Catalogue, Confidence
from policies.constraints import Constraints, Wish
from policies.documents import check
from policies.errors import Malformed, PolicyError, Refused, Untrusted
from policies.facts import facts, window
from policies.lists import Lists
from policies.overlay import Overlay
from policies.policy import Policy
from policies.shelf import Shelf
from policies.signatures import Kind, Signature, Signed, Trust, days, sign

TODAY = days(date(2026, 12, 1))
OURS = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)


def shipped(name: str) -> bytes:
    return (files("policies") / "data" / name).read_bytes()


@cache
def document(name: str) -> str:
    return shipped(f"{name}.json").decode()


def catalogue(**changed) -> dict[str, Any]:
    return {**json.loads(document("catalogue")), **changed}


def lists() -> Lists:
    return Lists.parse(shipped("lists.json"))


def trust(*kinds: str, until: str = "2027-12-31") -> Trust:
    public = base64.b64encode(OURS.public_key().public_bytes_raw()).decode()
    key = {"name": "ours", "public": public, "signs": kinds or list(Kind), "until": until}
    return Trust.model_validate({"keys": [key]})


def signed(value: dict[str, Any], kind: Kind = Kind.CATALOGUE, key: Ed25519PrivateKey = OURS) -> Signed:
    signature = sign(kind, encode(value), key).model_dump(mode="json")
    return Signed(json.dumps(value, indent=2).encode(), json.dumps(signature).encode())


def overlay(*confirmations: dict[str, Any], **changed) -> dict[str, Any]:
    whole = {"v": "equerry.overlay/1", "name": "acme", "dated": "2026-11-25", "expires": "2027-06-30"}
    return {**whole, "confirmations": list(confirmations), **changed}


def confirmation(fact: str, **told) -> dict[str, Any]:
    grounds = {"checked": "2026-11-24", "expires": "2027-03-31", "source": "the provider's register"}
    return {"fact": fact, **grounds, **told}


def opened(*overlays: dict[str, Any], day: int = TODAY) -> Atlas:
    layers = [signed(layer, Kind.OVERLAY) for layer in overlays]
    return Atlas.open(signed(catalogue()), layers, trust(), day)


def known(atlas: Atlas, region: str, day: int = TODAY):
    return facts(atlas.catalogue, lists(), day)[region]


def test_the_shipped_documents_are_signed_by_the_shipped_key():
    atlas = Shelf().read_atlas(TODAY)

    assert len(atlas.catalogue.regions) == 79
    assert {region.jurisdiction for region in atlas.catalogue.regions} >= {"EU", "JP"}
    assert Shelf().read_lists(TODAY).lists.naming(frozenset({"alibaba-group-holding"})) == {"us-1260h"}


def test_every_region_of_the_shipped_catalogue_keeps_its_sources_or_is_not_confirmed():
    for region in Shelf().read_atlas(TODAY).catalogue.regions:
        assert region.location.sources or region.location.confidence is not Confidence.CONFIRMED


def test_an_unsigned_catalogue_is_not_trusted():
    with pytest.raises(Untrusted, match="catalogue is not signed"):
        Atlas.open(Signed(shipped("catalogue.json"), None), [], trust(), TODAY)


def test_a_catalogue_signed_by_a_stranger_is_not_trusted():
    with pytest.raises(Untrusted, match="Nobody trusts the key"):
        Atlas.open(signed(catalogue(), key=STRANGER), [], trust(), TODAY)


def test_a_catalogue_that_was_changed_after_it_was_signed_is_not_trusted():
    good = signed(catalogue())
    bad = Signed(good.text.replace(b'"confirmed"', b'"reported"', 1), good.signature)

    with pytest.raises(Untrusted, match="changed after it was signed"):
        Atlas.open(bad, [], trust(), TODAY)


def test_spaces_do_not_matter_to_a_signature():
    good = signed(catalogue())

    assert Atlas.open(Signed(encode(catalogue()), good.signature), [], trust(), TODAY).digest == opened().digest


def test_a_signature_over_lists_does_not_pass_for_one_over_a_catalogue():
    good = signed(catalogue(), Kind.LISTS)
    renamed = Signed(good.text, (good.signature or b"").replace(b'"lists"', b'"catalogue"'))

    with pytest.raises(Untrusted, match="signature over lists"):
        Atlas.open(good, [], trust(), TODAY)
    with pytest.raises(Untrusted, match="does not fit"):
        Atlas.open(renamed, [], trust(), TODAY)


def test_a_key_counts_only_for_what_it_is_trusted_to_sign():
    with pytest.raises(Untrusted, match="not to sign this kind: catalogue"):
        Atlas.open(signed(catalogue()), [], trust("overlay"), TODAY)


def test_a_key_counts_until_its_last_day():
    with pytest.raises(Untrusted, match="until 2026-11-30"):
        Atlas.open(signed(catalogue()), [], trust(until="2026-11-30"), TODAY)


def test_a_catalogue_from_tomorrow_is_refused():
    with pytest.raises(Refused, match="still to come"):
        opened(day=days(date(2026, 11, 20)))


def test_a_catalogue_that_is_too_old_is_refused():
    with pytest.raises(Refused, match="expired on 2027-11-21"):
        opened(day=days(date(2027, 11, 22)))


def test_a_fact_that_is_not_confirmed_is_absent():
    scaleway = known(opened(), "scaleway/fr-par")

    assert (scaleway.confirmed, scaleway.certifications, scaleway.evidence) == (True, frozenset(), 1)
    assert (scaleway.provider.ownership, scaleway.provider.ownership_known) == ("", False)
    assert scaleway.provider.seal == (0,) * 8


def test_a_rumour_is_enough_to_stand_on_a_list():
    provider = known(opened(), "alibaba/eu-central-1").provider

    assert (provider.lists, provider.lists_checked) == ({"us-1260h"}, frozenset())


def test_a_subprocessor_on_a_list_puts_the_provider_on_it():
    atlas = opened(overlay(confirmation("subprocessors", provider="ovh", entities=["alibaba-group-holding"])))

    assert known(atlas, "ovh/GRA").provider.lists == {"us-1260h"}


def test_an_overlay_confirms_what_its_signer_has_checked():
    atlas = opened(
        overlay(
            confirmation("location", region="ovh/GRA", country="FR"),
            confirmation("evidence", region="ovh/GRA", grade="attested"),
            confirmation("certification", region="ovh/GRA", scheme="hds", issuer="BSI Group", scope="GPU instances"),
            confirmation("ownership", provider="ovh", value="EU"),
            confirmation("seal", provider="ovh", objective="sov3", level=3, assessor="the Commission"),
        )
    )

    gravelines = known(atlas, "ovh/GRA")
    assert (gravelines.confirmed, gravelines.certifications, gravelines.evidence) == (True, {"hds"}, 3)
    assert (gravelines.provider.ownership, gravelines.provider.seal) == ("EU", (0, 0, 3, 0, 0, 0, 0, 0))


def test_a_confirmed_location_is_at_least_the_provider_s_word():
    atlas = opened(overlay(confirmation("location", region="ovh/GRA", country="FR")))

    assert known(atlas, "ovh/GRA").evidence == 1


def test_an_expired_certification_is_absent():
    hds = confirmation("certification", region="ovh/GRA", scheme="hds", issuer="BSI Group", scope="GPU instances")
    atlas = opened(overlay(hds))

    assert known(atlas, "ovh/GRA", days(date(2027, 3, 31))).certifications == {"hds"}
    assert known(atlas, "ovh/GRA", days(date(2027, 4, 1))).certifications == frozenset()


def test_what_an_overlay_confirms_counts_no_longer_than_the_overlay():
    atlas = opened(overlay(confirmation("ownership", provider="ovh", value="EU"), expires="2026-12-31"))

    assert known(atlas, "ovh/GRA", days(date(2026, 12, 31))).provider.ownership_known
    assert not known(atlas, "ovh/GRA", days(date(2027, 1, 1))).provider.ownership_known


def test_facts_hold_from_one_end_to_the_next():
    book = opened(overlay(confirmation("ownership", provider="ovh", value="EU"))).catalogue
    first, last, next_first = days(date(2026, 11, 21)), days(date(2027, 3, 31)), days(date(2027, 4, 1))

    assert window(book, lists(), TODAY) == (first, last)
    assert window(book, lists(), next_first) == (next_first, days(date(2027, 11, 21)))


def test_the_overlays_are_part_of_the_digest():
    assert opened().digest != opened(overlay()).digest


@pytest.mark.parametrize(
    ("contradiction", "match"),
    [
        (confirmation("ownership", provider="aws", value="EU"), "catalogue says ownership US"),
        (confirmation("location", region="aws/eu-west-2", country="FR"), "catalogue says country GB"),
        (confirmation("parent", provider="aws", entity="acme"), "catalogue says parent amazon-com-inc"),
        (confirmation("location", region="aws/moon-1", country="FR"), "does not hold"),
        (confirmation("ownership", provider="acme", value="EU"), "does not hold"),
        (
            confirmation("certification", region="ovh/GRA", scheme="eucs", issuer="ENISA", scope="all"),
            "no certification eucs",
        ),
    ],
)
def test_an_overlay_confirms_and_never_corrects(contradiction, match):
    with pytest.raises(Refused, match=match):
        opened(overlay(contradiction))


def test_an_overlay_by_a_key_for_catalogues_alone_is_not_trusted():
    with pytest.raises(Untrusted, match="not to sign this kind: overlay"):
        Atlas.open(signed(catalogue()), [signed(overlay(), Kind.OVERLAY)], trust("catalogue"), TODAY)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"colour": "red"}, "colour"),
        ({"v": "equerry.catalogue/2"}, "v:"),
        ({"expires": "2026-01-01"}, "`expires` before"),
        ({"jurisdictions": []}, "jurisdictions"),
        ({"schemes": []}, "nobody can hold"),
        ({"providers": []}, "not in the catalogue"),
        ({"dated": 20261121}, "dated"),
    ],
)
def test_a_catalogue_that_does_not_agree_with_itself_is_malformed(change, match):
    with pytest.raises(Malformed, match=match):
        Catalogue.parse(json.dumps(catalogue(**change)).encode())


def test_a_confirmed_fact_needs_a_source_and_a_day():
    bare = document("catalogue").replace('"checked": "2026-11-21"', '"checked": "2026-11-21", "sources": []')
    first = json.loads(document("catalogue"))
    del first["regions"][0]["location"]["checked"]

    with pytest.raises(Malformed, match="stands twice"):
        Catalogue.parse(bare.encode())
    with pytest.raises(Malformed, match="a confirmed fact needs"):
        Catalogue.parse(json.dumps(first).encode())


def test_adequacy_that_is_taken_off_the_lists_is_gone():
    book, names = catalogue(), json.loads(document("lists"))
    names["adequacy"] = [line for line in names["adequacy"] if line["accepts"] != "JP"]
    before = facts(Catalogue.parse(encode(book)), lists(), TODAY)["aws/ap-northeast-1"]
    after = facts(Catalogue.parse(encode(book)), Lists.parse(encode(names)), TODAY)["aws/ap-northeast-1"]

    assert before.adequate_for == {"EU"}
    assert after.adequate_for == frozenset()


def test_an_atlas_reads_itself_back_from_its_archive():
    atlas = opened(overlay(confirmation("ownership", provider="ovh", value="EU")))

    assert Atlas.parse(atlas.canonical) == atlas


PARSERS = {
    "catalogue": Catalogue.parse,
    "overlay": Overlay.parse,
    "lists": Lists.parse,
    "trust": Trust.parse,
    "signature": Signature.parse,
    "constraints": Constraints.parse,
    "wish": Wish.parse,
    "policy": Policy.parse,
    "atlas": Atlas.parse,
    "legal lists": LegalLists.parse,
    "any document": check,
}
SEEDS = [
    json.dumps(overlay(confirmation("location", region="ovh/GRA", country="FR"))).encode(),
    shipped("trust.json"),
    shipped("catalogue.json.sig"),
    b'{"allowed_classes":["public"],"allowed_jurisdictions":["EU"],"home":"EU","v":"equerry.constraints/1"}',
    b'{"v":"equerry.wish/1","min_seal":{"sov1":1}}',
    b'{"rules":"permit(","schema":"entity","v":"equerry.policy/1"}',
    b'{"catalogue":{},"overlays":[],"v":"equerry.atlas/1"}',
    shipped("lists.json")[:1500],
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged(draw) -> bytes:
    """A document with some bytes cut out and others put in."""
    text = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        where = draw(st.integers(0, len(text)))
        text[where : where + draw(st.integers(0, 6))] = draw(st.binary(max_size=6))
    return bytes(text)


texts = st.binary(max_size=200) | damaged() | json_values.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@given(text=texts)
def test_a_parser_answers_with_an_error_of_ours_and_never_crashes(parser, text):
    with suppress(PolicyError):
        parser(text)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 10_000, b'{"a":' * 5_000, b'"\\ud800"', b"NaN", b"1e999"])
def test_a_parser_withstands_what_breaks_parsers(parser, text):
    with pytest.raises(PolicyError):
        parser(text)
