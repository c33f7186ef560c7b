"""What a map keeps of a network, beside an untrained network, shuffled items and other predictors.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/map_controls.py --work CACHE [--units 16]

ResNet-20 on 4,000 CIFAR-10 images. Printed are, as tables: of maps of 2,000 images the neighbours kept
(gain) and how often an item's nearest on the map has its label, for layouts and grids, trained and untrained;
what the weight of scores trades in maps around units; labels of regions; and for every unit whether a map of
another network's features (a vision transformer's) predicts what activates it better than labels and than
neighbours do.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.atlases.neighbourhoods import nearest

LAYER, IMAGES, NAMES = (
    "layer3",
    2_000,
    ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
)


def stores(work: Path) -> Iterator[tuple[str, fv.HookedModel, fv.Store]]:
    """The trained network, the same untrained, and a vision transformer."""
    networks = load_networks()
    data = TensorDataset(*networks.cifar10("train"))
    for name, network in (
        ("trained", "cifar10_resnet20"),
        ("untrained", "cifar10_resnet20"),
        ("vit", "cifar10_vit"),
    ):
        model, mean, std = networks.load(network)
        if name == "untrained":
            torch.manual_seed(0)
            for module in model.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
        layers = [LAYER] if name != "vit" else [hooked.layers[-3]]
        yield (
            name,
            hooked,
            fv.collect(hooked, data, work / f"{name}.zarr", layers=layers, show_progress=False),
        )


def agreement(amap: fv.Atlas, columns: list[str]) -> float:
    """How often the nearest item on a map has the same label."""
    points = np.stack([amap.data[name].values for name in columns], 1).astype(float)
    labels = amap.data["label"].values
    return float((labels[nearest(points, 1, metric="euclidean")[:, 0]] == labels).mean())


def kept(found: dict[str, fv.Store]) -> pd.DataFrame:
    rows = {}
    for name in ("trained", "untrained"):
        ids = [str(one) for one in found[name].images_table["id"].values[:: 4000 // IMAGES]]
        for layout in ("pca", "umap"):
            amap = fv.atlas(found[name], images=True, layer=LAYER, ids=ids, layout=layout, cells="none")
            gain = amap.data["gain"]
            for stage, columns in (("layout", ["x", "y"]), ("grid", ["row", "col"])):
                row = {f"gain at {k}": float(gain.sel(stage=stage, k=k)) for k in (10, 20, 100)}
                rows[name, layout, stage] = row | {"label of the nearest": agreement(amap, columns)}
        shuffled = {f"gain at {k}": float(gain.sel(stage="shuffled", k=k)) for k in (10, 20, 100)}
        rng = np.random.default_rng(0)
        twin = fv.Atlas(amap.data.assign(label=("cell", rng.permutation(amap.data["label"].values))))
        rows[name, "umap", "shuffled twin"] = shuffled | {
            "label of the nearest": agreement(twin, ["row", "col"])
        }
    return pd.DataFrame(rows).T


def traded(store: fv.Store, units: list[fv.Unit]) -> pd.DataFrame:
    """Means over units, at 20 neighbours of the layout, in maps of the top 250."""
    rows: dict[float, list[tuple[float, float]]] = {}
    for weight in (0.0, 0.25, 0.5, 0.75):
        for unit in units:
            options = {"top": 250, "random": 0, "negatives": 0, "weight": weight, "stability": False}
            data = fv.atlas(store, unit=unit, cells="none", **options).data.sel(stage="layout", k=20)
            rows.setdefault(weight, []).append((float(data["gain"]), float(data["score_gain"])))
    means = {weight: np.mean(pairs, axis=0) for weight, pairs in rows.items()}
    return pd.DataFrame(means, index=["gain of features", "gain of scores"]).T


def predicted(store: fv.Store, other: fv.Store, units: list[fv.Unit]) -> pd.DataFrame:
    """Areas under the curve for each unit, with what the map has over label and neighbours."""
    features = np.asarray(other.of_images(other.layers[0], "average").values)
    rows = {}
    for unit in units:
        scores = np.asarray(store.of_images(unit.layer, "peak").isel(channel=unit.channel).values)
        data = fv.atlases.map_prediction(features, scores, store.labels)
        row = {name: _bounds(data["auc"].sel(predictor=name)) for name in ("map", "label", "neighbours")}
        row |= {
            f"map − {name}": _bounds(data["difference"].sel(versus=name)) for name in ("label", "neighbours")
        }
        rows[unit.id] = row | {"map, same label": _bounds(data["within"].sel(predictor="map"))}
    return pd.DataFrame(rows).T


def _bounds(values: object) -> str:
    value, low, high = (float(values.sel(bound=name)) for name in ("value", "low", "high"))  # type: ignore[attr-defined]
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def labelled(store: fv.Store, units: list[fv.Unit]) -> pd.DataFrame:
    """The largest region of each unit, its label with precision and recall."""
    rows = {}
    for unit in units:
        regions = fv.atlas(
            store, unit=unit, cells="none", names=dict(enumerate(NAMES)), stability=False
        ).regions()
        if not regions.sizes["region"]:
            continue
        first = regions.isel(region=0)
        row = {
            "regions": regions.sizes["region"],
            "label": str(first["label"].item()),
            "cells": int(first["count"]),
        }
        rows[unit.id] = row | {name: _bounds(first[name]) for name in ("precision", "recall")}
    return pd.DataFrame(rows).T


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--units", type=int, default=16)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found = {name: store for name, _, store in stores(options.work)}
    units = [fv.Unit(LAYER, channel) for channel in range(0, 64, max(1, 64 // options.units))]
    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "Neighbours kept": lambda: kept(found),
        "Weight of scores": lambda: traded(found["trained"], units),
        "Labels of regions": lambda: labelled(found["trained"], units),
        "Held-out prediction": lambda: predicted(found["trained"], found["vit"], units),
    }
    for title, table in tables.items():
        print(f"\n{title}\n{table().round(3).to_string()}", flush=True)


if __name__ == "__main__":
    main()
