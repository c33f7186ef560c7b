"""How often the checks of the family "off path" contradict real images, and how often `fourier` pictures.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/off_path.py outputs --network cifar10_resnet20 --cache FOLDER
    FVHOOKS_TEST_DATA=FOLDER python benchmarks/off_path.py units --judge cifar10_resnet56 --cache FOLDER
    FVHOOKS_TEST_DATA=FOLDER python benchmarks/off_path.py units --network imagenet_squeezenet1_1 \
        --judge imagenet_googlenet --units 32 --steps 64 --cache FOLDER

`outputs` judges paths of the ten outputs of a CIFAR-10 network, real test images one a class and report;
`units` asks in addition what another network foresees of inner units, real images being those that drive each
most among images that no limit was set with. Prints one JSON line for each set of pictures.
"""

import argparse
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv

LAYERS = {
    "cifar10_resnet20": ["bn1", "layer1", "layer2", "layer3"],
    "cifar10_resnet56": ["bn1", "layer1", "layer2", "layer3"],
    "cifar10_vit": [f"transformer.layers.{place}" for place in range(6)],
    "imagenet_squeezenet1_1": ["features.3", "features.6", "features.9", "features.12"],
}
SIDE = 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["outputs", "units"])
    parser.add_argument("--network", default="cifar10_resnet20", choices=list(LAYERS))
    parser.add_argument("--judge", default="cifar10_resnet56")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--reports", type=int, default=10, help="of real images")
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--steps", type=int, default=128)
    given = parser.parse_args()
    networks = load_networks()
    hooked = attach(networks, given.network)
    store = collect(networks, hooked, given)
    (outputs if given.what == "outputs" else inner_units)(networks, hooked, store, given)


def attach(networks: ModuleType, name: str) -> fv.HookedModel:
    model, mean, std = networks.load(name)
    side = SIDE if name.startswith("imagenet") else 32
    return fv.attach(model, mean=mean, std=std, input_shape=(3, side, side))


def collect(networks: ModuleType, hooked: fv.HookedModel, given: argparse.Namespace) -> fv.Store:
    if given.network.startswith("imagenet"):
        files = [*networks.imagenet_sample().samples, *networks.imagenet_five()]
        images = torch.stack([torch.from_numpy(centre(path)) for path, _ in files])
        data = TensorDataset(images, torch.tensor([label for _, label in files]))
    else:
        data = TensorDataset(*networks.cifar10("train"))
    where = given.cache / f"{given.network}.zarr"
    return fv.collect(hooked, data, where, layers=LAYERS[given.network], show_progress=False)


def centre(path: str | Path) -> np.ndarray:
    """The middle of an image, as bytes."""
    image = Image.open(path).convert("RGB")
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    cropped = image.crop((left, top, left + SIDE, top + SIDE))
    return np.ascontiguousarray(np.asarray(cropped).transpose(2, 0, 1))


def test_images(networks: ModuleType) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = networks.cifar10("test")
    return (images / 255.0 if images.dtype == torch.uint8 else images), labels


def outputs(networks: ModuleType, hooked: fv.HookedModel, store: fv.Store, given: argparse.Namespace) -> None:
    units = [fv.Unit.logit(label) for label in range(10)]
    images, labels = test_images(networks)
    made = fv.visualize(hooked, units, "fourier", seeds=2, steps=256, show_progress=False)
    tell("fourier", [fv.audit(hooked, made, store, checks=["path_similarity"], show_progress=False)])
    reports = []
    for place in range(given.reports):
        chosen = torch.stack([images[labels == label][place] for label in range(10)])[:, None]
        vis = fv.as_visualizations(units, chosen)
        reports.append(fv.audit(hooked, vis, store, checks=["path_similarity"], show_progress=False))
    tell("real", reports)


def inner_units(
    networks: ModuleType, hooked: fv.HookedModel, store: fv.Store, given: argparse.Namespace
) -> None:
    judge, layer = attach(networks, given.judge), LAYERS[given.network][-1]
    apart = hooked.layout(layer).channels // (64 if layer.startswith("features") else given.units)
    units = [fv.Unit(layer, apart * place) for place in range(given.units)]
    pictures = {"fourier": fv.visualize(hooked, units, "fourier", steps=given.steps, show_progress=False)}
    if given.network.startswith("cifar"):
        images, _ = test_images(networks)
        with torch.no_grad():
            order = hooked.read(images, [layer])[layer].amax((2, 3)).argsort(0, descending=True)
        for rank in (0, 5, 10):
            chosen = torch.stack([images[order[rank, unit.channel]] for unit in units])
            pictures[f"real, place {rank + 1} of {len(images)}"] = fv.as_visualizations(units, chosen)
    for name, vis in pictures.items():
        asked = ["path_similarity", "predictiveness"]
        report = fv.audit(hooked, vis, store, checks=asked, judge=judge, show_progress=False)
        tell(name, [report])
        print(json.dumps(report.data.attrs["overall"]), flush=True)


def tell(name: str, reports: list[fv.AuditReport]) -> None:
    """How many findings are contradicted alone and together, of how many."""
    for check in reports[0].data["check"].values:
        parts = [report.data.sel(check=check) for report in reports]
        together = [int((part.verdict == "contradicted").sum()) for part in parts]
        found: dict[str, Any] = {
            "pictures": name,
            "check": str(check),
            "findings": sum(part.sizes["unit"] for part in parts),
            "contradicted alone": sum(int((part.verdict_alone == "contradicted").sum()) for part in parts),
            "contradicted": sum(together),
            "not contradicted": sum(int((part.verdict == "not contradicted").sum()) for part in parts),
            "reports": len(parts),
            "reports that contradict any": sum(count > 0 for count in together),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
