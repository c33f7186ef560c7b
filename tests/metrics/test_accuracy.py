"""Self and transfer accuracy."""

import numpy as np
import pytest
import torch
from torch import nn

import fvhooks as fv
from fvhooks.errors import ShapeError
from fvhooks.metrics.accuracy import accuracy, predict


class Brightest(nn.Module):
    """Tells which of three channels is the brightest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def test_predict_in_batches_gives_each_image_its_own_answer() -> None:
    images = torch.zeros(7, 3, 2, 2)
    wanted = np.array([2, 0, 1, 1, 0, 2, 2])
    images[torch.arange(7), torch.from_numpy(wanted)] = 1
    assert (predict(fv.attach(Brightest(), input_shape=(3, 2, 2)), images, batch_size=3) == wanted).all()


def test_interval_by_class_is_wider_where_classes_differ() -> None:
    """Every picture of one class fails: the binomial interval is too sure."""
    wanted = np.repeat(np.arange(10), 20)
    predicted = np.where(wanted < 3, 9, wanted)
    plain, clustered = accuracy(predicted, wanted), accuracy(predicted, wanted, by_class=True)
    assert plain.value == clustered.value == 0.7
    assert clustered.high - clustered.low > 2 * (plain.high - plain.low)


def test_other_numbers_of_predictions_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        accuracy([1, 2], [1, 2, 3])
