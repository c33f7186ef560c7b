"""Train the network of the demo from scratch: `python -m fvhooks.demo.training`.

A few minutes on one CPU core. The same network comes out on the same machine with the same libraries;
elsewhere the last bits differ, training amplifies them, and the network is another one of the same kind.
"""

import argparse
import logging
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch.nn import functional as F  # noqa: N812
from tqdm.auto import trange

from fvhooks.demo.crops import CLASSES, PHOTOGRAPHS, Split, photographs
from fvhooks.demo.networks import PREPROCESSING, WEIGHTS, PhotographNet, attach_network
from fvhooks.dependencies import require
from fvhooks.hooks import HookedModel

Pictures = Float[torch.Tensor, "image rgb y x"]
Labels = Int[torch.Tensor, " image"]

SEED = 7
POOL = 400  # crops a class; each is seen in many sizes, turns, lights and colours
BATCH = 48
_GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)

log = logging.getLogger("fvhooks.demo")


def train(steps: int = 1000, *, rate: float = 4e-3, show_progress: bool = True) -> HookedModel:
    """A network trained on the regions that are not held out.

    Examples:
        >>> train(0, show_progress=False).layers[-1]
        'logits'

    Args:
        steps: batches of 48 crops.
        rate: highest learning rate of AdamW on a one-cycle schedule.
        show_progress: show a progress bar.
    """
    torch.manual_seed(SEED)
    random = torch.Generator().manual_seed(SEED)
    network = PhotographNet(len(CLASSES)).train()
    if not steps:
        return attach_network(network.state_dict())
    pool, labels = training_pool()
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps, pct_start=0.2)
    progress = trange(steps, disable=not show_progress, desc="train")
    for _ in progress:
        chosen = torch.randint(len(pool), (BATCH,), generator=random)
        images = augmented(pool[chosen].float() / 255, random)
        loss = F.cross_entropy(network(PREPROCESSING.normalize(images)), labels[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return attach_network(network.state_dict())


def training_pool() -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of the training regions and their labels, many more than the data set holds."""
    photographs("train")  # says what is missing before anything is cut
    crops = [photograph.crop("train", index) for photograph in PHOTOGRAPHS for index in range(POOL)]
    return torch.stack(crops), torch.arange(len(CLASSES)).repeat_interleave(POOL)


def augmented(images: Pictures, random: torch.Generator) -> Pictures:
    """Turned, scaled, shifted and flipped, in other light, at times tinted or without colour, a little noisy.

    Some photographs are grey: where colour may vanish or be tinted, it does not give the class away.

    Examples:
        >>> augmented(torch.rand(4, 3, 8, 8), torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])
    """
    return _recoloured(_moved(images, random), random).clamp(0, 1)


def _moved(images: Pictures, random: torch.Generator) -> Pictures:
    count = len(images)
    angle = 0.3 * _uniform(count, random)
    zoom = torch.exp(0.22 * _uniform(count, random))
    flip = 1 - 2 * (torch.rand(count, generator=random) < 0.5).float()
    cosine, sine = angle.cos() * zoom, angle.sin() * zoom
    rows = [torch.stack([cosine * flip, -sine, 0.15 * _uniform(count, random)], 1)]
    rows.append(torch.stack([sine * flip, cosine, 0.15 * _uniform(count, random)], 1))
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _recoloured(images: Pictures, random: torch.Generator) -> Pictures:
    count = len(images)
    luma = (images * _GREY).sum(1, keepdim=True)
    keep = _column(torch.rand(count, generator=random) < 0.7).float()
    images = luma + keep * (images - luma)
    tinted = _column(torch.rand(count, generator=random) < 0.3).float()
    gain = torch.exp(0.2 * tinted * _uniform(count * 3, random).view(count, 3, 1, 1))
    contrast = torch.exp(0.3 * _column(_uniform(count, random)))
    light = 0.15 * _column(_uniform(count, random))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * contrast + mean) * gain + light
    noise = 0.04 * _column(torch.rand(count, generator=random))
    return images + noise * torch.randn(images.shape, generator=random)


def _uniform(count: int, random: torch.Generator) -> Float[torch.Tensor, " image"]:
    return 2 * torch.rand(count, generator=random) - 1


def _column(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)


def accuracy(hooked: HookedModel, split: Split = "held_out", *, grey: bool = False) -> float:
    """Share of a split's crops that the network names rightly.

    Args:
        hooked: the network, attached.
        split: which regions of the photographs.
        grey: take all colour away first.
    """
    data = photographs(split)
    images = torch.stack([data[item][0] for item in range(len(data))]).float() / 255
    if grey:
        images = (images * _GREY).sum(1, keepdim=True).expand(-1, 3, -1, -1).clamp(0, 1)
    with torch.no_grad():
        guesses = torch.cat([hooked.module(batch).argmax(1) for batch in torch.split(images, 100)])
    return float((guesses == torch.tensor(data.labels)).float().mean())


def save(hooked: HookedModel, path: Path) -> dict[str, str]:
    """Write the weights as float16, with the accuracy of the network that will be read back."""
    files = require("safetensors.torch", feature="Saving the demo's network", extra="demo")
    small = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in hooked.model.state_dict().items()
    }
    back = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in small.items()}
    stored = attach_network(back)
    measured = {"accuracy_held_out": accuracy(stored), "accuracy_held_out_grey": accuracy(stored, grey=True)}
    stated = {name: f"{value:.4f}" for name, value in measured.items()} | {"classes": ",".join(CLASSES)}
    files.save_file({name: tensor.contiguous() for name, tensor in small.items()}, path, metadata=stated)
    return stated


def main(arguments: list[str] | None = None) -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(
        prog="python -m fvhooks.demo.training", description="Train the network of the demo from scratch."
    )
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS, help="file to write (default: the one that the demo reads)"
    )
    parser.add_argument("--steps", type=int, default=1000, help="batches of 48 crops (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    log.info("%s", save(train(options.steps), options.out))


if __name__ == "__main__":
    main()
