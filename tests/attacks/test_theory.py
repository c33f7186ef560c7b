"""Two functions with the same feature visualizations that answer differently: no picture tells a function.

A picture of a unit is where it is smallest and largest, and how much it gives there. For each class of
functions there is a pair that shares all of that and differs at some x; whoever predicts from the pictures
errs at x by half the difference on one of them. The classes and the claim are those of Geirhos et al. (2024);
the pairs are our own.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

Function = Callable[[np.ndarray], np.ndarray]
GRID = np.array(list(product(np.linspace(0, 1, 41), repeat=2)))
SEGMENT = np.linspace(0, 1, 1001)[:, None]
E = 0.001


def pictures(function: Function, points: np.ndarray) -> list[float]:
    """What an observer is shown: where the function is smallest and largest, and what it gives there."""
    values = function(points)
    low, high = int(values.argmin()), int(values.argmax())
    return [*points[low], *points[high], float(values[low]), float(values[high])]


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


def bump(points: np.ndarray, place: float, width: float, height: float) -> np.ndarray:
    """A tent on the first axis, from four rectified units."""
    along = (points[:, 0] - place) / width
    return height * (relu(along + 1) - 2 * relu(along) + relu(along - 1))


def plain(points: np.ndarray) -> np.ndarray:
    return points[:, 0]


def with_bump(points: np.ndarray) -> np.ndarray:
    return plain(points) + bump(points, 0.1, 0.05, 0.85)


def early(points: np.ndarray) -> np.ndarray:
    return (1 - E) * np.clip(points[:, 0] / E, 0, 1) + E * points[:, 0]


def late(points: np.ndarray) -> np.ndarray:
    return (1 - E) * np.clip((points[:, 0] - 1 + E) / E, 0, 1) + E * points[:, 0]


def steep(points: np.ndarray) -> np.ndarray:
    return points[:, 0] ** 50


def towards(weights: tuple[float, float]) -> Function:
    return lambda points: points @ np.array(weights)


WITNESSES = {  # class: both functions, the points, where they differ, by how much of the range
    "any function, ReLU networks, piecewise affine": (plain, with_bump, SEGMENT, [0.1], 0.85),
    "monotone": (early, late, SEGMENT, [0.5], 1.0),
    "convex": (plain, steep, SEGMENT, [0.9], 0.89),
    "affine in two dimensions": (towards((1 - E, E)), towards((E, 1 - E)), GRID, [1.0, 0.0], 0.998),
}


@pytest.mark.parametrize("name", WITNESSES)
def test_the_same_pictures_and_another_function(name: str) -> None:
    one, other, points, x, difference = WITNESSES[name]
    assert pictures(one, points) == pytest.approx(pictures(other, points))
    low, high = pictures(one, points)[-2:]
    apart = abs(float(one(np.array([x]))[0] - other(np.array([x]))[0]))
    assert apart / (high - low) == pytest.approx(difference, abs=0.01)
    assert (one(np.array([x]))[0] > 0.5) != (other(np.array([x]))[0] > 0.5)  # nor which extreme is nearer


def test_the_witnesses_are_of_their_classes() -> None:
    for function in (early, late):
        assert (np.diff(function(SEGMENT)) >= 0).all()
    for function in (plain, steep):
        assert (np.diff(function(SEGMENT), 2) >= -1e-12).all()
    slopes = np.diff(with_bump(SEGMENT)) / 0.001
    assert len(np.unique(slopes.round(6))) == 3  # piecewise affine: beside the tent, up and down it
    for weights in ((1 - E, E), (E, 1 - E)):
        function = towards(weights)
        middle = (GRID[:-1] + GRID[1:]) / 2
        assert np.allclose(function(middle), (function(GRID[:-1]) + function(GRID[1:])) / 2)


def test_a_network_with_no_training_error_can_hide_the_bump() -> None:
    data = np.setdiff1d(SEGMENT[:, 0].round(3), np.arange(0.05, 0.15, 0.001).round(3))[:, None]
    assert with_bump(data) == pytest.approx(plain(data), abs=1e-12)
    assert pictures(with_bump, data) == pytest.approx(pictures(plain, data))
    assert with_bump(np.array([[0.1]])) == pytest.approx(0.95)


def test_a_line_and_a_constant_are_known_from_their_pictures() -> None:
    for slope, shift in ((2.0, -1.0), (-0.5, 3.0)):
        low_at, high_at, low, high = pictures(lambda x: slope * x[:, 0] + shift, SEGMENT)  # noqa: B023
        found = (high - low) / (high_at - low_at)
        assert found == pytest.approx(slope)
        assert low - found * low_at == pytest.approx(shift)
    _, _, low, high = pictures(lambda x: np.full(len(x), 0.7), SEGMENT)
    assert low == high == 0.7


def test_on_a_ball_the_pictures_of_an_affine_function_tell_it() -> None:
    """What is searched matters: on a ball the largest point is the direction of the weights."""
    angles = np.linspace(0, 2 * np.pi, 3601)[:-1]
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    weights = np.array([1 - E, E])
    *_, x, y, low, high = pictures(lambda x: x @ weights + 4, circle)
    assert np.array([x, y]) * (high - low) / 2 == pytest.approx(weights, abs=1e-3)


def _lipschitz_bounds(points: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most that a function of that slope can give, 0 at one corner and 1 at the other."""
    to_low, to_high = (np.linalg.norm(points - corner, axis=1) for corner in ((0.0, 0.0), (1.0, 1.0)))
    return np.maximum(0, 1 - slope * to_high), np.minimum(1, slope * to_low)


@pytest.mark.parametrize("times", [1.0, 1.5, 2.0, 3.0, 6.0])
def test_both_bounds_of_a_lipschitz_function_are_such_functions_with_the_same_pictures(times) -> None:
    slope = times / np.sqrt(2)
    low, high = _lipschitz_bounds(GRID, slope)
    for values in (low, high):
        assert values[0] == 0
        assert values[-1] == 1
        steps = np.linalg.norm(GRID[:, None] - GRID, axis=2)
        assert (np.abs(values[:, None] - values) <= slope * steps + 1e-9).all()
    assert (low <= high + 1e-12).all()


@pytest.mark.parametrize(
    ("times", "ambiguous", "error"),
    [(1.0, 0.22, 0.04), (1.5, 0.65, 0.27), (2.0, 0.80, 0.37), (3.0, 0.91, 0.44), (6.0, 0.98, 0.49)],
)
def test_how_little_a_known_slope_says(times, ambiguous, error) -> None:
    """The numbers of docs/methods/theory.md: square, extremes at opposite corners."""
    low, high = _lipschitz_bounds(FINE, times / np.sqrt(2))
    assert ((low < 0.5) & (high > 0.5)).mean() == pytest.approx(ambiguous, abs=0.006)
    assert ((high - low) / 2).mean() == pytest.approx(error, abs=0.006)


FINE = np.array(list(product((np.arange(300) + 0.5) / 300, repeat=2)))
