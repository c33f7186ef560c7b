"""Do the channels that an attributor ranks first carry the decision? Ablated, and kept alone.

    FVHOOKS_TEST_DATA=… python benchmarks/ablation.py [--networks cifar10_resnet20] [--images 500]

For each image each attributor ranks the channels of a layer by their relevance for the predicted output. The
first ones are set to their mean over other images (ablated), or all others are (kept). The report: the
probability of the predicted output, as a share of what it was, and how often it still is the prediction.
"random" takes channels of about the same activation as FlowLRP's, one for one. Stock LRP sees no additions;
where it refuses the layer it attributes to the input of the module behind it, or is left out with its reason.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients, LayerLRP
from PIL import Image
from trained import load_networks

import fvhooks as fv
from fvhooks.errors import FVHooksError
from fvhooks.relevance import FlowLRP, attribute

SHARES = (0.05, 0.1, 0.2, 0.4)
LAYERS = {  # the layer, and the module behind it whose input stock LRP may attribute to
    "cifar10_resnet20": ("layer2", "layer3.0.conv1"),
    "cifar10_resnet56": ("layer2", "layer3.0.conv1"),
    "imagenet_squeezenet1_1": ("features.10", "features.11.squeeze"),
    "imagenet_googlenet": ("inception_4c", None),
}


@dataclass
class Setting:
    """One network and layer with the images that are judged.

    Args:
        images: held out from whatever the means are of.
        means: of each channel over other images.
    """

    hooked: fv.HookedModel
    layer: str
    images: torch.Tensor
    means: torch.Tensor

    @property
    def activations(self) -> torch.Tensor:
        """Mean activation `image channel`."""
        return torch.cat([self._channels(part) for part in self.images.split(50)])

    def _channels(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            read = self.hooked.read(images, [self.layer])[self.layer]
        return self.hooked.layout(self.layer).to_channels(read).mean(-1)

    def probabilities(self, replaced: torch.Tensor | None = None) -> torch.Tensor:
        """Probabilities `image output`, with the channels of a mask `image channel` at their means."""
        found = []
        for start in range(0, len(self.images), 50):
            part = slice(start, start + 50)
            edits: dict[Any, Any] = {} if replaced is None else {self.layer: self._mean_at(replaced[part])}
            with torch.no_grad(), self.hooked.edit(edits):
                found.append(self.hooked.module(self.images[part]).softmax(1))
        return torch.cat(found)

    def _mean_at(self, mask: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: torch.where(mask[:, :, None], self.means[None, :, None], x)


def rankings(setting: Setting, behind: str | None, target: torch.Tensor) -> dict[str, torch.Tensor | str]:
    """Relevance `image channel` by each attributor, or why there is none."""
    stock = _stock(setting.hooked, behind) if behind is not None else LayerLRP
    methods: dict[str, tuple[Any, dict[str, Any]]] = {
        "FlowLRP": (FlowLRP, {}),
        "gradient × activation": (LayerGradientXActivation, {}),
        "integrated gradients": (LayerIntegratedGradients, {"n_steps": 16}),
        "stock LRP": (stock, {}),
    }
    found: dict[str, torch.Tensor | str] = {}
    for name, (attributor, options) in methods.items():
        try:
            raw = attribute(
                setting.hooked,
                setting.images,
                [setting.layer],
                target,
                attributor=attributor,
                options=options,
                batch_size=10,
            )[setting.layer]
            found[name] = setting.hooked.layout(setting.layer).to_channels(raw).sum(-1)
        except FVHooksError as error:
            found[name] = str(error).split("\n")[0]
    return found


def _stock(hooked: fv.HookedModel, behind: str) -> Callable[..., Any]:
    module = hooked.model.get_submodule(behind)

    def stock_lrp(model: torch.nn.Module, layers: Any, images: torch.Tensor, target: Any) -> Any:  # noqa: ARG001
        return LayerLRP(model, module).attribute(images, target=target, attribute_to_layer_input=True)

    return stock_lrp


def matched(chosen: torch.Tensor, activations: torch.Tensor, seed: int) -> torch.Tensor:
    """For each chosen channel another one at random, among the eight of nearest activation."""
    generator = np.random.default_rng(seed)
    mask = torch.zeros_like(activations, dtype=torch.bool)
    for image, channels in enumerate(chosen.tolist()):
        taken: set[int] = set()
        for channel in channels:
            near = (activations[image] - activations[image, channel]).abs().argsort().tolist()
            free = [other for other in near if other not in taken and other not in channels][:8]
            other = int(generator.choice(free or [c for c in near if c not in taken]))
            taken.add(other)
            mask[image, other] = True
    return mask


def judge(
    setting: Setting, mask: torch.Tensor, before: torch.Tensor, target: torch.Tensor
) -> tuple[float, float]:
    """Mean probability of the prediction as a share of what it was, and how often it stays the prediction."""
    after = setting.probabilities(mask)
    ratio = after.gather(1, target[:, None]).sum() / before.gather(1, target[:, None]).sum()
    return float(ratio), float((after.argmax(1) == target).float().mean())


def load(name: str, networks: ModuleType, count: int) -> Setting:
    model, mean, std = networks.load(name)
    side = 32 if name.startswith("cifar") else 224
    hooked = fv.attach(model, mean=mean, std=std, input_shape=(3, side, side))
    layer = LAYERS[name][0]
    if side == 32:
        judged, others = (torch.as_tensor(networks.cifar10(split)[0]) for split in ("test", "train"))
    else:
        files = [path for path, _ in networks.imagenet_sample().samples]
        judged, others = (_pictures(files[start::2], count) for start in (0, 1))
    judged, others = judged[:count], others[:count]
    setting = Setting(hooked, layer, others, torch.empty(0))
    return Setting(hooked, layer, judged, setting.activations.mean(0))


def _pictures(files: list[str], count: int) -> torch.Tensor:
    chosen = [files[place] for place in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    crops = [Image.open(path).convert("RGB").crop((16, 16, 240, 240)) for path in chosen]
    return torch.stack([torch.from_numpy(np.array(crop)).permute(2, 0, 1) for crop in crops])


def report(name: str, setting: Setting) -> None:
    before = setting.probabilities()
    target = before.argmax(1)
    channels = len(setting.means)
    print(f"\n{name}, {setting.layer}: {channels} channels, {len(setting.images)} images")
    found = rankings(setting, LAYERS[name][1], target)
    activations = setting.activations
    orders = {k: v.argsort(1, descending=True) for k, v in found.items() if isinstance(v, torch.Tensor)}
    for why in (f"{k}: {v}" for k, v in found.items() if isinstance(v, str)):
        print(why[:300])
    print("| share | method | ablated: probability | same | kept alone: probability | same |")
    print("|---|---|---|---|---|---|")
    for share in SHARES:
        count = max(1, round(share * channels))
        masks = {
            method: torch.zeros(len(order), channels).scatter(1, order[:, :count], 1.0).bool()
            for method, order in orders.items()
        }
        masks["random"] = matched(orders["FlowLRP"][:, :count], activations, seed=0)
        for method, mask in masks.items():
            numbers = [*judge(setting, mask, before, target), *judge(setting, ~mask, before, target)]
            print(f"| {share:.0%} | {method} | " + " | ".join(f"{n:.2f}" for n in numbers) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", default=list(LAYERS))
    parser.add_argument("--images", type=int, default=500)
    given = parser.parse_args()
    networks = load_networks()
    warnings.simplefilter("ignore")  # Captum's, on hooks of tensors
    for name in given.networks:
        report(name, load(name, networks, given.images))


if __name__ == "__main__":
    main()
