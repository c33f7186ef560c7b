"""Regions of a map, their labels, and what those are worth."""

import json
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from fvhooks.atlases.regions import region_labels
from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import wilson_interval


def _map(picture: str, labels: dict[str, str] | None = None, strata: list[str] | None = None) -> xr.Dataset:
    """A letter a cell: upper case activates (score 1), lower case does not (0), a dot is empty."""
    rows = picture.split()
    there = [(r, c, letter) for r, row in enumerate(rows) for c, letter in enumerate(row) if letter != "."]
    row, col, letters = (np.array(part) for part in zip(*there, strict=True))
    named = np.array([(labels or {}).get(letter.lower(), letter.lower()) for letter in letters])
    data = {
        "row": ("cell", row),
        "col": ("cell", col),
        "score": ("cell", np.char.isupper(letters).astype(float)),
        "label": ("cell", named),
    }
    if strata:
        data["stratum"] = "cell", np.array(strata)
    return xr.Dataset(data, attrs={"grid": (len(rows), len(rows[0]))})


PLANTED = """
AAa.bB
AaC.BB
aaA.bB
..a.ba
"""


def test_regions_touch_at_edges_and_come_by_size() -> None:
    found = region_labels(_map(PLANTED))
    region = found["region_of"].values
    data = _map(PLANTED)
    grid = np.full((4, 6), -2)
    grid[data["row"], data["col"]] = region
    assert grid.tolist() == [
        [1, 1, -1, -2, -1, 0],
        [1, -1, 2, -2, 0, 0],
        [-1, -1, 2, -2, -1, 0],
        [-2, -2, -1, -2, -1, -1],
    ]
    assert found["count"].values.tolist() == [4, 3, 2]
    assert found["label"].values.tolist() == ["b", "a", "a"]  # of one a and one c
    assert found["row"].values == pytest.approx([1, 1 / 3, 1.5])
    assert found["col"].values == pytest.approx([4.75, 1 / 3, 2])


def test_shares_of_a_map_without_strata_are_plain_counts() -> None:
    found = region_labels(_map(PLANTED), {"b": "bird"})
    assert found["label"].values.tolist() == ["bird", "a", "a"]
    assert not found.attrs["weighted"]
    expected = {"purity": (4, 4), "precision": (4, 9), "recall": (4, 7)}
    for name, (hits, count) in expected.items():
        interval = wilson_interval(hits, count)
        assert found[name].values[0].tolist() == [interval.value, interval.low, interval.high]
        assert found[f"{name}_count"].values[0] == count
    assert found["purity"].sel(bound="value").values.tolist() == [1, 1, 0.5]
    assert found["recall"].sel(bound="value").values[1:].tolist() == [4 / 10] * 2
    assert np.isnan(found["precision_random"].values).all()
    assert (found["recall_random_count"].values == 0).all()


def test_strata_count_for_the_items_they_stand_for() -> None:
    strata = ["top"] * 4 + ["random"] * 8 + ["negative"] * 2
    data = _map("AAAB AAaabbbb aa", strata=strata)
    data["row"] = "cell", [0] * 4 + [2] * 8 + [4] * 2
    data["col"] = "cell", [*range(4), *range(8), *range(2)]
    for parameters in ({"strata": {"top": 4, "random": 800}}, '{"strata": {"top": 4, "random": 800}}'):
        data.attrs["parameters"] = parameters
        found = region_labels(data, threshold=1.0).isel(region=0)
        assert found.attrs["weighted"]
        assert str(found["label"].values) == "a"
        # activating: 3 of 4 in the top, and 2 of 8 (both a) in the random stratum, each for 100
        assert found["precision"].values[0] == pytest.approx(203 / 204)
        assert found["recall"].values[0] == pytest.approx(203 / 403)
        assert (found["precision_count"], found["recall_count"]) == (6, 7)
        assert found["precision_random"].values[0] == 1
        assert found["recall_random"].values[0] == 0.5
        assert found["recall_random_count"] == 4
        hit, miss = (
            [
                4 * getattr(wilson_interval(a, 4), end) + 800 * getattr(wilson_interval(b, 8), end)
                for end in ("low", "high")
            ]
            for a, b in ((3, 2), (0, 2))
        )
        assert found["recall"].values[1] == pytest.approx(hit[0] / (hit[0] + miss[1]))
        assert found["recall"].values[2] == pytest.approx(hit[1] / (hit[1] + miss[0]))


def test_a_label_that_the_random_stratum_lacks_is_not_sure_to_be_recalled() -> None:
    data = _map("AAAA bbbb", strata=["top"] * 4 + ["random"] * 4)
    data.attrs["parameters"] = {"strata": {"top": 4, "random": 4000}}
    value, low, high = region_labels(data)["recall"].values[0]
    assert (value, high) == (1, 1)
    assert low < 0.01


