"""The sparse autoencoder of the demo: what one layer of its network is made of, in more and rarer pieces."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import nn

from fvhooks.dependencies import require

WEIGHTS = Path(__file__).with_name("autoencoder.safetensors")
"""The trained weights, float16; what was measured of them stands in the file's metadata."""

SITE = "stage3"
"""The layer of the demo's network that it was trained on."""

Rows = Float[torch.Tensor, "*row channel"]
Codes = Float[torch.Tensor, "*row latent"]


class TopK(nn.Module):
    """A sparse autoencoder that keeps the `k` strongest latents of each row (Gao et al., 2024).

    Examples:
        >>> latents = TopK(8, 32, k=4).encode(torch.randn(5, 8))
        >>> latents.shape, bool((latents > 0).sum(1).max() <= 4)
        (torch.Size([5, 32]), True)

    Args:
        channels: of what it is trained on.
        latents: how many pieces there are.
        k: how many of them a row may have, at most.
    """

    def __init__(self, channels: int, latents: int, *, k: int) -> None:
        super().__init__()
        self.k = k
        start = nn.functional.normalize(torch.randn(latents, channels), dim=1)
        self.W_dec = nn.Parameter(start)
        self.W_enc = nn.Parameter(start.T.clone())
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(channels))

    def encode(self, x: Rows) -> Codes:
        """The latents of each row, never negative, at most `k` of them above 0."""
        before = ((x - self.b_dec) @ self.W_enc + self.b_enc).relu()
        strongest = before.topk(self.k, dim=-1)
        return torch.zeros_like(before).scatter(-1, strongest.indices, strongest.values)

    def decode(self, z: Codes) -> Rows:
        """The sum of each row's pieces."""
        return z @ self.W_dec + self.b_dec

    def forward(self, x: Rows) -> Rows:
        """The reconstruction."""
        return self.decode(self.encode(x))


def load_autoencoder() -> TopK:
    """The trained sparse autoencoder of layer `stage3` of the demo's network.

    Examples:
        >>> from fvhooks.demo import load_network
        >>> hooked = load_network().with_sae("stage3", load_autoencoder())
        >>> hooked.layout("stage3/sae").channels
        384

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    files = require("safetensors", feature="The demo's autoencoder", extra="demo")
    with files.safe_open(WEIGHTS, framework="pt") as opened:
        k = int(opened.metadata()["k"])
        state = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - no mapping
    latents, channels = state["W_dec"].shape
    autoencoder = TopK(channels, latents, k=k)
    autoencoder.load_state_dict(state)
    return autoencoder.eval()
