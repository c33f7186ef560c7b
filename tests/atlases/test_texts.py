"""Maps by the words of labels, and of texts."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import fvhooks as fv
from fvhooks.atlases import text_features
from fvhooks.atlases.neighbourhoods import nearest
from fvhooks.errors import MissingInputError

NAMES = {0: "maltese dog", 1: "shepherd dog", 2: "fire engine, fire truck"}


def words_of(word: str) -> list[str]:
    return [word]


def parts_of(word: str) -> list[str]:
    ended = f"<{word}>"
    return [ended[start : start + size] for size in (3, 4, 5) for start in range(len(ended) - size + 1)]


def by_hand(texts: list[str]) -> np.ndarray:
    """Cosines of all pairs, piece by piece, without hashing."""
    halves = []
    for cut in (words_of, parts_of):
        counts = [Counter(piece for word in text.split() for piece in cut(word)) for text in texts]
        pieces = sorted(set().union(*counts))
        idf = [1 + math.log((1 + len(texts)) / (1 + sum(one in each for each in counts))) for one in pieces]
        rows = np.array([[each[one] for one in pieces] for each in counts]) * idf
        halves.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    both = np.concatenate(halves, axis=1) / math.sqrt(2)
    return np.asarray(both @ both.T)


def real_labels(shared) -> list[str]:
    """What ImageNet's thousand classes are called."""
    folders = sorted((Path(shared.HERE) / "images" / "imagenet_sample").iterdir())
    return [next(folder.glob("*.jpg")).stem.replace("_", " ") for folder in folders]


class TestTextFeatures:
    def test_lengths_are_one_and_nothing_is_zero(self) -> None:
        found = text_features(["a dog", "", "A  DOG!", "…"])
        assert np.linalg.norm(found, axis=1).round(5).tolist() == [1, 0, 1, 0]
        assert np.array_equal(found[0], found[2])

    def test_none_and_one(self) -> None:
        assert text_features([]).shape == (0, 1024)
        assert text_features(["one"]).shape == (1, 1024)

    def test_hashing_changes_little(self) -> None:
        words = ["maltese dog", "shepherd dog", "sheepdog", "fire engine", "engine", "lorry"]
        assert np.abs(text_features(words) @ text_features(words).T - by_hand(words)).max() < 0.1

    def test_a_text_that_stands_twice_changes_no_weight(self) -> None:
        once, often = text_features(["red cat", "red dog"]), text_features(["red cat", *["red dog"] * 50])
        assert np.array_equal(once, often[:2])

    def test_shared_parts_of_words_count(self) -> None:
        one, other, stranger = text_features(["sheepdog", "dog", "lorry"])
        assert one @ other > 0.05 > abs(one @ stranger)

    @pytest.mark.real
    def test_real_labels_lie_beside_labels_of_their_kind(self, shared) -> None:
        labels = real_labels(shared)
        near = nearest(text_features(labels), 1)[:, 0]
        for kind in ("terrier", "snake", "bear", "lizard"):
            of_kind = np.array([kind in label.lower().split() for label in labels])
            assert of_kind.sum() >= 3
            assert of_kind[near[of_kind]].mean() > 10 * of_kind.mean()  # ten times as often as by chance


class TestByLabels:
    def test_images_by_the_words_of_their_labels(self, store) -> None:
        amap = fv.atlas(store, images=True, embedding="labels", names=NAMES, layout="pca", cells="none")
        labels = store.labels
        assert (labels[amap.data["neighbours"].values[:, :5]] == labels[:, None]).all()
        assert amap.data.attrs["parameters"]["embedding"] == "words of the labels"
        assert "layer" not in amap.data.attrs
        place = amap.data[["x", "y"]].to_array().values
        assert all(np.ptp(place[:, labels == label], axis=1).max() < 1e-6 for label in range(3))

    def test_images_around_a_unit(self, store) -> None:
        options = {"embedding": "labels", "names": NAMES, "weight": 0.0, "layout": "scaled", "cells": "none"}
        amap = fv.atlas(store, unit=fv.Unit("3", 2), top=20, **options)
        labels = amap.data["label"].values
        assert (labels[amap.data["neighbours"].values[:, 0]] == labels).all()

    def test_units_by_the_labels_of_their_top_images(self, store) -> None:
        amap = fv.atlas(store, layer="3", embedding="labels", names=NAMES, layout="pca", cells="none")
        assert (
            amap.data.attrs["parameters"] | {"by": "images", "embedding": "words of the labels"}
            == (amap.data.attrs["parameters"])
        )
        tops = store.top_of_layer("3", k=9)["id"].compute().values
        row = {name: at for at, name in enumerate(store.images_table["id"].values)}
        words = text_features([NAMES[label] for label in range(3)])
        alive = [unit for unit in range(8) if unit != 5]
        means = np.array(
            [words[store.labels[[row[name] for name in tops[:, unit]]]].mean(0) for unit in alive]
        )
        near = np.array(alive)[nearest(means, 1)[:, 0]]
        assert amap.data["neighbours"].values[alive, 0].tolist() == near.tolist()

    @pytest.mark.parametrize("names", [{}, {0: "a", 1: "b"}])
    def test_labels_without_names_are_refused(self, store, names) -> None:
        with pytest.raises(MissingInputError, match=r"label \d has no name. Pass names="):
            fv.atlas(store, images=True, embedding="labels", names=names, layout="pca")

    def test_texts_by_their_words(self) -> None:
        texts = ["red cat", "red dog", "blue cat", "lorry", "lorries", "big lorry"]
        amap = fv.atlas(features=text_features(texts), items=texts, layout="pca")
        assert set(amap.data["neighbours"].values[3, :2].tolist()) == {4, 5}
