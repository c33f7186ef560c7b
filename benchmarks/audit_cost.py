"""What an audit of ten units costs beside the making of their pictures.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/audit_cost.py --threads 1
    FVHOOKS_TEST_DATA=FOLDER python benchmarks/audit_cost.py --network imagenet_squeezenet1_1 --steps 4

Ten outputs, one picture each, recipes at their defaults, another network as the judge, all checks. The first
audit of a store reads what real images do; the audits after it, of the next recipe, know it already. With
`--steps` few steps are made and their time is scaled to the recipe's own number. Processor time, all in one
process.
"""

import argparse
import tempfile
import time
from typing import Any

import torch
from off_path import LAYERS, SIDE, attach, centre
from torch.utils.data import Dataset, TensorDataset
from trained import load_networks

import fvhooks as fv
from fvhooks.synthesis.recipes import RECIPES

JUDGES = {"cifar10_resnet20": "cifar10_resnet56", "imagenet_squeezenet1_1": "imagenet_googlenet"}
KEPT = {"cifar10_resnet20": ["layer1", "layer2", "layer3"]}


class Photographs(Dataset[torch.Tensor]):
    """ImageNet images without their labels, of which there are too few of each: units are asked by peaks."""

    def __init__(self, files: list[str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(centre(self.files[index]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", default="cifar10_resnet20", choices=list(JUDGES))
    parser.add_argument("--recipes", nargs="+", default=["fourier", "vital"])
    parser.add_argument("--images", type=int, default=4000, help="of the store")
    parser.add_argument("--steps", type=int, help="made; their time is scaled to the recipe's number")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    networks = load_networks()
    hooked, judge = attach(networks, given.network), attach(networks, JUDGES[given.network])
    if given.network.startswith("imagenet"):
        files = [path for path, _ in [*networks.imagenet_sample().samples, *networks.imagenet_five()]]
        dataset: Any = Photographs(files[: given.images])
        units = [fv.Unit.logit(100 * place) for place in range(10)]
    else:
        images, labels = networks.cifar10("train")
        dataset = TensorDataset(images[: given.images], labels[: given.images])
        units = hooked.units("logits")
    with tempfile.TemporaryDirectory() as folder:
        layers = KEPT.get(given.network, LAYERS[given.network])
        store = fv.collect(hooked, dataset, f"{folder}/stats.zarr", layers=layers, show_progress=False)
        print(f"{given.network}, {SIDE if 'imagenet' in given.network else 32} pixels, {len(units)} units")
        for place, recipe in enumerate(given.recipes):
            start = time.process_time()
            steps = {} if given.steps is None else {"steps": given.steps}
            pictures = fv.visualize(hooked, units, recipe, store, show_progress=False, **steps)
            making = time.process_time() - start
            if given.steps is not None:
                making *= RECIPES[recipe]().steps / given.steps
            start = time.process_time()
            fv.audit(hooked, pictures, store, judge=judge, show_progress=False)
            auditing = time.process_time() - start
            which = "first audit" if not place else "a later audit"
            share = f"{auditing / making:.2f} of it"
            print(f"{recipe}: {making:.0f} s to make, {auditing:.0f} s for {which}, {share}", flush=True)


if __name__ == "__main__":
    main()
