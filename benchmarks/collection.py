"""Throughput of `fvhooks.collect` beside a bare forward loop over the same images.

    python benchmarks/collection.py [--images 512] [--groups 10] [--batch 32]

torchvision's ResNet-18 with random weights at 224 px, five layers. Bare loops and collections take turns,
and the ratio is that of the medians. It is given for seconds on the clock and for seconds of processor time,
which other work disturbs less. The images are random bytes in memory: nothing is decoded on either side. The
time of `collect` is all of it: looking at the data, making the store, writing, folding and consolidating;
only a first small collection, which imports xarray, Zarr and Dask, is left out.
"""

import argparse
import statistics
import tempfile
import time

import torch
import torchvision
from torch.utils.data import TensorDataset

import fvhooks as fv

LAYERS = ["relu", "layer1", "layer2", "layer3", "layer4"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


Seconds = tuple[float, float]


def now() -> Seconds:
    """The clock, and the time that all threads of this process have worked."""
    return time.perf_counter(), time.process_time()


def since(start: Seconds) -> Seconds:
    wall, processor = now()
    return wall - start[0], processor - start[1]


def bare(model: torch.nn.Module, images: torch.Tensor, batch: int) -> Seconds:
    """Seconds of a plain forward loop: bytes to floats, normalisation, model."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    start = now()
    with torch.no_grad():
        for chunk in images.split(batch):
            model((chunk.float() / 255 - mean) / std)
    return since(start)


def collected(hooked: fv.HookedModel, dataset: TensorDataset, batch: int) -> tuple[Seconds, float]:
    """Seconds of a collection, and the share of its images that were references."""
    with tempfile.TemporaryDirectory() as folder:
        start = now()
        store = fv.collect(
            hooked, dataset, f"{folder}/s.zarr", layers=LAYERS, batch_size=batch, show_progress=False
        )
        seconds = since(start)
        return seconds, int(store["layer4"].group_count.sum()) / store.size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--groups", type=int, default=4, help="labels; 50 images of each are references")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    hooked = fv.attach(model, mean=MEAN, std=STD, input_shape=(3, 224, 224))
    images = torch.randint(0, 256, (options.images, 3, 224, 224), dtype=torch.uint8)
    dataset = TensorDataset(images, torch.arange(options.images) % options.groups)
    bare(model, images[: options.batch], options.batch)
    collected(hooked, TensorDataset(*dataset[: options.batch]), options.batch)
    plain, ours, share = [], [], 0.0
    for _ in range(options.turns):
        plain.append(bare(model, images, options.batch))
        seconds, share = collected(hooked, dataset, options.batch)
        ours.append(seconds)
        speeds = [options.images / wall for wall, _ in (plain[-1], ours[-1])]
        print("bare {:6.1f} images/s   collect {:6.1f} images/s".format(*speeds), flush=True)
    pairs = zip(zip(*plain, strict=True), zip(*ours, strict=True), strict=True)
    clock, processor = (statistics.median(before) / statistics.median(after) for before, after in pairs)
    print(f"collect / bare: {clock:.3f} by the clock, {processor:.3f} by processor time")
    print(f"{share:.0%} of the images are references; {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
