"""What a browser of a store holds."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.browsing.measures import selectivity_for
from fvhooks.browsing.shelves import Shelf
from fvhooks.errors import LayerNotFoundError, MissingInputError, did_you_mean
from fvhooks.results import Result
from fvhooks.unit_cards import UnitCards
from fvhooks.units import Unit

_OF_UNITS = ("measure", "dead", "signed", "best_label", "class_mean", "unit", "layer", "channel", "statistic")
_CARDS = {"card": "unit", "card_layer": "layer", "card_channel": "channel"}


@dataclass(frozen=True, eq=False, repr=False)
class StoreBrowser(Result):
    """Every unit of a store with its statistics, to wander through layer by layer.

    `data` holds `measure` (unit, statistic), what units are sorted by; `dead` (unit), whether one never
    fires; `signed` (unit); where the images have labels `class_mean` (unit, label), the mean peak, and
    `best_label` (unit); and cards of the first units of each layer along `card`, as `UnitCards` has them.

    Args:
        data: everything that it holds.
        shelf: where the cards of the other units come from; a browser that was loaded has none.
    """

    kind: ClassVar[str] = "store_browser"
    shelf: Shelf | None = field(default=None, repr=False)

    @property
    def selected(self) -> list[Unit]:
        """The units that are selected in the view, in the order in which they were chosen."""
        return [] if self.widget is None else [Unit.parse(one) for one in self.widget.selected]

    @property
    def opened(self) -> list[Result]:
        """The maps and circuits that were opened in the view, the last one last."""
        return [] if self.shelf is None else list(self.shelf.opened)

    @property
    def layers(self) -> list[str]:
        """The names of the layers, in network order."""
        return list(dict.fromkeys(str(layer) for layer in self.data["layer"].values))

    @property
    def statistics(self) -> list[str]:
        """What units can be sorted by; the first is what a view begins with."""
        return [str(name) for name in self.data["statistic"].values]

    @property
    def cards(self) -> UnitCards:
        """The cards that travel with it, of the first units of each layer and of those with a picture."""
        own = self.data.drop_vars([*_OF_UNITS, "label"], errors="ignore")
        return UnitCards(own.rename(_CARDS))

    def sorted_units(
        self, layer: str, statistic: str | None = None, *, label: int | None = None
    ) -> list[Unit]:
        """The units of a layer, those with the highest value first, those without one last.

        Examples:
            >>> browser.sorted_units("layer4", "highest peak")[:3]  # doctest: +SKIP

        Args:
            layer: of the store.
            statistic: of `statistics`; by default the first.
            label: sort by the selectivity for this label instead.

        Raises:
            LayerNotFoundError: no such layer.
            MissingInputError: no such statistic or label; which there are.
        """
        values = self.values(layer, statistic, label=label)
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        return [Unit(layer, int(channel)) for channel in order]

    def values(
        self, layer: str, statistic: str | None = None, *, label: int | None = None
    ) -> Float[np.ndarray, " channel"]:
        """What the units of a layer are sorted by, in the order of their channels; see `sorted_units`."""
        rows = self._rows(layer)
        if label is not None:
            known = self.data["label"].values if "class_mean" in self.data else np.zeros(0, int)
            if label not in known:
                some = ", ".join(map(str, known[:8])) or "none"
                raise MissingInputError(f"No mean peaks are known for label {label!r}; known are: {some}.")
            place = int(np.flatnonzero(known == label)[0])
            means = self.data["class_mean"].values[rows].astype(np.float64)
            return selectivity_for(means, place, self.data["signed"].values[rows])
        chosen = self.statistics[0] if statistic is None else statistic
        if chosen not in self.statistics:
            hint = did_you_mean(chosen, self.statistics)
            raise MissingInputError(
                f"No statistic {chosen!r}.{hint} There are: {', '.join(self.statistics)}."
            )
        return np.asarray(self.data["measure"].values[rows, self.statistics.index(chosen)])

    def __repr__(self) -> str:
        units = f"{self.data.sizes['unit']} units in {len(self.layers)} layers"
        return f"StoreBrowser({units}, {len(self.statistics)} statistics)"

    def _rows(self, layer: str) -> Int[np.ndarray, " channel"]:
        rows = np.flatnonzero(self.data["layer"].values == layer)
        if not len(rows):
            hint = did_you_mean(layer, self.layers)
            raise LayerNotFoundError(f"The browser has no layer {layer!r}.{hint} It has {self.layers}.")
        return rows


def with_cards(table: xr.Dataset, cards: UnitCards) -> xr.Dataset:
    """Units and some of their cards in one data set."""
    own = cards.data.rename({there: here for here, there in _CARDS.items()})
    return table.assign_coords(own.coords).assign(own.data_vars).assign_attrs(own.attrs)
