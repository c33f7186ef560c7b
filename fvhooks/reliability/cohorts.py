"""The real images that a unit's pictures are compared with.

The split "reference" made the pictures, "calibration" sets ranges and limits, "report" is held out for
claims: no image judges what it made.
"""

from dataclasses import dataclass

import numpy as np

from fvhooks.store.reading import Store
from fvhooks.units import LOGITS, Unit

MOST = 60
"""Real images of a kind at most, for each unit."""
_TOP = 0.05  # of a split's images, as a unit's own
_FEWEST_TOP = 20
_POOL = 160


@dataclass(frozen=True)
class Cohort:
    """Ids of real images, by their part.

    Args:
        own: of the unit's own kind, calibration.
        other: of another kind, calibration.
        held: of the unit's own kind, held out.
        reference: of the unit's own kind, from the split that pictures are made from.
        described: what "its own kind" means here.
    """

    own: tuple[str, ...]
    other: tuple[str, ...]
    held: tuple[str, ...]
    reference: tuple[str, ...]
    described: str

    @property
    def everything(self) -> tuple[str, ...]:
        """The images that activations are needed of."""
        return self.own + self.other + self.held


def choose_cohort(store: Store, unit: Unit) -> Cohort:
    """The real images for one unit: by label for a labelled output, by peak activation for any other unit.

    Args:
        store: what real images do in the model.
        unit: what the pictures are of; at one position of a layer, its whole channel is asked.
    """
    table = store.images_table
    usable = table.error.values == ""
    labels = table.label.values
    pool = _shuffled(np.flatnonzero(usable & (table.split.values == "calibration")))[:_POOL]
    if unit.layer == LOGITS and (labels[usable] >= 0).any():
        wanted = store.label_of_logit(unit.channel)
        parts = {
            split: _shuffled(np.flatnonzero(usable & (labels == wanted) & (table.split.values == split)))
            for split in ("calibration", "report", "reference")
        }
        other = pool[labels[pool] != wanted]
        described = f"images of label {wanted}"
    else:
        peaks = store.of_images(unit.layer).isel(channel=unit.channel).values
        usable &= np.isfinite(peaks)
        parts = {
            split: _strongest(np.flatnonzero(usable & (table.split.values == split)), peaks)
            for split in ("calibration", "report", "reference")
        }
        weak = np.flatnonzero(usable & (table.split.values == "calibration"))
        middle = np.median(peaks[weak]) if len(weak) else np.nan
        other = np.setdiff1d(pool[peaks[pool] <= middle], parts["calibration"], assume_unique=True)
        described = f"images that {unit.id} answers to most"
    ids = table.id.values.astype(str)
    named = {part: tuple(ids[rows[:MOST]].tolist()) for part, rows in parts.items()}
    return Cohort(
        named["calibration"], tuple(ids[other].tolist()), named["report"], named["reference"], described
    )


def _strongest(rows: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    count = min(max(_FEWEST_TOP, round(_TOP * len(rows))), len(rows) // 2)
    return rows[np.argsort(-peaks[rows], kind="stable")[:count]]


def _shuffled(rows: np.ndarray) -> np.ndarray:
    """The same random order every time: rows lie in label order."""
    return np.random.default_rng(0).permutation(rows)
