"""What happens to a picture on its way."""

import torch

from fvhooks.reliability.variants import VARIANTS, vary


def test_saving_with_8_bits_rounds_to_the_nearest_step() -> None:
    images = torch.rand(2, 3, 9, 9)
    saved = vary(images)["8-bit"]
    assert torch.equal((saved * 255).round() / 255, saved)
    assert float((saved - images).abs().max()) <= 0.5 / 255 + 1e-6


def test_moves_are_real_and_keep_the_middle() -> None:
    images = torch.zeros(1, 3, 33, 33)
    images[..., 16, 16] = 1
    for seed in range(8):
        for name in VARIANTS[1:3]:
            moved = vary(images, seed=seed)[name]
            (place,) = moved[0, 0].nonzero().tolist()
            assert place[0] != 16
            assert place[1] != 16
            assert max(abs(place[0] - 16), abs(place[1] - 16)) <= 2


def test_a_crop_enlarges_the_middle_of_any_shape() -> None:
    images = torch.linspace(0, 1, 40).expand(1, 3, 30, 40).clone()
    cropped = vary(images)["crop"]
    assert cropped.shape == images.shape
    assert float(cropped[0, 0, 0, 0]) > 0.04
    assert float(cropped[0, 0, 0, -1]) < 0.96


def test_a_flat_picture_stays_what_it_is() -> None:
    images = torch.full((1, 3, 8, 8), 0.4)
    assert all(torch.allclose(variant, images) for variant in vary(images, seed=3).values())
