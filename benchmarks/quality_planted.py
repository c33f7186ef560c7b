"""Ground truth of what units look for: pictures of planted filters, by how well they show what was planted.

    python benchmarks/quality_planted.py --cache FOLDER

Each output of a small network answers to one known pattern, anywhere in the image. Real images hold a
pattern on a background of clouds. The score of a picture is the highest correlation of any of its patches
with the pattern of its own output, and beside it that with the best pattern of another output: a picture
that fits all fits none. Prints a table in Markdown, and writes `planted.json` and `planted.png`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from quality import sheet
from quality_entries import Entry
from quality_table import interval, markdown
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.metrics import pattern_correlation
from fvhooks.metrics.groups import group_interval

SIDE, PATCH, SEEDS, IMAGES = 32, 9, 10, 120
RECIPES = ["vital", "fourier", "maco", "deep_inversion", "portrait", "prototype", "accentuate", "minds_eye"]
NAMES = ("stripes", "ring", "cross", "checkers", "corner", "spot")


def planted_patterns() -> torch.Tensor:
    """Six patterns with colours of their own, (pattern, rgb, y, x), mean 0 and length 1."""
    y, x = torch.meshgrid(*[torch.arange(PATCH).float() - PATCH // 2] * 2, indexing="ij")
    radius = (x**2 + y**2).sqrt()
    shapes = [
        torch.sin(1.5 * (x + y)),
        torch.exp(-((radius - 3) ** 2)),
        ((x.abs() < 1) | (y.abs() < 1)).float(),
        torch.sign(torch.sin(1.1 * x + 0.5) * torch.sin(1.1 * y + 0.5)),
        ((x > -1) & (y > -1)).float(),
        torch.exp(-(radius**2) / 6),
    ]
    colours = torch.tensor([[1, -1, 0], [1, 1, 1], [-1, 0.5, 1], [0.5, 1, -1], [1, 0.3, -0.6], [-1, 1, 0.2]])
    found = torch.stack(shapes)[:, None] * colours[:, :, None, None]
    centred = found - found.mean((1, 2, 3), keepdim=True)
    return centred / centred.flatten(1).norm(dim=1)[:, None, None, None]


class PlantedNetwork(nn.Module):
    """One filter a pattern, batch norm with the statistics of real images, the strongest place of each."""

    def __init__(self, patterns: torch.Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, len(patterns), PATCH, bias=False)
        self.conv.weight.data.copy_(patterns)
        self.norm = nn.BatchNorm2d(len(patterns), momentum=None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(images)).amax((2, 3))


def images_of(patterns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Clouds with one pattern each at a random place, as `uint8`, and which pattern it is."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = np.inf
    labels = np.repeat(np.arange(len(patterns)), IMAGES)
    images = np.empty((len(labels), 3, SIDE, SIDE), np.float32)
    for image, label in zip(images, labels, strict=True):
        clouds = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, SIDE, SIDE))) / frequency).real
        image[:] = 0.5 + 0.12 * clouds / clouds.std()
        top, left = rng.integers(SIDE - PATCH + 1, size=2)
        pattern = patterns[label].numpy()
        image[:, top : top + PATCH, left : left + PATCH] += rng.uniform(0.2, 0.4) * pattern / pattern.max()
    return torch.from_numpy((images.clip(0, 1) * 255).round().astype(np.uint8)), torch.from_numpy(labels)


def build(cache: Path) -> tuple[fv.HookedModel, fv.Store, torch.Tensor]:
    patterns = planted_patterns()
    images, labels = images_of(patterns)
    network = PlantedNetwork(patterns).requires_grad_(requires_grad=False)
    network.train()(images.float() / 255)  # running statistics
    hooked = fv.attach(network.eval(), mean=(0, 0, 0), std=(1, 1, 1), input_shape=(3, SIDE, SIDE))
    store = fv.collect(hooked, TensorDataset(images, labels), cache / "planted.zarr", layers=["conv", "norm"])
    table = store.images_table
    share = (table.prediction.values == table.label.values).mean()
    print(f"The network finds the pattern of {share:.1%} of {store.size} images.")
    return hooked, store, patterns


def entries(hooked: fv.HookedModel, store: fv.Store, recipes: list[str]) -> list[Entry]:
    table, units = store.images_table, [fv.Unit.logit(unit) for unit in range(len(NAMES))]
    photos = {
        split: [
            store.images(table.id.values[(table.label.values == unit) & (table.split.values == split)])
            for unit in range(len(NAMES))
        ]
        for split in ("reference", "report")
    }
    real = torch.stack([images[:SEEDS] for images in photos["report"]])
    means = torch.stack([images.mean(0).expand(SEEDS, -1, -1, -1) for images in photos["reference"]])
    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(0))
    given = [("real, fresh", "real", real), ("class mean", "floor", means), ("noise", "floor", noise)]
    given.append(("grey", "floor", torch.full_like(real, 0.5)))
    made = []
    for recipe in recipes:
        found = fv.visualize(hooked, units, recipe, store, seeds=SEEDS, show_progress=False)
        pictures = found.images.transpose("unit", "seed", "rgb", "y", "x").values
        made.append(Entry(recipe, "recipe", torch.from_numpy(pictures)))
    return [*made, *(Entry(*one) for one in given)]


def score(entry: Entry, patterns: torch.Tensor) -> dict[str, dict[str, float]]:
    """Correlation with the own pattern, with the best of the others, and how often the own one is ahead."""
    found = np.stack([pattern_correlation(entry.flat.numpy(), pattern.numpy()) for pattern in patterns], 1)
    rows, labels = np.arange(len(found)), entry.labels
    own = found[rows, labels]
    found[rows, labels] = -1
    parts = {"own": own, "other": found.max(1), "ahead": (own > found.max(1)).astype(float)}
    return {n: group_interval(part, labels, draws=1000, seed=0).to_dict() for n, part in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for the store and the results")
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    hooked, store, patterns = build(options.cache)
    judged = entries(hooked, store, options.recipes)
    results = {entry.name: score(entry, patterns) for entry in judged}
    head = ["own pattern", "best other pattern", "own pattern ahead"]
    rows = {name: [interval(found[part], 2) for part in found] for name, found in results.items()}
    print(markdown(head, rows))
    (options.cache / "planted.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    shown = torch.full((len(NAMES), 1, 3, SIDE, SIDE), 0.5)
    edge = (SIDE - PATCH) // 2
    scaled = 0.5 + 0.5 * patterns / patterns.abs().amax((1, 2, 3), keepdim=True)
    shown[:, 0, :, edge : edge + PATCH, edge : edge + PATCH] = scaled
    sheet([Entry("planted", "real", shown), *judged]).save(options.cache / "planted.png")


if __name__ == "__main__":
    main()
