"""Where a browser that has a store takes what it does not hold yet: cards, maps and circuits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fvhooks.atlases.maps import atlas
from fvhooks.atlases.results import Atlas
from fvhooks.circuits.attribution import attribution_graph
from fvhooks.circuits.graphs import AttributionGraph
from fvhooks.errors import MissingInputError
from fvhooks.hooks import HookedModel
from fvhooks.reliability.audits import AuditReport
from fvhooks.results import Result
from fvhooks.store.examples import Field
from fvhooks.store.reading import Store
from fvhooks.synthesis.visualizations import Visualizations
from fvhooks.unit_cards import UnitCards, cards_of_units
from fvhooks.units import Unit

_EXAMPLES = 4  # real images of each unit of a circuit


@dataclass(frozen=True, eq=False)
class Shelf:
    """A store with what was made of its units.

    Args:
        store: statistics of real images.
        vis: pictures of some units.
        report: what an audit said of them.
        hooked: the model.
        fields: how much of the picture the positions of each layer see.
        names: what labels are called.
        opened: the maps and circuits that were made, in their order.
    """

    store: Store
    vis: Visualizations | None = None
    report: AuditReport | None = None
    hooked: HookedModel | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    opened: list[Result] = field(default_factory=list)

    def cards(self, units: Sequence[Unit], top: int = 9) -> UnitCards:
        """The cards of some units, with their real images cut to what the firing position sees.

        Args:
            units: of the store.
            top: how many real images of each.
        """
        made = cards_of_units(
            units, self.store, vis=self.vis, report=self.report, fields=self.fields, top=top
        )
        labels = made.data["top_label"]
        called = [self.called(str(label)) for label in labels.values.ravel()]
        return UnitCards(made.data.assign(top_label=labels.copy(data=_shaped(called, labels.shape))))

    def called(self, label: str) -> str:
        """The name of a label, or what it is where it has none."""
        return self.names.get(int(label), label) if label.lstrip("-").isdigit() else label

    def atlas(self, unit: Unit) -> Atlas:
        """The images around a unit, laid out by principal components: that takes a second or two."""
        made = atlas(self.store, unit=unit, layout="pca", names=dict(self.names))
        self.opened.append(made)
        return made

    def circuit(self, label: int) -> AttributionGraph:
        """The circuit of a label, by the edges that the store or the model can give.

        Raises:
            MissingInputError: neither has any.
        """
        edges = "influence" if self.store.has_influence else "weights"
        if edges == "weights" and self.hooked is None:
            raise MissingInputError(
                "A circuit needs edges, and the store was collected without them. Pass hooked= to fv.browse, "
                "or collect with influence=True."
            )
        graph = attribution_graph(
            self.store, label=label, edges=edges, hooked=self.hooked, names=dict(self.names)
        )
        vis = self.vis
        if vis is not None and not {unit.id for unit in graph.units} & set(vis.data["unit"].values):
            vis = None
        report = self.report if vis is not None else None
        made = graph.illustrated(vis, self.store, report, hooked=self.hooked, examples=_EXAMPLES)
        self.opened.append(made)
        return made


def _shaped(words: list[str], shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(words), dtype=object)
    found[:] = words
    return found.reshape(shape)