def test_the_weighted_interval_covers_what_is_true() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=20_000)
    label = np.where(rng.random(20_000) < 0.1 + 0.2 * (score > 1.5), "a", "b")
    order = np.argsort(-score)
    limit = score[order[199]]
    held = 0
    for _ in range(40):
        chosen = np.concatenate([order[:200], rng.choice(order[200:], 200, replace=False)])
        data = xr.Dataset(
            {
                "row": ("cell", np.arange(400) // 20),
                "col": ("cell", np.arange(400) % 20),
                "score": ("cell", score[chosen]),
                "label": ("cell", label[chosen]),
                "stratum": ("cell", np.repeat(["top", "random"], 200)),
            },
            attrs={"grid": (20, 20), "parameters": {"strata": {"top": 200, "random": 19_800}}},
        )
        own = region_labels(data).isel(region=0)
        matching = label == str(own["label"].values)
        wanted = (matching & (score >= limit)).sum() / matching.sum()
        held += own["recall"].values[1] <= wanted <= own["recall"].values[2]
    assert held >= 36  # at exactly 95 % fewer would be as rare as 1 in 20


def test_the_default_threshold() -> None:
    data = _map("aaaaaaaaaaaaaaaaaaaA")
    assert region_labels(data).attrs["threshold"] == 1  # not 0, which is the 90th percentile and all reach
    data["score"] = "cell", np.arange(20.0)
    assert region_labels(data).attrs["threshold"] == pytest.approx(17.1)
    data["stratum"] = "cell", ["top"] * 3 + ["random"] * 17
    assert region_labels(data).attrs["threshold"] == 0
    data["score"] = "cell", np.zeros(20)
    assert region_labels(data)["count"].values.tolist() == [20]


def test_words_are_those_that_are_commoner_than_elsewhere() -> None:
    data = _map("AAB.abb", {"a": "the red dog", "b": "the dog"})
    found = region_labels(data, by="word")
    assert found["label"].values.tolist() == ["red"]
    assert found["purity"].values[0, 0] == pytest.approx(2 / 3)
    assert found["recall"].values[0, 0] == pytest.approx(2 / 3)


def test_a_strip_and_items_without_a_score_are_in_no_region() -> None:
    data = _map("AAA aaa")
    data["score"] = "cell", [1, np.nan, 1, 0, 0, 0]
    data["in_strip"] = "cell", [False, False, True, False, False, False]
    found = region_labels(data, threshold=1.0)
    assert found["region_of"].values.tolist() == [0, -1, -1, -1, -1, -1]
    assert found["recall_count"].values.tolist() == [5]
    assert found["recall"].values[0, 0] == pytest.approx(2 / 5)


def test_unknown_labels_are_no_label() -> None:
    found = region_labels(_map("XXA.X.aa", {"x": ""}))
    assert found["label"].values.tolist() == ["a", ""]
    assert found["purity"].values[0, 0] == pytest.approx(1 / 3)
    assert np.isnan(found["recall"].values[1]).all()
    assert found["recall_count"].values.tolist() == [3, 0]


def test_a_threshold_that_nothing_reaches_leaves_no_region() -> None:
    found = region_labels(_map(PLANTED), threshold=2.0)
    assert found.sizes["region"] == 0
    assert found["recall"].dims == ("region", "bound")
    assert (found["region_of"].values == -1).all()


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_every_activating_cell_is_in_one_region_with_its_neighbours(rows, columns, seed) -> None:
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ABab."), (rows, columns), p=[0.2, 0.2, 0.25, 0.25, 0.1])
    letters[0, 0] = "A"
    data = _map("\n".join("".join(row) for row in letters))
    found = region_labels(data, threshold=1.0)
    region = np.full((rows, columns), -1)
    region[data["row"], data["col"]] = found["region_of"]
    assert np.array_equal(region >= 0, np.char.isupper(letters))
    for one, other in ((region[1:], region[:-1]), (region[:, 1:], region[:, :-1])):
        both = (one >= 0) & (other >= 0)
        assert (one[both] == other[both]).all()
    for index, label in enumerate(found["label"].values):
        own = Counter(letters[region == index])
        assert own[label.upper()] == max(own.values())
        assert found["count"][index] == own.total()


def test_the_result_is_plain() -> None:
    told = region_labels(_map(PLANTED))
    assert json.dumps(told.attrs)
    assert told["bound"].values.tolist() == ["value", "low", "high"]


def test_a_map_without_scores_or_labels_is_refused() -> None:
    data = _map(PLANTED)
    with pytest.raises(MissingInputError, match="has no labels"):
        region_labels(_map(PLANTED, {"a": "", "b": "", "c": ""}))
    data["score"] = "cell", np.full(data.sizes["cell"], np.nan)
    with pytest.raises(MissingInputError, match="has no scores"):
        region_labels(data)
