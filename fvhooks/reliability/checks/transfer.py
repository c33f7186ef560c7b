"""Does another network with the same classes see the class in its picture?

The class's log-odds and rank among the outputs of the other network. A description, never a verdict: what
one network looks for need not be what another does, and a picture that transfers may be off its own path.
"""

from typing import ClassVar, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from fvhooks.errors import MissingInputError
from fvhooks.metrics.intervals import percentile_interval
from fvhooks.reliability.checks import CHECKS
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import FLOORS, INCONCLUSIVE, Finding
from fvhooks.reliability.judging import Judge
from fvhooks.units import LOGITS, Unit

_FEWEST = 5  # real images of the class
_DRAWS = 200


@CHECKS.register("transfer")
class Transfer:
    """Log-odds of the picture's class in another network."""

    family: ClassVar[Literal["off_path", "tampered"]] = "off_path"
    question: ClassVar[str] = "Does another network see the class in the picture?"

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The log-odds of the unit's pictures, their median; the interval draws seeds again."""
        if unit.layer != LOGITS:
            raise MissingInputError(
                "only outputs have a counterpart in another network, inner units have none"
            )
        judge, cohort = evidence.require_judge(), evidence.cohort(unit)
        _check_labels(evidence, judge)
        if len(cohort.held) < _FEWEST:
            found = f"{len(cohort.held)} {cohort.described} in the report split"
            raise MissingInputError(f"{found}, {_FEWEST} are needed; collect more images")
        real, cast = judge.logits_of(cohort.held), judge.logits(evidence.cast(unit))
        if np.median(ranks(real, unit.channel)) > 1:
            found = f"its rank among real images of the class is {np.median(ranks(real, unit.channel)):.0f}"
            raise MissingInputError(
                f"output {unit.channel} of the judge seems to mean something else: {found}; pass a judge "
                "whose outputs are the same classes in the same order"
            )
        seeds = evidence.seeds
        odds, place = log_odds(cast, unit.channel), ranks(cast, unit.channel)
        drawn = np.median(np.random.default_rng(0).choice(odds[:seeds], (_DRAWS, seeds)), axis=1)
        value = percentile_interval(float(np.median(odds[:seeds])), drawn)
        usual = log_odds(real, unit.channel)
        reason = (
            f"a description, no verdict: log-odds {value}, rank {np.median(place[:seeds]):.0f} of "
            f"{judge.outputs} in the other network; real images {np.median(usual):.3g}"
        )
        details = xr.Dataset(
            {
                "transfer_log_odds": ("seed", odds[:seeds]),
                "transfer_rank": ("seed", place[:seeds].astype(float)),
                "transfer_log_odds_real": float(np.median(usual)),
            },
            coords={"seed": np.arange(seeds)},
        )
        controls = {"real": float(np.median(usual))} | dict(zip(FLOORS, odds[seeds:].tolist(), strict=True))
        return Finding(INCONCLUSIVE, reason, value, controls=controls, details=details)


def _check_labels(evidence: Evidence, judge: Judge) -> None:
    labels = evidence.store.images_table.label.values
    if not (labels >= 0).any():
        raise MissingInputError(
            "without labels nothing says that the judge's outputs are the same classes; collect a data set "
            "with labels"
        )
    outputs = evidence.hooked.layout(LOGITS).channels
    if judge.outputs != outputs:
        found = f"the judge has {judge.outputs} outputs, the audited network {outputs}"
        raise MissingInputError(f"{found}; pass a judge whose outputs are the same classes in the same order")


def log_odds(logits: Float[np.ndarray, "image output"], output: int) -> Float[np.ndarray, " image"]:
    """The logarithm of an output's odds against all others, after softmax.

    Examples:
        >>> log_odds(np.log([[1.0, 2.0, 1.0]]), 1).round(6).tolist()
        [0.0]
    """
    others = np.delete(logits, output, axis=1)
    highest = others.max(1)
    together = highest + np.log(np.exp(others - highest[:, None]).sum(1))
    return np.asarray(logits[:, output] - together)


def ranks(logits: Float[np.ndarray, "image output"], output: int) -> Int[np.ndarray, " image"]:
    """An output's place among all, 1 the highest.

    Examples:
        >>> ranks(np.array([[3.0, 1.0, 2.0]]), 2).tolist()
        [2]
    """
    return np.asarray(1 + (logits > logits[:, [output]]).sum(1))
