"""A small network that tells four textures apart, and a store of 1,000 pictures of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fvhooks as fv

LAYERS = ["1", "3"]
CLASSES, SIDE = 4, 12


def textures(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves of four directions and colours, each with its own phase and noise; (n c h w) in [0, 1]."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    angle = labels * torch.pi / CLASSES
    phase = 1.5 * torch.rand(count, generator=rng)
    along = torch.cos(angle)[:, None, None] * y + torch.sin(angle)[:, None, None] * x + phase[:, None, None]
    colours = torch.tensor([[0.35, 0.1, 0.1], [0.1, 0.35, 0.1], [0.1, 0.1, 0.35], [0.25, 0.25, 0.0]])[labels]
    waves = 0.5 + torch.sin(1.4 * along)[:, None] * colours[:, :, None, None]
    return (waves + 0.1 * torch.randn(count, 3, SIDE, SIDE, generator=rng)).clamp(0, 1), labels


@pytest.fixture(scope="session", name="textures")
def make_textures() -> Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]:
    """Makes pictures and labels: how many, from which seed."""
    return textures


@pytest.fixture(scope="session")
def net() -> nn.Module:
    """Random features, with a last layer fitted by least squares."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3),
        nn.ReLU(),
        nn.Conv2d(12, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, CLASSES),
    )
    images, labels = textures(600, seed=1)
    with torch.no_grad():
        features = net[:-1]((images - 0.5) / 0.25)
        wanted = 10 * nn.functional.one_hot(labels, CLASSES).float()
        ridge = features.T @ features + 50 * torch.eye(256)
        net[-1].weight.copy_(torch.linalg.solve(ridge, features.T @ wanted).T)
        net[-1].bias.zero_()
    return net.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def hooked(net: nn.Module) -> fv.HookedModel:
    return fv.attach(net, mean=[0.5] * 3, std=[0.25] * 3, input_shape=(3, SIDE, SIDE))


@pytest.fixture(scope="session")
def data() -> TensorDataset:
    return TensorDataset(*textures(1000, seed=2))


@pytest.fixture(scope="session")
def store(hooked: fv.HookedModel, data: TensorDataset, tmp_path_factory: pytest.TempPathFactory) -> fv.Store:
    where = tmp_path_factory.mktemp("audit") / "stats.zarr"
    return fv.collect(hooked, data, where, layers=LAYERS, show_progress=False)


@pytest.fixture(scope="session")
def real() -> torch.Tensor:
    """Real pictures that no store has seen, (class, 5, c, h, w)."""
    images, labels = textures(20, seed=3)
    return torch.stack([images[labels == label] for label in range(CLASSES)])


@pytest.fixture(scope="session")
def forced(hooked: fv.HookedModel) -> torch.Tensor:
    """Pictures made by following a logit's gradient far beyond nature, (class, 2, c, h, w)."""
    made = []
    for label in range(CLASSES):
        picture = 0.5 + 0.02 * torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(label))
        for _ in range(40):
            picture.requires_grad_(True)
            (step,) = torch.autograd.grad(hooked.module(picture)[:, label].sum(), picture)
            picture = (picture.detach() + 0.05 * step.sign()).clamp(0, 1)
        made.append(picture)
    return torch.stack(made)


@pytest.fixture
def logits() -> list[fv.Unit]:
    return [fv.Unit.logit(label) for label in range(CLASSES)]


@pytest.fixture(scope="session")
def audited(
    hooked: fv.HookedModel, store: fv.Store, real: torch.Tensor, forced: torch.Tensor
) -> dict[str, fv.AuditReport]:
    """Reports on real pictures and on forced ones of every output."""
    units = [fv.Unit.logit(label) for label in range(CLASSES)]
    kinds = {"real": real, "forced": forced}
    return {
        kind: fv.audit(hooked, fv.as_visualizations(units, np.asarray(images)), store, show_progress=False)
        for kind, images in kinds.items()
    }
