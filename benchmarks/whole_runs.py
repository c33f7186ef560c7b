"""Whole collections on trained networks and real images, from the data set to an answer.

    FVHOOKS_TEST_DATA=… python benchmarks/whole_runs.py [--only tiny cifar] [--threads 2]

- tiny: the 10,000 Tiny-ImageNet validation images of 200 classes, and an MCUNet at 176 px, with the
  relevance of each channel for the label;
- cifar: CIFAR-10 images repeated under new ids to 50,000, and a ResNet-20.
"""

import argparse
import io
import resource
import tempfile
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from trained import load_networks

import fvhooks as fv


class TinyImages:
    """JPEG bytes as they lie in the file, decoded when they are read."""

    def __init__(self, folder: Path, size: int) -> None:
        with np.load(folder / "images" / "tiny_imagenet.npz") as file:
            self.bytes, self.offsets = file["data"], file["offsets"]
            self.targets = file["y"].astype(np.int64).tolist()
        self.size = size

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        content = self.bytes[self.offsets[index] : self.offsets[index + 1]].tobytes()
        picture = (
            Image.open(io.BytesIO(content))
            .convert("RGB")
            .resize((self.size, self.size), Image.Resampling.BILINEAR)
        )
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1), self.targets[index]


class Repeated:
    """Images under several ids each."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, count: int) -> None:
        self.images, self.count = images, count
        self.targets = [int(labels[index % len(labels)]) for index in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index % len(self.images)], self.targets[index]


def tiny(networks: ModuleType, where: str) -> fv.Store:
    model, mean, std = networks.load("tinyimagenet_mcunet")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 176, 176))
    dataset = TinyImages(Path(networks.__file__).parent, 176)
    layers = ["blocks.4", "blocks.8", "blocks.13", "blocks.17"]
    return fv.collect(hooked, dataset, where, layers=layers, relevance="label")


def cifar(networks: ModuleType, where: str) -> fv.Store:
    model, mean, std = networks.load("cifar10_resnet20")
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    dataset = Repeated(*networks.cifar10("train"), 50_000)
    return fv.collect(hooked, dataset, where, layers=["layer1", "layer2", "layer3"], batch_size=128)


def per_image(store: fv.Store) -> int:
    """Bytes that are kept of an image."""
    arrays = [array for layer in store.layers for array in store[layer].data_vars.values()]
    return sum(array.nbytes // store.size for array in arrays if array.dims == ("image", "channel"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=["tiny", "cifar"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    networks = load_networks()
    for name, run in (("tiny", tiny), ("cifar", cifar)):
        if name not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            store = run(networks, f"{folder}/stats.zarr")
            took = time.perf_counter() - start
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
            channels = sum(store[layer].sizes["channel"] for layer in store.layers)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{name}: {store.size:,} images, {channels} channels of {store.layers}")
            print(f"  {took:.0f} s, {store.size / took:.0f} images/s")
            raw = sum(v.nbytes for layer in store.layers for v in store[layer].data_vars.values()) / 1e6
            print(f"  {raw:.0f} MB of statistics before compression, {size / 1e6:.0f} MB on disk in all")
            rows = int(store["logits"].peak.data.chunksize[0])
            print(f"  at most {peak:.0f} MB of memory, libraries included; of it a shard of {rows} images")
            print(f"  takes {per_image(store) * rows / 1e6:.0f} MB")
            print(f"  accuracy {store.accuracy():.4f}, {store.errors.sizes['image']} images failed")
            store.verify()
            layer = store.layers[-2]
            means = store.class_means(layer).compute()
            print(f"  labels that channels of {layer} prefer: {len(np.unique(means.argmax('label')))}")


if __name__ == "__main__":
    main()
