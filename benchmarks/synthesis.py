"""What a step of each recipe costs, as a ratio to a bare forward and backward pass of the same batch.

    python benchmarks/synthesis.py --batch 4 --turns 7

The bare pass is the same network in evaluation mode with frozen weights, from pictures to their gradient,
with all nodes of the recipe. Both are timed in turns in one process; the ratio is of their medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch.utils.data import TensorDataset

import fvhooks as fv
from fvhooks.synthesis.engine import Plan, synthesise
from fvhooks.synthesis.recipes import RECIPES, Request

NODES = ["relu", "layer1", "layer2", "layer3", "layer4"]


def build(folder: str) -> tuple[fv.HookedModel, fv.Store]:
    """ResNet-18 at 224 pixels with random weights, and a store of noise: the work is that of real ones."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    hooked = fv.attach(
        model, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], input_shape=(3, 224, 224)
    )
    noise = TensorDataset(
        (torch.rand(12, 3, 224, 224) * 255).to(torch.uint8), torch.zeros(12, dtype=torch.long)
    )
    return hooked, fv.collect(hooked, noise, Path(folder) / "s.zarr", layers=NODES, show_progress=False)


def plan_of(recipe: str, hooked: fv.HookedModel, store: fv.Store, steps: int) -> Plan:
    request = Request(hooked, [fv.Unit.logit(0)], store, steps, 1, (3, 224, 224))
    return RECIPES[recipe]().plan(request)


def bare(hooked: fv.HookedModel, layers: list[str], batch: int) -> Callable[[], None]:
    """A forward and backward pass up to the deepest of some layers, written without fvhooks' engine."""
    model = hooked.model.eval().requires_grad_(requires_grad=False)
    modules = dict(model.named_modules())

    def step() -> None:
        images = torch.rand(batch, 3, 224, 224, requires_grad=True)
        kept: list[torch.Tensor] = []
        handles = [
            modules[name].register_forward_hook(lambda _m, _i, output: kept.append(output))
            for name in layers
            if name in modules
        ]
        try:
            logits = model(images)
        finally:
            for handle in handles:
                handle.remove()
        torch.stack([values.sum() for values in (kept or [logits])]).sum().backward()

    return step


def timed(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of a recipe that are timed together")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hooked, store = build(folder)
        for recipe in RECIPES:
            plan = plan_of(recipe, hooked, store, given.steps)
            owner, seeds = [0] * given.batch, [(seed,) for seed in range(given.batch)]
            reference = bare(hooked, plan.layers, given.batch)
            synthesise(hooked, plan, owner, seeds)
            reference()
            ours, theirs = [], []
            for _ in range(given.turns):
                ours.append(timed(lambda: synthesise(hooked, plan, owner, seeds)) / given.steps)  # noqa: B023
                theirs.append(statistics.mean(timed(reference) for _ in range(given.steps)))
            report(recipe, ours, theirs, given.batch)


def report(recipe: str, ours: list[float], theirs: list[float], batch: int) -> None:
    step, pass_ = statistics.median(ours), statistics.median(theirs)
    turns = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    spread = f"turns {turns[0]:.2f} to {turns[-1]:.2f}"
    size = f"batch {batch}, {torch.get_num_threads()} threads"
    cost = f"{1e3 * step:.0f} ms a step, bare {1e3 * pass_:.0f} ms: {step / pass_:.2f} ×"
    print(f"{recipe:8s} {cost} ({spread}; {size})")


if __name__ == "__main__":
    main()
