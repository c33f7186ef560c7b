"""Numbers for pictures: distance from real images, what other networks see, which path they take."""

from fvhooks.metrics.accuracy import accuracy, predict
from fvhooks.metrics.agreement import agreement
from fvhooks.metrics.frechet import FrechetDistance, FrechetTerms, frechet_distance, frechet_terms
from fvhooks.metrics.intervals import Interval
from fvhooks.metrics.paths import PathCurve, path_curve, spearman, standardized_ranks
from fvhooks.metrics.recovery import Recovery, recovery
from fvhooks.metrics.specificity import Specificity, specificity
from fvhooks.metrics.transfer import Transfer, transfer

__all__ = [
    "FrechetDistance",
    "FrechetTerms",
    "Interval",
    "PathCurve",
    "Recovery",
    "Specificity",
    "Transfer",
    "accuracy",
    "agreement",
    "frechet_distance",
    "frechet_terms",
    "path_curve",
    "predict",
    "recovery",
    "spearman",
    "specificity",
    "standardized_ranks",
    "transfer",
]
