"""How similar the paths of pictures are to those of real images, by depth, as a figure.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/path_figure.py --cache FOLDER cifar10_resnet20 cifar10_vit

Test images of CIFAR-10, which no store has seen, are the real images: 20 a class to compare with, five more a
class as "real". Pictures are of the ten outputs, one each. The untrained network has the architecture of the
first one and weights drawn anew; it is shown the first one's pictures. Pictures are kept in the cache folder;
writes `paths.json` and `paths.png` there and prints the curves.
"""

import argparse
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from off_path import attach, test_images
from torch import nn
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.metrics.paths import coordinates, path_curve, standardized_ranks

DEPTHS = {
    "resnet20": ["bn1", *[f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]],
    "resnet56": ["bn1", *[f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 4, 8)]],
    "vit": [f"transformer.layers.{place}" for place in range(6)],
}
STORED = {
    "resnet": ["bn1", "layer1", "layer2", "layer3"],
    "vit": ["transformer.layers.2", "transformer.layers.4"],
}
RECIPES = ("fourier", "maco", "vital", "minds_eye")
COLOURS = {"fourier": "#d55e00", "maco": "#cc79a7", "vital": "#0072b2", "minds_eye": "#009e73"}
COLOURS |= {"real": "#000000", "noise": "#999999"}
COMPARED, REAL, CLASSES, OF_A_SET = 20, 5, 10, 16
UNTRAINED = "untrained"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.cache.mkdir(parents=True, exist_ok=True)
    networks, curves = load_networks(), {}
    for place, name in enumerate(given.networks):
        hooked = attach(networks, name)
        shown = {recipe: pictures(networks, hooked, name, recipe, given.cache) for recipe in RECIPES}
        shown["noise"] = torch.rand(CLASSES, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        curves[name] = measure(networks, hooked, depths_of(name), shown)
        if not place:
            reset(hooked.model)
            curves[f"{name}, {UNTRAINED}"] = measure(networks, hooked, depths_of(name), shown)
    (given.cache / "paths.json").write_text(json.dumps(curves, indent=1))
    tell(curves)
    draw(curves, given.cache / "paths.png")


def depths_of(name: str) -> list[str]:
    return next(layers for kind, layers in DEPTHS.items() if kind in name)


def reset(model: nn.Module) -> None:
    """Draw all weights anew, and forget the statistics of batches."""
    torch.manual_seed(0)
    for module in model.modules():
        if callable(again := getattr(module, "reset_parameters", None)):
            again()


def pictures(
    networks: ModuleType, hooked: fv.HookedModel, name: str, recipe: str, cache: Path
) -> torch.Tensor:
    """One picture of each output; of `minds_eye`, of a set of training images of each class."""
    path = cache / f"{name}-{recipe}.npy"
    if not path.exists():
        images, labels = networks.cifar10("train")
        layers = next(layers for kind, layers in STORED.items() if kind in name)
        data = TensorDataset(images, labels)
        store = fv.collect(hooked, data, cache / f"{name}.zarr", layers=layers, show_progress=False)
        units: list[Any] = hooked.units("logits")
        if recipe == "minds_eye":
            sets = [images[labels == label][:OF_A_SET] for label in range(CLASSES)]
            units = [fv.ImageSet(layers[-1], one, name=f"class {label}") for label, one in enumerate(sets)]
        made = fv.visualize(hooked, units, recipe, store, seeds=1, show_progress=False)
        np.save(path, made.images.values[:, 0])
    return torch.from_numpy(np.load(path))


def measure(
    networks: ModuleType, hooked: fv.HookedModel, depths: list[str], shown: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Curves by depth for each kind of picture."""
    images, labels = test_images(networks)
    rows = [torch.where(labels == label)[0] for label in range(CLASSES)]
    natural = torch.cat([row[:COMPARED] for row in rows])
    fresh = torch.cat([row[COMPARED : COMPARED + REAL] for row in rows])
    kinds = shown | {"real": images[fresh]}
    of = dict.fromkeys(shown, torch.arange(CLASSES)) | {"real": labels[fresh]}
    found: dict[str, Any] = {kind: [] for kind in kinds}
    for layer in depths:
        ranks = {kind: ranked(hooked, pictures_, layer) for kind, pictures_ in kinds.items()}
        compared = ranked(hooked, images[natural], layer)
        for kind in kinds:
            curve = path_curve(
                compared, ranks[kind], labels=labels[natural].numpy(), picture_labels=of[kind].numpy()
            )
            gap = curve.same.value - curve.different.value
            found[kind].append(
                {
                    "layer": layer,
                    "same": curve.same.value,
                    "different": curve.different.value,
                    "own": curve.own.value,
                    "normalized": (curve.own.value - curve.different.value) / gap,
                    "interval": [curve.normalized.low, curve.normalized.high],
                    "contrast": (curve.own.value - curve.other.value) / gap,
                    "separates": bool(curve.separates),
                }
            )
    return found


def ranked(hooked: fv.HookedModel, images: torch.Tensor, layer: str) -> np.ndarray:
    with torch.no_grad():
        parts = [hooked.read(batch, [layer])[layer].flatten(1) for batch in torch.split(images, 50)]
    values = torch.cat(parts).numpy()
    return standardized_ranks(values[:, coordinates(values.shape[1])])


def tell(curves: dict[str, Any]) -> None:
    """The tables, in Markdown."""
    for number in ("normalized", "contrast"):
        for name, found in curves.items():
            depths = [point["layer"] for point in found["real"]]
            print(
                f"\n{name}, {number}\n\n| | " + " | ".join(depths) + " |\n" + "|---" * (len(depths) + 1) + "|"
            )
            for kind, points in found.items():
                cells = [f"{p[number]:.2f}" if p["separates"] else f"({p[number]:.2f})" for p in points]
                print(f"| {kind} | " + " | ".join(cells) + " |")


def draw(curves: dict[str, Any], path: Path) -> None:
    """A column a network: the similarity itself above, as a share of real images' contrast below."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it is slow to come, and only needed here

    figure, axes = plt.subplots(2, len(curves), figsize=(4.2 * len(curves), 6.2), sharey="row", squeeze=False)
    for column, (name, found) in enumerate(curves.items()):
        for row, number in enumerate(("own", "contrast")):
            axis = axes[row][column]
            for kind, points in found.items():
                axis.plot([p[number] for p in points], marker=".", color=COLOURS[kind], label=kind)
            if number == "own":
                for line, style in (("same", "--"), ("different", ":")):
                    axis.plot([p[line] for p in found["real"]], style, color="#555555", label=f"{line} class")
                axis.set_title(name)
            else:
                axis.set_ylim(-1, 2.5)
                axis.axhline(1, color="#555555", linewidth=0.6)
                axis.axhline(0, color="#555555", linewidth=0.6)
            axis.set_xticks(
                range(len(points)), [p["layer"].split("layers.")[-1] for p in points], rotation=60
            )
    axes[0][0].set_ylabel("rank correlation with\nreal images of the class")
    axes[1][0].set_ylabel("contrast: own − other class,\n1 = real images")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
