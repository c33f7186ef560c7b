"""Throughput of `fvhooks.collect` beside bare loops over the same images with the same loader.

    python benchmarks/collect.py [--images 768] [--groups 2] [--only plain relevance naive workers]

torchvision's ResNet-18 with random weights at 224 px, five layers, images as bytes in memory. What is
compared takes turns; each ratio is that of the medians, for seconds on the clock and, where one process
does all, of processor time, which other work disturbs less. The time of `collect` is all of it: looking at
the data, making the store, writing, folding; only a first small collection, which imports, is left out.

- plain: against a forward loop;
- relevance: gradient × activation for the label, against forward passes and gradients to the images;
- naive: against a collector that sorts each layer's maps in each batch and appends values and order to files;
- workers: two processes of one thread each, against a forward loop of one process with two threads; and what
  two bare forward loops reach in those processes, which bounds it.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import numpy as np
import torch
import torchvision
from distributed import Client, LocalCluster
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.collecting.allocation import memory_kept
from fvhooks.datasets.batches import read_batches
from fvhooks.datasets.sources import Source
from fvhooks.hooks import Preprocessing

LAYERS = ["relu", "layer1", "layer2", "layer3", "layer4"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZE = 224

Seconds = tuple[float, float]


class Bench:
    """A network, images, and what is done with them."""

    def __init__(self, images: int, groups: int, batch: int, device: str) -> None:
        torch.manual_seed(0)
        self.model = torchvision.models.resnet18().eval().to(device)
        self.hooked = fv.attach(self.model, mean=MEAN, std=STD, input_shape=(3, SIZE, SIZE))
        pixels = torch.randint(0, 256, (images, 3, SIZE, SIZE), dtype=torch.uint8)
        self.dataset = TensorDataset(pixels, torch.arange(images) % groups)
        self.batch, self.device, self.references = batch, device, 0

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Normalised images and labels, read as `collect` reads them."""
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (MEAN, STD))
        source = Source(
            self.dataset, Preprocessing(mean=tuple(MEAN), std=tuple(STD), input_shape=(3, SIZE, SIZE))
        )
        labels = self.dataset.tensors[1]
        for batch in read_batches(
            source, range(len(source)), shape=(3, SIZE, SIZE), size=self.batch, threads=1
        ):
            images = batch.images.to(self.device).float() / 255
            yield (images - mean) / std, labels[batch.start : batch.start + len(images)].to(self.device)

    def forward(self) -> None:
        with torch.no_grad():
            for images, _ in self.batches():
                self.model(images)

    def gradients(self) -> None:
        for parameter in self.model.parameters():
            parameter.requires_grad_(requires_grad=False)
        for images, labels in self.batches():
            images.requires_grad_()
            outputs = self.model(images).gather(1, labels[:, None])
            torch.autograd.grad(outputs.sum(), images)
        for parameter in self.model.parameters():
            parameter.requires_grad_(requires_grad=True)

    def naive(self) -> None:
        found: dict[str, torch.Tensor] = {}
        modules = dict(self.model.named_modules())
        handles = [
            modules[name].register_forward_hook(lambda _m, _i, out, name=name: found.__setitem__(name, out))
            for name in LAYERS
        ]
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            for images, _ in self.batches():
                self.model(images)
                for name, values in found.items():
                    maps = values.flatten(2).cpu().numpy()
                    order = np.argsort(maps, axis=-1)
                    with (Path(folder) / f"{name}.bin").open("ab") as file:
                        np.take_along_axis(maps, order, -1).tofile(file)
                        order.astype(np.int32).tofile(file)
        for handle in handles:
            handle.remove()

    def collect(self, **options: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = fv.collect(
                self.hooked,
                self.dataset,
                f"{folder}/s.zarr",
                layers=LAYERS,
                batch_size=self.batch,
                show_progress=False,
                **options,  # type: ignore[arg-type]
            )
            self.references = int(store["layer4"].group_count.sum())


def seconds(call: Callable[[], None]) -> Seconds:
    """On the clock, and of all threads of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def compare(name: str, theirs: Callable[[], None], ours: Callable[[], None], images: int, turns: int) -> None:
    them, us = [], []
    for _ in range(turns):
        them.append(seconds(theirs))
        us.append(seconds(ours))
        print(
            f"{name}: {images / them[-1][0]:6.1f} images/s   collect: {images / us[-1][0]:6.1f}", flush=True
        )
    clock, processor = (
        statistics.median(a) / statistics.median(b)
        for a, b in zip(zip(*them, strict=True), zip(*us, strict=True), strict=True)
    )
    alone = "" if name == "workers" else f", {processor:.2f} by processor time"
    print(f"collect / {name}: {clock:.2f} by the clock{alone}", flush=True)


def bare_half(images: int, batch: int) -> float:
    """Seconds of a forward loop of one thread, in a worker that keeps its memory as `collect` makes it."""
    torch.set_num_threads(1)
    small, bench = Bench(batch, 1, batch, "cpu"), Bench(images, 1, batch, "cpu")
    with memory_kept():
        small.forward()
        return seconds(bench.forward)[0]


def with_workers(bench: Bench, small: Bench, images: int, turns: int) -> None:
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1}),  # as the docs advise
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        small.collect(client=client, shard_size=len(small.dataset) // 2)  # each worker imports
        compare("workers", bench.forward, lambda: bench.collect(client=client), images, turns)
        halves = [client.submit(bare_half, images // 2, bench.batch, pure=False) for _ in range(2)]
        rate = images / max(client.gather(halves))
        print(f"forward loops of one thread side by side in the two workers: {rate:.1f} images/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--groups", type=int, default=2, help="labels; 50 images of each are references")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", default=["plain", "relevance", "naive", "workers"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    small = Bench(options.batch, 1, options.batch, options.device)
    small.forward()
    small.collect(relevance="label")
    bench = Bench(options.images, options.groups, options.batch, options.device)
    rows = {
        "plain": (bench.forward, bench.collect),
        "relevance": (bench.gradients, lambda: bench.collect(relevance="label")),
        "naive": (bench.naive, bench.collect),
    }
    for name, (theirs, ours) in rows.items():
        if name in options.only:
            compare(name, theirs, ours, options.images, options.turns)
    if "workers" in options.only:
        with_workers(bench, small, options.images, options.turns)
    share = bench.references / options.images
    print(f"{share:.0%} of the images are references; {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
