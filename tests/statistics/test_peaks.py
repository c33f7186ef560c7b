"""What is kept of every image."""

import numpy as np
import torch

from fvhooks.statistics.peaks import peaks


def test_equal_to_numpy() -> None:
    values = torch.randn(3, 4, 50)
    kept = peaks(values, signed=True)
    exact = values.numpy()
    assert np.array_equal(kept["peak"], exact.max(-1))
    assert np.array_equal(kept["trough"], exact.min(-1))
    assert np.array_equal(kept["position"], exact.argmax(-1))
    np.testing.assert_allclose(kept["average"], exact.mean(-1), rtol=1e-5, atol=1e-6)


def test_the_first_of_equal_positions() -> None:
    assert peaks(torch.tensor([[[0.0, 2.0, 2.0]]]))["position"].item() == 1


def test_a_channel_that_is_never_positive_has_its_own_peak() -> None:
    assert peaks(torch.tensor([[[-5.0, -3.0]]]))["peak"].item() == -3.0


def test_no_trough_where_values_have_no_sign() -> None:
    assert "trough" not in peaks(torch.ones(1, 1, 2))


def test_nan_is_not_hidden() -> None:
    assert np.isnan(peaks(torch.tensor([[[1.0, float("nan")]]]))["peak"]).all()
