"""The allow-list and the sieve: what is not on the list does not leave, whatever it is."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.clip import Mode
from serving.dialects.names import NAMES
from serving.telemetry.allowed import ATTRIBUTES, SPANS, Words
from serving.telemetry.metrics import METRICS, Kind
from serving.telemetry.sieve import OTHER, Sieve, Tally

anything = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary(), st.lists(st.text(), max_size=3)
)
tenants = st.text(string.hexdigits.lower()[:16], min_size=16, max_size=16).map(lambda digits: f"t-{digits}")


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(ATTRIBUTES)), st.text()), anything))
def test_what_passes_is_on_the_list_and_fits_it_and_the_rest_is_counted(attributes):
    tally = Tally()

    passed = Sieve("spans", tally).strain(attributes)

    assert all(name in ATTRIBUTES and ATTRIBUTES[name].values.fits(value) for name, value in passed.items())
    assert tally.dropped.get(("spans", "unlisted"), 0) == len(attributes) - len(passed)
    assert passed == {name: attributes[name] for name in passed}


@given(st.sampled_from(sorted(set(ATTRIBUTES) - {"place"})), st.text(), st.text())
def test_no_row_takes_words_with_a_space_between_them(name, one, other):
    """So none takes a sentence; the place of an error, FILE:LINE < FILE:LINE, is the one with spaces."""
    assert not ATTRIBUTES[name].values.fits(f"{one} {other}")


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_no_row_takes_what_people_write(name):
    written = [
        "Marie Curie",
        "marie@example.org",
        "/home/marie/cat.png",
        "https://example.org/x",
        "10.0.0.1",
        "a\nb",
        "",
    ]

    assert [text for text in written if ATTRIBUTES[name].values.fits(text)] == []


def test_a_flag_is_no_number():
    assert not ATTRIBUTES["count"].values.fits(True)
    assert not ATTRIBUTES["ms"].values.fits(False)
    assert not ATTRIBUTES["ms"].values.fits(float("nan"))


@given(st.lists(tenants, max_size=40), st.integers(0, 10))
def test_metrics_never_know_more_tenants_than_they_may(seen, most):
    sieve = Sieve("metrics", Tally(), tenants=most)

    labels = [sieve.strain({"tenant": tenant})["tenant"] for tenant in seen]

    assert len(set(labels) - {OTHER}) <= most
    assert [label for label, tenant in zip(labels, seen, strict=True) if label not in (tenant, OTHER)] == []
    first = list(dict.fromkeys(seen))[:most]
    assert all(label == tenant for label, tenant in zip(labels, seen, strict=True) if tenant in first)


def test_spans_and_logs_know_every_tenant():
    ids = [f"t-{number:016x}" for number in range(500)]
    sieve = Sieve("spans", Tally())

    assert [sieve.strain({"tenant": each})["tenant"] for each in ids] == ids


def test_every_label_of_a_metric_is_on_the_list_and_closed():
    """A label with open values would make a series for each of them."""
    for metric in METRICS.values():
        for label in metric.labels:
            assert label == "tenant" or isinstance(ATTRIBUTES[label].values, Words), (metric.name, label)


def test_names_of_metrics_keep_to_prometheus_rules():
    for metric in METRICS.values():
        assert metric.help.endswith(".")
        assert metric.prometheus.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert set(metric.prometheus) <= set(string.ascii_lowercase + "_")
        assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM)
    assert len({metric.prometheus for metric in METRICS.values()}) == len(METRICS)


def test_the_closed_sets_are_those_of_the_code():
    assert ATTRIBUTES["mode"].values == Words(frozenset(Mode))
    assert {name for name in NAMES if not ATTRIBUTES["gen_ai.request.model"].values.fits(name)} == set()
    assert {"store.submit", "store.checkpoint", "objects.put", "engine", "marks"} <= SPANS


@pytest.mark.parametrize("room", ["model", "policies"])
def test_neither_the_engine_nor_the_policies_know_how_they_are_watched(room):
    sources = list((Path(__file__).parents[3] / room).rglob("*.py"))

    assert sources
    assert [path for path in sources if re.search(r"opentelemetry|prometheus", path.read_text("utf-8"))] == []
