"""What the units of a graph look for: pictures, audit badges and the real images that move them most."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import LayerNotFoundError, MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.images import as_bytes
from fvhooks.store.examples import Statistics, real_images
from fvhooks.store.fields import fields_of
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.units import Unit


@runtime_checkable
class Report(Protocol):
    """What is asked of an audit."""

    def mark(self, vis: Visualizations) -> Visualizations:
        """The same pictures with what the audit says of them."""
        ...


def illustrated(
    graph: AttributionGraph,
    vis: Visualizations | None = None,
    store: Statistics | None = None,
    audit: Report | None = None,
    *,
    hooked: HookedModel | None = None,
    examples: int = 10,
) -> AttributionGraph:
    """The same graph with pictures of its units, what an audit says of them, and their top real images.

    Examples:
        >>> from fvhooks.synthesis.visualizations import as_visualizations
        >>> graph = AttributionGraph.of(["a:0", "b:1"], [(0, 1)], weight=[3.0], layers=["a", "b"])
        >>> vis = as_visualizations([Unit("a", 0)], np.zeros((1, 2, 3, 8, 8), np.uint8))
        >>> illustrated(graph, vis).data["pictured"].values.tolist()
        [True, False]

    Args:
        graph: what to illustrate.
        vis: pictures of some of its units; several seeds or facets of a unit are all kept. A unit that
            none of its pictures makes fire is shown as one without a picture.
        store: statistics of real images, for `examples`; layers that it lacks have none.
        audit: what `fvhooks.audit` said of these pictures; without it the verdicts that they carry.
        hooked: with the model, examples at inner layers are cut to what the firing position sees; without
            it they are whole images, with the place where the unit fired.
        examples: how many top images a unit.

    Raises:
        MissingInputError: the pictures are of none of the graph's units, or make none of them fire.
    """
    data = graph.data
    if vis is not None:
        data = data.assign(_pictures(data, audit.mark(vis) if audit is not None else vis))
        data = data.assign_coords(seed=np.arange(data.sizes["seed"])).assign_attrs(recipe=vis.recipe)
    if store is not None:
        data = data.assign(_examples(data, store, hooked, examples))
    return AttributionGraph(data)


def _pictures(data: xr.Dataset, vis: Visualizations) -> dict[str, Any]:
    silent = np.zeros(vis.data.sizes["unit"], bool)
    if "activation" in vis.data:  # a picture that its unit does not answer to shows nothing
        silent = (vis.data["activation"].transpose("unit", "seed") == 0).all("seed").values
    names = [str(name) for name in vis.data["unit"].values]
    place = {name: index for index, name in enumerate(names) if not silent[index]}
    at = np.array([place.get(str(name), -1) for name in data["unit"].values], dtype=np.int64)
    if not (at >= 0).any():
        ours = ", ".join(str(name) for name in data["unit"].values[:3])
        raise MissingInputError(
            f"Expected pictures of the graph's units ({ours}, …), got pictures of {', '.join(names[:3])}. "
            "Make them with fv.visualize(hooked, graph.units, …)."
        )
    pictures = vis.images.transpose("unit", "seed", "rgb", "y", "x").fillna(0).values
    found: dict[str, Any] = {
        "picture": (("node", "seed", "rgb", "y", "x"), _placed(as_bytes(pictures), at)),
        "pictured": ("node", at >= 0),
    }
    verdicts = vis.verdicts
    if verdicts is not None:
        said = np.where((at >= 0)[:, None], verdicts.values[at], "").astype(object)
        found["family_verdict"] = ("node", "kind"), said
        found["kind"] = "kind", verdicts["kind"].values
    return found


def _placed(values: np.ndarray, at: Int[np.ndarray, " node"]) -> np.ndarray:
    """The values of each node; zeros where there are none."""
    placed: np.ndarray = values[at].copy()
    placed[at < 0] = 0
    return placed


def _examples(data: xr.Dataset, store: Statistics, hooked: HookedModel | None, top: int) -> dict[str, Any]:
    known = _known(data, store)
    layers, channels, names = (data[name].values[known] for name in ("layer", "channel", "unit"))
    asked = xr.Dataset(
        {"channel": ("unit", channels), "note": ("unit", np.full(len(names), "", dtype=object))},
        coords={"unit": ("unit", names)},
    )
    units = [Unit(str(layer), int(channel)) for layer, channel in zip(layers, channels, strict=True)]
    fields = fields_of(store, hooked, units) if hooked is not None else {}
    found = real_images(store, asked, top, fields)
    at = np.full(data.sizes["node"], -1, dtype=np.int64)
    at[known] = np.arange(len(names))
    arrays: dict[str, Any] = {}
    for name, (dims, values) in found.items():
        kept = (values[at] if len(values) else np.zeros((len(at), *values.shape[1:]), values.dtype)).copy()
        kept[at < 0] = {"f": np.nan, "O": ""}.get(values.dtype.kind, 0)
        along = (dims,) if isinstance(dims, str) else dims
        arrays[name] = ("node", *along[1:]), kept
    return arrays


def _known(data: xr.Dataset, store: Statistics) -> Bool[np.ndarray, " node"]:
    """Which nodes are of layers that the store has."""
    kept: dict[str, bool] = {}
    for layer in {str(layer) for layer in data["layer"].values}:
        try:
            kept[layer] = store[layer] is not None
        except LayerNotFoundError:
            kept[layer] = False
    return np.array([kept[str(layer)] for layer in data["layer"].values], dtype=bool)
