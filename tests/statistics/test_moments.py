"""Means and variances against NumPy in double precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fvhooks.statistics import Subject
from fvhooks.statistics.moments import Moments


@given(offset=st.floats(-1e3, 1e3, width=32), images=st.integers(1, 5))
def test_equal_to_numpy(offset: float, images: int) -> None:
    values = torch.randn(images, 3, 7, generator=torch.Generator().manual_seed(images)) + offset
    moments = Moments.about(Subject(3))
    moments.update(values)
    exact = values.double().numpy().transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(moments.result()["natural_mean"], exact.mean(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moments.result()["natural_variance"], exact.var(1), rtol=1e-3, atol=1e-5)


def test_small_variance_beside_a_large_mean() -> None:
    values = torch.tensor([[[4096.0, 4096.5]], [[4097.0, 4097.5]]])
    moments = Moments.about(Subject(1))
    moments.update(values)
    assert moments.result()["natural_variance"].item() == pytest.approx(0.3125)
