"""What `hooked.read` of five layers costs beside a bare forward pass.

    python benchmarks/reading.py [--batch 8] [--turns 15]

torchvision's ResNet-18 with random weights at 224 px, the logits among what is read, so that the pass is not
ended early; and a read of `layer1` alone, a quarter of the depth, which is. All take turns; each ratio is the
median of the turns' ratios, since other work slows all.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torchvision

import fvhooks as fv

LAYERS = ["layer1", "layer2", "layer3", "layer4", "logits"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    hooked = fv.attach(model, mean=MEAN, std=STD, input_shape=(3, 224, 224))
    images = torch.rand(options.batch, 3, 224, 224)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        hooked.read(images, LAYERS)
        turns = [
            (
                seconds(lambda: model((images - mean) / std)),
                seconds(lambda: hooked.read(images, LAYERS)),
                seconds(lambda: hooked.read(images, LAYERS[:1])),
            )
            for _ in range(options.turns)
        ]
    ratio = statistics.median(ours / bare for bare, ours, _ in turns)
    early = statistics.median(ours / bare for bare, _, ours in turns)
    best = min(ours for _, ours, _ in turns) / min(bare for bare, _, _ in turns)
    print(
        f"read of {len(LAYERS)} layers / bare forward: {ratio:.3f} in the median, {best:.3f} of the fastest"
    )
    print(f"read of {LAYERS[0]} alone / bare forward: {early:.3f} in the median")
    print(f"batch {options.batch}, {options.threads} threads, {options.turns} turns")


if __name__ == "__main__":
    main()
