"""An attribution graph: units in layers, and what passes between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float, Int, Shaped

from fvhooks.errors import MissingInputError
from fvhooks.results import VIEWERS, Result
from fvhooks.units import Unit

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from fvhooks.circuits.edge_lists import Edge
    from fvhooks.circuits.verification import Verification
    from fvhooks.hooks import HookedModel
    from fvhooks.store.reading import Store


@dataclass(frozen=True, eq=False)
class AttributionGraph(Result):
    """Units that a target rests on, one row a layer, and the edges between them; made by `attribution_graph`.

    Examples:
        >>> graph = AttributionGraph.of(["a:0", "b:1"], [(0, 1)], weight=[3.0], layers=["a", "b"])
        >>> graph
        AttributionGraph(2 units in 2 layers, 1 edge)
        >>> graph.units[1].id, graph.data["weight"].values.tolist()
        ('b:1', [3.0])

    Args:
        data: of each `node` its `unit` id, `layer`, `channel`, `score` (how strongly the target's images use
            it, from 0 to 1 within its layer), `share` (of the target's images that count it), `importance`
            (of the ranking that chose it) and `classes` (how many classes use it), where they are known;
            of each `edge` the indices `source` and `target` of its nodes, `weight` (signed), and `stability`
            (0 to 1, how far two halves of the images agree about it). `attrs["layers"]` are the rows, the
            lowest first; `attrs` also says the target, how it was made, and of how many images.
            For the view there may be, beside what `illustrated` adds: `side` (node) and `edge_side` (edge),
            −1 for what is of the first of two classes alone, 0 of both, 1 of the second alone, named by
            `attrs["sides"]`; and of each `class` its `class_name`, `class_accuracy`, `class_images` and
            `class_histogram` (class, bin), with `class_x`, `class_y` and `class_similarity` (row, class), to
            the graph's own class, which is `attrs["label"]`; `attrs["class_layers"]` are their rows.
    """

    kind: ClassVar[str] = "attribution_graph"

    @classmethod
    def of(
        cls,
        units: Sequence[str],
        edges: Iterable[tuple[int, int]],
        /,
        *,
        weight: Sequence[float] | Float[np.ndarray, " edge"],
        layers: Sequence[str],
        stability: Sequence[float] | Float[np.ndarray, " edge"] | None = None,
        nodes: dict[str, Shaped[np.ndarray, " node"]] | None = None,
        **attributes: Any,  # noqa: ANN401
    ) -> "AttributionGraph":
        """A graph from its parts.

        Args:
            units: ids, such as "layer3:7".
            edges: (source, target) indices into them.
            weight: of each edge.
            layers: the rows, the lowest first.
            stability: of each edge.
            nodes: further values of each node.
            **attributes: what else the graph says of itself.
        """
        pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        parsed = [Unit.parse(unit) for unit in units]
        unknown = sorted({unit.layer for unit in parsed} - set(layers))
        if unknown:
            raise MissingInputError(f"Expected units of the layers {list(layers)}, got some of {unknown}.")
        data = {
            "layer": ("node", np.array([unit.layer for unit in parsed], dtype=object)),
            "channel": ("node", np.array([unit.channel for unit in parsed], dtype=np.int64)),
            "source": ("edge", pairs[:, 0]),
            "target": ("edge", pairs[:, 1]),
            "weight": ("edge", np.asarray(weight, dtype=np.float64)),
        } | {name: ("node", values) for name, values in (nodes or {}).items()}
        if stability is not None:
            data["stability"] = ("edge", np.asarray(stability, dtype=np.float64))
        coords = {"unit": ("node", np.array(list(units), dtype=object))}
        return cls(xr.Dataset(data, coords=coords, attrs={"layers": list(layers), **attributes}))

    @property
    def layers(self) -> list[str]:
        """The rows, the lowest first."""
        return list(self.data.attrs["layers"])

    @property
    def units(self) -> list[Unit]:
        """Of each node."""
        return [Unit.parse(str(unit)) for unit in self.data["unit"].values]

    @property
    def pairs(self) -> Int[np.ndarray, "edge 2"]:
        """The indices of the source and of the target of each edge."""
        return np.stack([self.data["source"].values, self.data["target"].values], axis=1)

    def verify(
        self,
        hooked: "HookedModel",
        store: "Store",
        *,
        label: int | None = None,
        images: int | None = 100,
        draws: int = 3,
        seed: int = 0,
    ) -> "Verification":
        """Does the class need these units, and do edges say what happens? On images that made no graph.

        One layer at a time, on images of the report split, the graph's units are replaced by their mean over
        reference images, or by what they are on an image of another class; or all others are. The change of
        the margin, of the class and of other classes' images for their own, stands beside that of as many
        units by gradient × activation, by top activation, and of random ones of about the same activation.

        Args:
            hooked: the model.
            store: of it, with its data set.
            label: of the class, where the graph does not say it.
            images: of the class, at most; there are as many of others.
            draws: random sets.
            seed: of images, random sets and intervals.

        Raises:
            MissingInputError: no labels, no report image of the class, no data set, no inner unit.
            StoreError: the store is of another model.
        """
        from fvhooks.circuits.verification import verify  # noqa: PLC0415 - it takes graphs

        return verify(self, hooked, store, label=label, images=images, draws=draws, seed=seed)

    def to_networkx(self) -> "nx.DiGraph":
        """A directed networkx graph: nodes are (layer, channel), edges have a "weight"."""
        from fvhooks.circuits.exchange import to_networkx  # noqa: PLC0415 - it makes graphs

        return to_networkx(self)

    @staticmethod
    def from_networkx(made: "nx.DiGraph", layers: Sequence[str] | None = None) -> "AttributionGraph":
        """A graph from networkx; see `fvhooks.circuits.exchange.from_networkx`."""
        from fvhooks.circuits.exchange import from_networkx  # noqa: PLC0415 - it makes graphs

        return from_networkx(made, layers)

    def to_json(self, path: str | Path | None = None) -> str:
        """The graph as JSON, written to a file too where a path is given; pictures stay behind."""
        from fvhooks.circuits.exchange import to_json  # noqa: PLC0415 - it makes graphs

        return to_json(self, path)

    @staticmethod
    def from_json(text: str | Path) -> "AttributionGraph":
        """A graph from such JSON, or from the path of a file that holds it."""
        from fvhooks.circuits.exchange import from_json  # noqa: PLC0415 - it makes graphs

        return from_json(text)

    @staticmethod
    def from_edges(edges: "Iterable[Edge] | pd.DataFrame", /, **options: Any) -> "AttributionGraph":  # noqa: ANN401
        """A graph from edges that any circuit tool found; see `fvhooks.circuits.edge_lists.from_edges`."""
        from fvhooks.circuits.edge_lists import from_edges  # noqa: PLC0415 - it makes graphs

        return from_edges(edges, **options)

    def compare(self, other: "AttributionGraph") -> "AttributionGraph":
        """Both graphs in one, each unit and edge marked by the side that it is on."""
        from fvhooks.circuits.comparison import compare  # noqa: PLC0415 - it makes graphs

        return compare(self, other)

    def illustrated(self, *given: Any, **options: Any) -> "AttributionGraph":  # noqa: ANN401
        """The same graph with pictures of its units; see `fvhooks.circuits.illustrations.illustrated`."""
        return import_module("fvhooks.circuits.illustrations").illustrated(self, *given, **options)  # type: ignore[no-any-return]

    def to_svg(self, path: str | Path) -> Path:
        """Write the graph as one drawing, pictures included."""
        drawn: str = VIEWERS[self.kind].svg(self)  # type: ignore[attr-defined]
        Path(path).write_text(drawn, encoding="utf-8")
        return Path(path)

    def to_png(self, path: str | Path) -> Path:
        """Write the graph as one image."""
        VIEWERS[self.kind].png(self).save(path, "PNG")  # type: ignore[attr-defined]
        return Path(path)

    def __repr__(self) -> str:
        nodes, edges = self.data.sizes["node"], self.data.sizes["edge"]
        rows = len(self.layers)
        return (
            f"AttributionGraph({nodes} unit{'s' * (nodes != 1)} in {rows} layer{'s' * (rows != 1)}, "
            f"{edges} edge{'s' * (edges != 1)})"
        )
