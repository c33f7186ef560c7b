"""Numbers for pictures: distance from real images, what other networks see, which path they take."""

from fvhooks.metrics.accuracy import accuracy, predict
from fvhooks.metrics.agreement import agreement
from fvhooks.metrics.entries import check_entry, check_judge, check_splits
from fvhooks.metrics.frechet import FrechetDistance, FrechetTerms, frechet_distance, frechet_terms
from fvhooks.metrics.identities import Identity, identity, log_odds
from fvhooks.metrics.intervals import Interval
from fvhooks.metrics.paths import PathCurve, path_curve, spearman, standardized_ranks
from fvhooks.metrics.patterns import pattern_correlation
from fvhooks.metrics.ranges import NaturalRange, natural_range
from fvhooks.metrics.recovery import Recovery, recovery
from fvhooks.metrics.specificity import Specificity, specificity
from fvhooks.metrics.transfer import Transfer, transfer
from fvhooks.metrics.variety import Diversity, diversity, novelty

__all__ = [
    "Diversity",
    "FrechetDistance",
    "FrechetTerms",
    "Identity",
    "Interval",
    "NaturalRange",
    "PathCurve",
    "Recovery",
    "Specificity",
    "Transfer",
    "accuracy",
    "agreement",
    "check_entry",
    "check_judge",
    "check_splits",
    "diversity",
    "frechet_distance",
    "frechet_terms",
    "identity",
    "log_odds",
    "natural_range",
    "novelty",
    "path_curve",
    "pattern_correlation",
    "predict",
    "recovery",
    "spearman",
    "specificity",
    "standardized_ranks",
    "transfer",
]
