"""The mean magnitude of frequencies against NumPy."""

import numpy as np
import torch

from fvhooks.statistics import Subject
from fvhooks.statistics.spectrum import Spectrum


def test_equal_to_numpy() -> None:
    images = torch.rand(4, 3, 6, 8)
    spectrum = Spectrum.about(Subject(3, size=(6, 8)))
    spectrum.update(images)
    expected = np.abs(np.fft.rfft2(images.double().numpy(), norm="ortho")).mean(0)
    np.testing.assert_allclose(spectrum.result()["spectrum"], expected, rtol=1e-4)


def test_an_odd_width_fits() -> None:
    spectrum = Spectrum.about(Subject(1, size=(5, 7)))
    spectrum.update(torch.rand(1, 1, 5, 7))
    assert spectrum.result()["spectrum"].shape == (1, 5, 4)
