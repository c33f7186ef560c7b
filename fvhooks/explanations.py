"""One decision explained: which units carried it, where in the picture, and what they look for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_bytes
from fvhooks.relevance.captum import attribute
from fvhooks.relevance.forms import Attributor, Form
from fvhooks.relevance.inputs import (
    Target,
    batches,
    checked_images,
    checked_layers,
    checked_target,
    probe_of,
)
from fvhooks.relevance.ranking import channel_sums, check_count, strongest
from fvhooks.results import Result
from fvhooks.store.examples import real_images
from fvhooks.store.reading import Store
from fvhooks.synthesis.running.rendering import visualize
from fvhooks.synthesis.visualizations import Visualizations, unit_coordinates
from fvhooks.units import LOGITS, Layout, Unit


class Explanation(Result):
    """What carried some decisions; neither model nor store is needed to show it.

    `data` holds for each image `photo` (image, rgb, y, x) as `uint8`, the model's `prediction`, `target`
    (image) and its `value`; for its strongest units `unit_of` (image, rank), their place along `unit`,
    `relevance` and `share` (image, rank; the part of all positive relevance), `where` (image, rank, row,
    column), the relevance of each position of the layer's grid, and `outside` (image, rank), the share of a
    unit's positive relevance in tokens outside the picture. Where fewer units have positive relevance,
    `unit_of` ends in −1 and all the others in NaN. For each unit: `picture` (unit, rgb, py, px), what it
    looks for, where that was made, with `family_verdict` (unit, kind) where the pictures given carry the
    verdicts of an audit, and its top real images as a unit card has them.
    """

    kind: ClassVar[str] = "explanation"

    @property
    def units(self) -> list[Unit]:
        """All units that are shown, the ones of the first image first."""
        return [Unit.parse(str(name)) for name in self.data["unit"].values]


def explain(  # noqa: PLR0913 - the public verb; all but five are keyword-only
    hooked: HookedModel,
    attributor: Attributor | None,
    images: Any,  # noqa: ANN401 - images as `as_images` takes them
    target: Target | Any | None,  # noqa: ANN401 - what is no target is refused with advice
    store: Store,
    *,
    layer: str | None = None,
    k: int = 4,
    attribution: Mapping[str, Any] | None = None,
    batch_size: int = 32,
    pictures: str | Visualizations | None = "vital",
    steps: int | None = None,
    top: int = 4,
    show_progress: bool = True,
) -> Explanation:
    """Captum says where a decision came from; this adds what the units that carried it look for.

    Examples:
        >>> import fvhooks as fv  # doctest: +SKIP
        >>> fv.explain(hooked, LayerIntegratedGradients, photo, None, store, layer="layer4")  # doctest: +SKIP
        Explanation(image: 1, rgb: 3, y: 224, x: 224, rank: 4, ...)

    Args:
        hooked: the model.
        attributor: any Captum layer attributor, as for `fvhooks.relevance.attribute`; None: the default.
        images: one or several, `uint8` or in [0, 1].
        target: the output to explain, one an image, or an inner `Unit`; None: what the model predicts.
        store: statistics of real images that have the layer; with a data set its images are shown.
        layer: where to look for units; by default the store's last layer before the logits.
        k: how many units an image, at most; a unit without positive relevance is not one of them.
        attribution: further arguments of the attributor's `attribute`, such as `{"n_steps": 20}`.
        batch_size: images a call of the model or the attributor, at most.
        pictures: the recipe that shows what a unit looks for; pictures of these units that there are
            already; or None for real images alone.
        steps: of the recipe, where it should not be its own number.
        top: how many real images a unit.
        show_progress: whether to draw a progress bar while pictures are made.

    Returns:
        The explanation, which shows itself.

    Raises:
        MissingInputError: the store lacks the layer, the pictures lack a unit, or a target does not exist.
        UnsupportedModelError: the attributor refuses the model, or the layer is the logits.
        ImageError: no images, or images of a wrong range, type or channel count.
        ValueError: fewer than one unit asked for.
    """
    check_count(k)
    checked = checked_images(hooked, images)
    (inner,) = checked_layers(hooked, layer or _last_layer(store)).values()
    store.require(hooked, [inner])
    form = Form.of(attributor, attribution)
    found = _ranked(hooked, checked, inner, target, form, k=k, batch_size=batch_size)
    data = found.to_dataset()
    data = data.assign(real_images(store, data, top))
    units = [Unit.parse(str(name)) for name in data["unit"].values]
    vis = pictures
    if isinstance(pictures, str) and units:
        vis = visualize(hooked, units, recipe=pictures, store=store, steps=steps, show_progress=show_progress)
    if isinstance(vis, Visualizations) and units:
        data = _with_pictures(data, vis)
    return Explanation(data.assign_attrs(attributor=form.name))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """What an attribution says of some images."""

    images: Float[torch.Tensor, "image rgb y x"]
    logits: Float[torch.Tensor, "image output"]
    target: int | Unit | torch.Tensor
    layer: str
    layout: Layout
    relevance: Float[torch.Tensor, "image channel position"]
    order: Int[torch.Tensor, "image rank"]

    def to_dataset(self) -> xr.Dataset:
        """Everything that is said of the images, with empty notes for the units."""
        sums = self.relevance.sum(-1)
        chosen = torch.take_along_dim(sums, self.order, 1)
        listed = chosen > 0
        channels = list(dict.fromkeys(self.order[listed].tolist()))
        place = {channel: number for number, channel in enumerate(channels)}
        places = torch.full_like(self.order, -1)
        places[listed] = torch.tensor(
            [place[channel] for channel in self.order[listed].tolist()], dtype=torch.long
        )
        parts = torch.take_along_dim(self.relevance, self.order[..., None], 1)
        inside = parts[..., self.layout.prefix :].reshape(*self.order.shape, *self.layout.grid)
        outside = _share(parts[..., : self.layout.prefix].clamp(min=0).sum(-1), parts.clamp(min=0).sum(-1))
        share = _share(chosen, sums.clamp(min=0).sum(1, keepdim=True))

        def of_listed(values: torch.Tensor) -> np.ndarray:
            kept = listed.reshape(*listed.shape, *[1] * (values.ndim - 2))
            return values.where(kept, torch.nan).numpy()

        arrays = {
            "photo": (("image", "rgb", "y", "x"), as_bytes(self.images.detach().cpu().numpy())),
            "prediction": ("image", self.logits.argmax(1).numpy()),
            "unit_of": (("image", "rank"), places.numpy()),
            "relevance": (("image", "rank"), of_listed(chosen)),
            "share": (("image", "rank"), of_listed(share)),
            "outside": (("image", "rank"), of_listed(outside)),
            "where": (("image", "rank", "row", "column"), of_listed(inside)),
            "note": ("unit", np.full(len(channels), "", dtype=object)),
        }
        units = [Unit(self.layer, channel) for channel in channels]
        data = xr.Dataset(arrays, coords=unit_coordinates(units), attrs={"layer": self.layer})
        return self._with_target(data)

    def _with_target(self, data: xr.Dataset) -> xr.Dataset:
        if isinstance(self.target, Unit):
            return data.assign_attrs(target=self.target.id)
        index = torch.as_tensor(self.target).cpu().expand(len(self.images))
        values = torch.take_along_dim(self.logits, index[:, None], 1)[:, 0]
        return data.assign(target=("image", index.numpy()), value=("image", values.numpy()))


def _share(
    part: Float[torch.Tensor, "image rank"], whole: Float[torch.Tensor, "image ..."]
) -> Float[torch.Tensor, "image rank"]:
    """A part of what is positive; NaN where nothing is."""
    return (part / whole).where(whole > 0, torch.nan)


def _ranked(
    hooked: HookedModel,
    images: Float[torch.Tensor, "image rgb y x"],
    layer: str,
    target: Any,  # noqa: ANN401 - a target, or None
    form: Form,
    *,
    k: int,
    batch_size: int,
) -> _Ranked:
    wanted = None if target is None else checked_target(target, len(images))
    with torch.no_grad():
        read = [hooked.read(images[part], [LOGITS])[LOGITS] for part in batches(len(images), batch_size)]
    logits = torch.cat(read).float().cpu()
    wanted = logits.argmax(1) if wanted is None else wanted
    raw = attribute(
        hooked, images, [layer], wanted, attributor=form.given, options=form.options, batch_size=batch_size
    )[layer]
    layout = probe_of(hooked, images).layout(layer)
    order = strongest(channel_sums(raw, layout).cpu(), k)
    return _Ranked(images, logits, wanted, layer, layout, layout.to_channels(raw.float()).cpu(), order)


def _last_layer(store: Store) -> str:
    inner = [layer for layer in store.layers if layer != LOGITS]
    if not inner:
        raise MissingInputError(
            "explain needs statistics of an inner layer; this store has the logits alone. "
            "Collect one: fv.collect(…, layers=[…])."
        )
    return inner[-1]


def _with_pictures(data: xr.Dataset, vis: Visualizations) -> xr.Dataset:
    """What each unit looks for."""
    known = {str(name) for name in vis.data["unit"].values}
    missing = [str(name) for name in data["unit"].values if str(name) not in known]
    if missing:
        raise MissingInputError(
            f"The pictures lack {', '.join(missing)}. Make them with fv.visualize, or pass pictures='vital'."
        )
    seen = vis.images.isel(seed=0).sel(unit=data["unit"].values).fillna(0).values
    data = data.assign(picture=(("unit", "rgb", "py", "px"), as_bytes(seen)))
    verdicts = vis.verdicts
    if verdicts is not None:
        said = verdicts.sel(unit=data["unit"].values).transpose("unit", "kind").values
        data = data.assign(family_verdict=(("unit", "kind"), said)).assign_coords(
            kind=verdicts["kind"].values
        )
    return data.assign_attrs(recipe=vis.recipe)
