"""Train a sparse autoencoder: of the demo's network, or of a trained CIFAR-10 network.

    python benchmarks/train_sae.py [--steps 4000] [--out fvhooks/demo/autoencoder.safetensors]
    FVHOOKS_TEST_DATA=… python benchmarks/train_sae.py --network cifar10_resnet20 --site layer2 --out OUT

384 latents, at most 16 of them a position. The rows are the positions of 400 crops of each training region of
the demo's photographs, or of 4,000 training images. What it misses (fraction of variance unexplained), how
many latents never fire and what a network does that runs on the reconstruction is measured on held-out
regions or the 500 test images, with the weights as they are stored, and written into the file.
"""

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm.auto import trange
from trained import load_networks

from fvhooks.demo import TopK, load_network, photographs
from fvhooks.demo.autoencoders import SITE, WEIGHTS
from fvhooks.demo.training import training_pool
from fvhooks.hooks import HookedModel, attach

SEED, BATCH, RATE, LATENTS, K = 3, 1024, 2e-3, 384, 16
PATIENCE = 400  # steps after which a latent that did not fire starts anew


def activations(hooked: HookedModel, images: torch.Tensor, site: str) -> torch.Tensor:
    """Every position of every image as one row."""
    with torch.no_grad():
        parts = [hooked.read(batch, [site])[site].movedim(1, -1) for batch in torch.split(images, 200)]
    return torch.cat([part.flatten(0, 2) for part in parts])


def train(rows: torch.Tensor, steps: int) -> TopK:
    random = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    coder = TopK(rows.shape[1], LATENTS, k=K)
    centre = rows.mean(0)
    scale = float((rows - centre).square().mean().sqrt())
    rows = (rows - centre) / scale
    optimizer = torch.optim.Adam(coder.parameters(), lr=RATE, betas=(0.9, 0.99))
    silent = torch.zeros(LATENTS, dtype=torch.long)
    for step in trange(steps, desc="train"):
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (steps - step) / (0.3 * steps))
        batch = rows[torch.randint(len(rows), (BATCH,), generator=random)]
        latents = coder.encode(batch)
        rest = batch - coder.decode(latents)
        optimizer.zero_grad(set_to_none=True)
        (rest.square().sum(1).mean() / rows.shape[1]).backward()
        optimizer.step()
        silent = (silent + 1) * (latents == 0).all(0)
        with torch.no_grad():
            coder.W_dec.div_(coder.W_dec.norm(dim=1, keepdim=True))
            if step % PATIENCE == 0 and step < 0.7 * steps:
                restart(coder, optimizer, silent, rest)
    with torch.no_grad():  # back to the layer's own units: top-k and ReLU do not mind a scale
        coder.b_enc.mul_(scale)
        coder.b_dec.mul_(scale).add_(centre)
    return coder.eval()


def restart(coder: TopK, optimizer: torch.optim.Adam, silent: torch.Tensor, rest: torch.Tensor) -> None:
    """Latents that have not fired for long point at what was reconstructed worst."""
    dead = (silent >= PATIENCE).nonzero().flatten()
    worst = rest.square().sum(1).topk(len(dead)).indices
    directions = torch.nn.functional.normalize(rest[worst], dim=1)
    coder.W_dec[dead], coder.W_enc[:, dead], coder.b_enc[dead] = directions, directions.T, 0.0
    silent[dead] = 0
    for parameter, where in ((coder.W_dec, dead), (coder.W_enc, (slice(None), dead)), (coder.b_enc, dead)):
        for moment in ("exp_avg", "exp_avg_sq"):
            optimizer.state[parameter][moment][where] = 0.0


def measured(
    hooked: HookedModel, coder: TopK, site: str, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, str]:
    """What is known of an autoencoder on images that nothing was trained on."""
    with_sae = hooked.with_sae(site, coder)
    with torch.no_grad():
        latents = coder.encode(activations(hooked, images, site))
        plain = hooked.module(images).argmax(1)
        pieces = coder.decode(latents).reshape(len(images), -1, coder.W_dec.shape[1]).movedim(-1, 1)
        with hooked.edit({site: pieces}):
            rebuilt = hooked.module(images).argmax(1)
    return {
        "unexplained_held_out": f"{with_sae.reconstruction_error(images, f'{site}/sae'):.4f}",
        "dead_held_out": str(int((latents == 0).all(0).sum())),
        "latents_a_position": f"{float((latents > 0).sum(1).float().mean()):.2f}",
        "accuracy": f"{float((plain == labels).float().mean()):.4f}",
        "accuracy_rebuilt": f"{float((rebuilt == labels).float().mean()):.4f}",
        "agreement_rebuilt": f"{float((rebuilt == plain).float().mean()):.4f}",
    }


def material(network: str | None) -> tuple[HookedModel, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A network, images to train on, and held-out images with their labels."""
    if network is None:
        held_out = photographs("held_out")
        images = torch.stack([held_out[item][0] for item in range(len(held_out))])
        return load_network(), training_pool()[0], images, torch.tensor(held_out.labels)
    networks = load_networks()
    model, mean, std = networks.load(network)
    hooked = attach(model, mean=mean, std=std, input_shape=(3, 32, 32))
    return hooked, networks.cifar10("train")[0], *networks.cifar10("test")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", help="a trained CIFAR-10 network; without it the demo's")
    parser.add_argument("--site", default=SITE)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    hooked, pool, images, labels = material(options.network)
    rows = activations(hooked, pool, options.site)
    print(f"{len(rows)} rows after {time.perf_counter() - start:.0f} s")
    coder = train(rows, options.steps)
    seconds = time.perf_counter() - start
    small = {name: tensor.half().contiguous() for name, tensor in coder.state_dict().items()}
    coder.load_state_dict({name: tensor.float() for name, tensor in small.items()})
    in_training = int((coder.encode(rows[::5]) == 0).all(0).sum())
    stated = {"k": str(coder.k), "site": options.site, "dead_training": str(in_training)}
    stated |= measured(hooked, coder, options.site, images, labels)
    save_file(small, options.out, metadata=stated)
    print(f"trained in {seconds:.0f} s on {options.threads} thread(s): {stated}")


if __name__ == "__main__":
    main()
