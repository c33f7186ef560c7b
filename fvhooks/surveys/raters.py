"""How far people agree with each other, beyond chance."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from fvhooks.errors import ShapeError


def rater_agreement(
    items: Sequence[str], answers: Sequence[str] | Sequence[float], *, numeric: bool = False
) -> float:
    """Krippendorff's alpha of answers to the same questions.

    Examples:
        >>> rater_agreement(["a", "a", "b", "b"], ["cat", "cat", "dog", "dog"])
        1.0

    Args:
        items: which question each answer is to. Questions with a single answer are left out.
        answers: the answers.
        numeric: whether near numbers agree more than far ones do (the interval form of alpha); otherwise
            answers are the same or not (the nominal form).

    Returns:
        1 where all agree, 0 where they agree as by chance, below 0 less than by chance; NaN where no question
        has two answers, or where all answers to all questions are the same.

    Raises:
        ShapeError: another number of answers than of questions.
    """
    if len(items) != len(answers):
        raise ShapeError(f"Expected a question for each answer, got {len(items)} and {len(answers)}.")
    if not len(items):
        return float("nan")
    _, place, counts = np.unique(np.asarray(items), return_inverse=True, return_counts=True)
    paired = counts[place] > 1
    place, given = place[paired], np.asarray(answers)[paired]
    if not len(given):
        return float("nan")
    apart = _distances(given, numeric=numeric)
    same = place[:, None] == place
    observed = float((apart * same / (counts[place] - 1)[:, None]).sum() / len(given))
    expected = float(apart.sum() / (len(given) * (len(given) - 1)))
    return 1 - observed / expected if expected > 0 else float("nan")


def _distances(answers: np.ndarray, *, numeric: bool) -> Float[np.ndarray, "answer answer"]:
    if not numeric:
        return np.asarray((answers[:, None] != answers).astype(np.float64))
    numbers = answers.astype(np.float64)
    return np.asarray((numbers[:, None] - numbers) ** 2)
