"""What a store of a million images costs to open and to ask: ImageNet's size, ResNet-50's five stages.

    python benchmarks/scale.py make FOLDER [--images 1281167]   # about 11 GB
    python benchmarks/scale.py ask FOLDER

`make` writes a store with the schema of `fvhooks.collect`: 1,281,167 images, 3,904 channels in five layers
and 1,000 logits. Its ids, labels and splits are all there. Of the statistics only what is read is: the
peaks and positions of sixteen channels of each layer (a shard's object then holds one inner chunk, at its
place), and all 2,048 channels of the peaks of the last stage. The values are random, so they hardly compress.

`ask` starts a process for each question, after telling the system to forget the store's files. Seconds are
those of the question, imports left out; memory is the most that the process held, imports and all.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from fvhooks.collecting.creation import create_layer, create_rows, create_store
from fvhooks.store import schema
from fvhooks.store.plans import make_plan
from fvhooks.units import LOGITS, Layout

STAGES = {"relu": 64, "layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}
GRIDS = {"relu": 112, "layer1": 56, "layer2": 28, "layer3": 14, "layer4": 7}
IMAGES, CLASSES, READ = 1_281_167, 1000, 16
WHOLE = "layer4"

QUESTIONS = {
    "open": "store = fv.open_store(path); store.size, store.layers",
    "open a layer": "store = fv.open_store(path); store['layer4'].peak.shape",
    "top 9 of a channel": "fv.open_store(path).top_images(fv.Unit('layer4', 7), k=9).id.values",
    "top 9 of a channel, one split": (
        "fv.open_store(path).top_images(fv.Unit('layer3', 7), k=9, split='report').id.values"
    ),
    "ids and labels of all images": "fv.open_store(path).images_table.sizes",
    "top 9 of a layer": "fv.open_store(path).top_of_layer('layer4', k=9)[['id', 'value']].compute()",
    "class means of a layer": "fv.open_store(path).class_means('layer4').compute()",
    "groupby('label').mean()": "fv.open_store(path)['layer4'].peak.groupby('label').mean().compute()",
    "correlations of a layer": "fv.open_store(path).correlations('layer4').compute()",
}
PROCESS = """
import json, resource, sys, time
import dask.array, xarray, zarr
import fvhooks as fv
fv.Store
path = sys.argv[1]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start, worked = time.perf_counter(), time.process_time()
{question}
seconds, worked = time.perf_counter() - start, time.process_time() - worked
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, worked, before, peak]))
"""


def image_ids(images: int) -> list[str]:
    """Names like ImageNet's, so that they are as long."""
    return [f"n{number % CLASSES:08d}/n{number % CLASSES:08d}_{number}.JPEG" for number in range(images)]


def make_store(path: str, images: int, stages: dict[str, int], whole: str) -> None:
    """A finished store in which the channels that are read hold real bytes."""
    ids, labels = image_ids(images), np.arange(images) % CLASSES
    start = time.perf_counter()
    plan = make_plan(ids, labels, references=50, shard_size=None)
    print(f"make_plan of {images:,} rows: {time.perf_counter() - start:.1f} s", flush=True)
    ranks = np.arange(1)
    specs = [
        schema.LayerSpec(name, Layout("map", channels, (GRIDS[name],) * 2), signed=False, ranks=ranks)
        for name, channels in stages.items()
    ]
    specs.append(schema.LayerSpec(LOGITS, Layout("flat", CLASSES), signed=True, ranks=ranks))
    said = _about(images, [spec.name for spec in specs], plan.shard_size)
    start = time.perf_counter()
    root = create_store(path, said, overwrite=False)
    create_rows(root, plan, ids)
    for spec in specs:
        create_layer(root, plan, spec, ids)
    print(f"an empty store: {time.perf_counter() - start:.1f} s", flush=True)
    for spec in specs:
        _fill_layer(root, spec, plan, spec.name == whole)
    root.update_attributes({"fvhooks": schema.about(root) | {"state": schema.COMPLETE}})
    schema.consolidate(path)


def _about(images: int, layers: list[str], shard_size: int) -> dict[str, Any]:
    return {
        "schema": schema.VERSION,
        "layers": layers,
        "model": {"class": "ResNet"},
        "data": {"images": images, "ids_given": True},
        "passes": [],
        "blocks": [{"start": 0, "stop": images}],
        "settings": {"shard_size": shard_size, "label_of_logit": None},
        "preprocessing": {"mean": [0.5] * 3, "std": [0.5] * 3, "input_shape": [3, 224, 224]},
        "image_shape": [3, 224, 224],
    }


def _fill_layer(root: zarr.Group, spec: Any, plan: Any, whole: bool) -> None:
    """Peaks and positions of the channels that are read, a shard at a time."""
    rng = np.random.default_rng(len(spec.name))
    layer = root[f"layers/{spec.key}"]
    channels = spec.layout.channels if whole else min(READ, spec.layout.channels)
    base = rng.gamma(2.0, size=(plan.shard_size, channels)).astype(np.float32)
    for shard in range(plan.shards):
        rows = plan.rows(shard)
        count = rows.stop - rows.start
        values = base[:count] * np.float32(rng.uniform(0.5, 1.5))
        layer["peak"][rows, :channels] = np.roll(values, int(rng.integers(channels)), axis=1)
        places = rng.integers(0, spec.layout.positions, (count, min(READ, channels)), np.int32)
        layer["position"][rows, : places.shape[1]] = places
    shape = (len(plan.groups), spec.layout.channels, len(spec.ranks))
    chunks = (min(16, len(plan.groups)), *shape[1:])
    schema.array_for(
        layer, "profile", shape, "float32", chunks=chunks, dimensions=("group", "channel", "rank")
    )


def forget(folder: Path) -> None:
    """Ask the system to drop the files of a store from its cache."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def ask(folder: Path, question: str) -> list[float]:
    """Seconds of a question by the clock and of work, and megabytes before and at most, in a new process."""
    forget(folder)
    words = [sys.executable, "-c", PROCESS.format(question=QUESTIONS[question]), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - its own words
    answer: list[float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["make", "ask"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    options = parser.parse_args()
    if options.step == "make":
        make_store(str(options.folder), options.images, STAGES, WHOLE)
        return
    for question in options.only:
        seconds, worked, before, peak = ask(options.folder, question)
        times = f"{seconds:7.2f} s by the clock, {worked:7.2f} s of work"
        print(f"{question:32s} {times}   {peak:6.0f} MB at most, {peak - before:5.0f} its own", flush=True)


if __name__ == "__main__":
    main()
