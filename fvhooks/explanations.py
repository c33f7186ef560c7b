"""One decision explained: which units carried it, where in the picture, and what they look for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, Unpack

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_bytes, as_images
from fvhooks.relevance.captum import Target, attribute
from fvhooks.relevance.forms import Attributor
from fvhooks.relevance.ranking import channel_sums
from fvhooks.results import Result
from fvhooks.store.reading import Store
from fvhooks.synthesis.rendering import visualize
from fvhooks.synthesis.visualizations import Visualizations, unit_coordinates
from fvhooks.unit_cards import real_images
from fvhooks.units import LOGITS, Layout, Unit


class Explanation(Result):
    """What carried some decisions; neither model nor store is needed to show it.

    `data` holds for each image `photo` (image, rgb, y, x) as `uint8`, the model's `prediction`, `target`
    (image) and its `value`; for its strongest units `unit_of` (image, rank), their place along `unit`,
    `relevance` and `share` (image, rank; the part of all positive relevance), `where` (image, rank, row,
    column), the relevance of each position of the layer's grid, and `outside` (image, rank), the share of a
    unit's relevance in tokens outside the picture. For each unit: `picture` (unit, rgb, py, px), what it
    looks for, where that was made, and its top real images as a unit card has them.
    """

    kind: ClassVar[str] = "explanation"

    @property
    def units(self) -> list[Unit]:
        """All units that are shown, the ones of the first image first."""
        return [Unit.parse(str(name)) for name in self.data["unit"].values]


class ExplanationOptions(TypedDict, total=False):
    """What `explain` can be told beside the essentials.

    Args:
        layer: where to look for units; by default the store's last layer before the logits.
        k: how many units an image (4).
        pictures: the recipe that shows what a unit looks for ("vital"); pictures of these units that there
            are already; or None for real images alone.
        steps: of the recipe, where it should not be its own number.
        top: how many real images a unit (4).
        show_progress: whether to draw a progress bar while pictures are made.
    """

    layer: str | None
    k: int
    pictures: str | Visualizations | None
    steps: int | None
    top: int
    show_progress: bool


def explain(
    hooked: HookedModel,
    attributor: Attributor | None,
    images: Any,  # noqa: ANN401 - images as `as_images` takes them
    target: Target | None,
    store: Store,
    **options: Unpack[ExplanationOptions],
) -> Explanation:
    """Captum says where a decision came from; this adds what the units that carried it look for.

    Example:
        >>> import fvhooks as fv  # doctest: +SKIP
        >>> fv.explain(hooked, LayerIntegratedGradients, photo, None, store, layer="layer4")  # doctest: +SKIP
        Explanation(image: 1, rgb: 3, y: 224, x: 224, rank: 4, ...)

    Args:
        hooked: the model.
        attributor: any Captum layer attributor, as for `fvhooks.relevance.attribute`; None: the default.
        images: one or several, `uint8` or in [0, 1].
        target: the output to explain, one an image, or an inner `Unit`; None: what the model predicts.
        store: statistics of real images that have the layer; with a data set its images are shown.
        **options: see `ExplanationOptions`.

    Returns:
        The explanation, which shows itself.

    Raises:
        MissingInputError: the store lacks the layer, or the pictures lack a unit.
    """
    checked = as_images(images, channels=hooked.preprocessing.channels)
    layer = hooked.resolve(options.get("layer") or _last_layer(store))
    store.require(hooked, [layer])
    found = _ranked(hooked, checked, layer, target, attributor, options.get("k", 4))
    data = found.to_dataset()
    data = data.assign(real_images(store, data, options.get("top", 4)))
    units = [Unit.parse(str(name)) for name in data["unit"].values]
    vis = _pictures(hooked, store, units, options)
    if vis is not None:
        seen = vis.images.isel(seed=0).sel(unit=data["unit"].values).fillna(0).values
        data = data.assign(picture=(("unit", "rgb", "py", "px"), as_bytes(seen)))
        data.attrs["recipe"] = vis.recipe
    return Explanation(data.assign_attrs(attributor=_name(attributor)))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """What an attribution says of some images."""

    images: Float[torch.Tensor, "image rgb y x"]
    logits: Float[torch.Tensor, "image output"]
    target: Target
    layer: str
    layout: Layout
    relevance: Float[torch.Tensor, "image channel position"]
    order: Int[torch.Tensor, "image rank"]

    def to_dataset(self) -> xr.Dataset:
        """Everything that is said of the images, with empty notes for the units."""
        channels = list(dict.fromkeys(self.order.flatten().tolist()))
        place = {channel: number for number, channel in enumerate(channels)}
        sums = self.relevance.sum(-1)
        chosen = torch.take_along_dim(sums, self.order, 1)
        parts = torch.take_along_dim(self.relevance, self.order[..., None], 1)
        inside = parts[..., self.layout.prefix :].reshape(*self.order.shape, *self.layout.grid)
        outside = parts[..., : self.layout.prefix].sum(-1) / chosen.where(chosen != 0, torch.ones(()))
        positive = sums.clamp(min=0).sum(1, keepdim=True).clamp(min=1e-12)
        places = [[place[channel] for channel in row] for row in self.order.tolist()]
        arrays = {
            "photo": (("image", "rgb", "y", "x"), as_bytes(self.images.detach().cpu().numpy())),
            "prediction": ("image", self.logits.argmax(1).numpy()),
            "unit_of": (("image", "rank"), np.array(places)),
            "relevance": (("image", "rank"), chosen.numpy()),
            "share": (("image", "rank"), (chosen / positive).numpy()),
            "outside": (("image", "rank"), outside.numpy()),
            "where": (("image", "rank", "row", "column"), inside.numpy()),
            "note": ("unit", np.full(len(channels), "", dtype=object)),
        }
        units = [Unit(self.layer, channel) for channel in channels]
        data = xr.Dataset(arrays, coords=unit_coordinates(units), attrs={"layer": self.layer})
        return self._with_target(data)

    def _with_target(self, data: xr.Dataset) -> xr.Dataset:
        if isinstance(self.target, Unit) and not self.target.is_logit:
            return data.assign_attrs(target=self.target.id)
        given = self.target.channel if isinstance(self.target, Unit) else self.target
        index = torch.as_tensor(given).cpu().expand(len(self.images))
        values = torch.take_along_dim(self.logits, index[:, None], 1)[:, 0]
        return data.assign(target=("image", index.numpy()), value=("image", values.numpy()))


def _ranked(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layer: str,
    target: Target | None,
    attributor: Attributor | None,
    k: int,
) -> _Ranked:
    with torch.no_grad():
        logits = hooked.read(images, [LOGITS])[LOGITS].float().cpu()
    wanted = logits.argmax(1) if target is None else target
    raw = attribute(hooked, images, [layer], wanted, attributor=attributor)[layer]
    layout = hooked.probe(images[:1]).layout(layer)
    order = channel_sums(raw, layout).cpu().sort(stable=True, dim=1, descending=True).indices[:, :k]
    return _Ranked(images, logits, wanted, layer, layout, layout.to_channels(raw.float()).cpu(), order)


def _last_layer(store: Store) -> str:
    inner = [layer for layer in store.layers if layer != LOGITS]
    if not inner:
        raise MissingInputError(
            "explain needs statistics of an inner layer; this store has the logits alone. "
            "Collect one: fv.collect(…, layers=[…])."
        )
    return inner[-1]


def _pictures(
    hooked: HookedModel, store: Store, units: Sequence[Unit], options: ExplanationOptions
) -> Visualizations | None:
    pictures = options.get("pictures", "vital")
    if pictures is None:
        return None
    if isinstance(pictures, str):
        steps, shown = options.get("steps"), options.get("show_progress", True)
        return visualize(hooked, list(units), recipe=pictures, store=store, steps=steps, show_progress=shown)
    known = {str(name) for name in pictures.data["unit"].values}
    missing = [unit.id for unit in units if unit.id not in known]
    if missing:
        raise MissingInputError(
            f"The pictures lack {', '.join(missing)}. Make them with fv.visualize, or pass pictures='vital'."
        )
    return pictures


def _name(attributor: Attributor | None) -> str:
    if attributor is None:
        return "LayerGradientXActivation"
    return getattr(attributor, "__name__", type(attributor).__name__)
