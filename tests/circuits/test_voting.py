import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.circuits.class_maps import cosines
from fvhooks.circuits.voting import Rule, choose_rule, class_votes
from fvhooks.errors import MissingInputError, NonFiniteError

peaks_ = hnp.arrays(np.float64, (5, 7), elements=st.floats(0, 10, width=32))


def by_hand(peaks, mass):
    votes = np.zeros(peaks.shape, bool)
    for image, row in enumerate(peaks):
        running = 0.0
        for channel in sorted(range(len(row)), key=lambda c: (-row[c], c)):
            if row.sum() == 0 or running >= mass * row.sum():
                break
            votes[image, channel] = True
            running += row[channel]
    return votes


@given(peaks_, st.integers(1, 9))
def test_by_count_each_image_casts_the_same_number(peaks, k):
    assert (Rule("count", k)(peaks).sum(1) == min(k, 7)).all()
    assert not (Rule("count", k, positive_only=True)(peaks) & (peaks <= 0)).any()


@given(hnp.arrays(np.int64, (5, 7), elements=st.integers(0, 10)), st.integers(1, 8))
def test_by_mass_as_by_hand(peaks, eighths):
    assert np.array_equal(Rule("mass", eighths / 8)(peaks * 1.0), by_hand(peaks, eighths / 8))


@given(peaks_)
def test_more_mass_more_votes_and_almost_none_is_the_argmax(peaks):
    few, many = Rule("mass", 0.2)(peaks), Rule("mass", 0.6)(peaks)
    assert not (few & ~many).any()
    alive = peaks.sum(1) > 0
    least = Rule("mass", 1e-12)(peaks)[alive]
    assert np.array_equal(least.argmax(1), peaks[alive].argmax(1))
    assert (least.sum(1) == 1).all()
    assert np.array_equal(Rule("mass", 0.25)(peaks * 4), Rule("mass", 0.25)(peaks))


def test_nothing_fires_nothing_is_voted_for():
    assert not Rule("mass", 0.5)(np.zeros((2, 3))).any()
    with pytest.raises(NonFiniteError, match="in rows \\[1\\]"):
        Rule("count", 1)(np.array([[1.0], [np.nan]]))


def test_votes_of_classes_are_those_of_their_images(store):
    rule = choose_rule(store, "1")
    assert (rule.kind, rule.size) == ("count", math.ceil(0.6))
    found = class_votes(store, "1", rule).share
    table, peaks = store.images_table, store["1"].peak.values
    for label in range(3):
        mine = (store.labels == label) & (table.split.values != "report")
        assert found.sel(label=label).values == pytest.approx(rule(peaks[mine]).mean(0))


def test_the_mass_is_chosen_by_the_votes_that_it_gives(store):
    rule = choose_rule(store, "3", "mass")
    peaks = store["3"].peak.values
    assert rule(peaks).sum(1).mean() >= 0.1 * 5
    assert choose_rule(store, "3", "mass", 0.3).size == 0.3


@pytest.mark.parametrize(
    ("kind", "size", "words"),
    [("count", 0, "channels, 1 or more"), ("mass", 3, "a share of the sum, above 0 and at most 1")],
)
def test_bad_sizes(store, kind, size, words):
    with pytest.raises(MissingInputError, match=words):
        choose_rule(store, "1", kind, size)


def test_mass_of_a_signed_layer_is_refused(store):
    with pytest.raises(MissingInputError, match=r"layer 'logits' has negative ones\. Use rule='count'"):
        choose_rule(store, "logits", "mass")


@pytest.mark.real
def test_on_a_trained_network_halves_of_a_class_agree_and_shuffled_labels_do_not(shared, tmp_path):
    model, mean, std = shared.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    images, labels = (x[:800] for x in shared.cifar10("train"))
    store = fv.collect(
        hooked, TensorDataset(images, labels), tmp_path / "a.zarr", layers=["layer3.2"], show_progress=False
    )
    votes = choose_rule(store, "layer3.2")(store["layer3.2"].peak.values)
    first = np.arange(800) % 2 == 0

    def gap(labels):
        halves = [[votes[(labels == c) & half].mean(0) for c in range(10)] for half in (first, ~first)]
        alike = cosines(np.concatenate(halves))[:10, 10:]
        return np.diag(alike).mean() - alike[~np.eye(10, dtype=bool)].mean()

    assert gap(store.labels) > 0.4
    assert abs(gap(np.random.default_rng(0).permutation(store.labels))) < 0.05
