"""What an audit of ten units costs beside the making of their pictures.

    FVHOOKS_TEST_DATA=FOLDER python benchmarks/audit_cost.py --threads 2

Ten outputs of a CIFAR-10 ResNet-20, recipes at their defaults, another network as the judge, all checks. Both
are timed in one process; what an audit reads of real images for all units is counted in it.
"""

import argparse
import tempfile
import time

import torch
from torch.utils.data import TensorDataset
from trained import load_networks

import fvhooks as fv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["fourier", "vital"])
    parser.add_argument("--images", type=int, default=4000, help="of the store")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    networks = load_networks()
    hooked, judge = (_attach(*networks.load(name)) for name in ("cifar10_resnet20", "cifar10_resnet56"))
    images, labels = networks.cifar10("train")
    dataset = TensorDataset(images[: given.images], labels[: given.images])
    with tempfile.TemporaryDirectory() as folder:
        store = fv.collect(hooked, dataset, f"{folder}/stats.zarr", layers=["layer1", "layer2", "layer3"])
        units = hooked.units("logits")
        for recipe in given.recipes:
            start = time.perf_counter()
            pictures = fv.visualize(hooked, units, recipe, store, seeds=given.seeds, show_progress=False)
            between = time.perf_counter()
            fv.audit(hooked, pictures, store, judge=judge, show_progress=False)
            making, auditing = between - start, time.perf_counter() - between
            share = f"{auditing / making:.2f} of it"
            print(f"{recipe}: {making:.0f} s to make {len(units)} units, {auditing:.0f} s to audit, {share}")


def _attach(model: torch.nn.Module, mean: list[float], std: list[float]) -> fv.HookedModel:
    return fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))


if __name__ == "__main__":
    main()
