"""Numbers for pictures: distance from real images, what other networks see, which path they take."""

from fvhooks.metrics.accuracy import accuracy, predict
from fvhooks.metrics.frechet import FrechetDistance, FrechetTerms, frechet_distance, frechet_terms
from fvhooks.metrics.intervals import Interval
from fvhooks.metrics.paths import PathCurve, path_curve, spearman, standardized_ranks

__all__ = [
    "FrechetDistance",
    "FrechetTerms",
    "Interval",
    "PathCurve",
    "accuracy",
    "frechet_distance",
    "frechet_terms",
    "path_curve",
    "predict",
    "spearman",
    "standardized_ranks",
]
