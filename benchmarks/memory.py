"""The largest memory of a collection, by the number of images and of labels, each in a process of its own.

    python benchmarks/memory.py

A small residual network at 32 px on images that are made when they are read, so that the data set itself
holds nothing. What is reported is the largest resident memory (`ru_maxrss`), the libraries included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile

import torch
import torchvision

import fvhooks as fv

LAYERS = ["relu", "layer1", "layer2", "layer3", "layer4"]


class Made:
    """Images that are a function of their index."""

    def __init__(self, images: int, groups: int) -> None:
        self.images = images
        self.targets = [index % groups for index in range(images)]

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        return torch.randint(0, 256, (3, 32, 32), generator=generator, dtype=torch.uint8), self.targets[index]


def collect(images: int, groups: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torchvision.models.resnet18(num_classes=10).eval()
    hooked = fv.attach(model, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, 32, 32))
    with tempfile.TemporaryDirectory() as folder:
        fv.collect(hooked, Made(images, groups), f"{folder}/s.zarr", layers=LAYERS, show_progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one", nargs=2, type=int, metavar=("IMAGES", "GROUPS"), help="this one, here")
    parser.add_argument("--images", nargs=2, type=int, default=[5_000, 50_000])
    parser.add_argument("--groups", nargs=2, type=int, default=[10, 1_000])
    options = parser.parse_args()
    if options.one:
        collect(*options.one)
        return
    few, many = options.images
    runs = [(few, options.groups[0]), (many, options.groups[0]), (few, options.groups[1])]
    found = {}
    for images, groups in runs:
        command = [sys.executable, __file__, "--one", str(images), str(groups)]
        said = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - this file
        found[images, groups] = float(said)
        print(f"{images:7,} images, {groups:5,} labels: {found[images, groups]:,.0f} MB", flush=True)
    base, by_images, by_groups = found.values()
    print(
        f"{many:,} images: {by_images / base:.2f} ×; {options.groups[1]:,} labels: {by_groups / base:.2f} ×"
    )


if __name__ == "__main__":
    main()
