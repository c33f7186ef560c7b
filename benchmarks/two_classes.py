"""What two classes of CIFAR-10 share in a ResNet-20 and where they part, and whether ablation agrees.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/two_classes.py --cache CACHE --classes cat dog

Relevance graphs of both classes are laid over each other. The units that only the first has, only the second
has, and both have, are then replaced by what they are on images of other classes, one layer at a time. It
says how much the margin of each of the two falls on its own report images, with 95 % intervals over images.
`--picture FILE` draws the graph with pictures of its units.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cifar_pictures import attach
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]


def effects(
    hooked: fv.HookedModel, store: fv.Store, both: fv.AttributionGraph, labels: list[int]
) -> Iterator[str]:
    """What replacing the units of each side does to either class, a line for each layer and side."""
    side, units = both.data["side"].values, np.array(both.units, dtype=object)
    layers = np.array([unit.layer for unit in units])
    for layer in BLOCKS:
        for which, said in ((-1, f"only {NAMES[labels[0]]}"), (0, "both"), (1, f"only {NAMES[labels[1]]}")):
            chosen = list(units[(layers == layer) & (side == which)])
            if not chosen:
                continue
            falls = [
                fv.circuits.margin_change(hooked, store, chosen, label, how="resample") for label in labels
            ]
            told = ", ".join(
                f"{NAMES[name]} {fall.value:+.2f} [{fall.low:+.2f}, {fall.high:+.2f}]"
                for name, fall in zip(labels, falls, strict=True)
            )
            yield f"{layer} {said} ({len(chosen)}): {told}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--classes", nargs=2, choices=NAMES, default=["cat", "dog"])
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    networks = load_networks()
    hooked = attach(networks, "cifar10_resnet20")
    data = TensorDataset(*networks.cifar10("train"))
    store = fv.collect(hooked, data, given.cache / "votes.zarr", layers=BLOCKS, show_progress=False)
    labels = [NAMES.index(name) for name in given.classes]
    graphs = [
        fv.attribution_graph(
            store,
            label,
            edges="relevance",
            hooked=hooked,
            ranking="score",
            mass=0.4,
            names=dict(enumerate(NAMES)),
        )
        for label in labels
    ]
    both = graphs[0].compare(graphs[1])
    both.save(given.cache / "two-classes.zarr")
    print(
        both,
        {layer: round(value, 2) for layer, value in both.data.attrs["overlap"].items() if value is not None},
    )
    if given.picture:
        vis = fv.visualize(hooked, both.units, "fourier", store, seeds=1, show_progress=False)
        both.illustrated(vis).to_png(given.picture)
    for line in effects(hooked, store, both, labels):
        print(line, flush=True)


if __name__ == "__main__":
    main()
