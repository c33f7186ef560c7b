"""Parametrisations give valid pictures of the promised scale, and reach every pixel."""

import pytest
import torch

from fvhooks.errors import ShapeError
from fvhooks.synthesis.parametrisations.images import FourierImages, Parametrization, PixelImages
from fvhooks.synthesis.parametrisations.phases import PhaseImages


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def make(kind: str, size: tuple[int, int, int] = (3, 12, 17), count: int = 2) -> Parametrization:
    build = {"pixels": PixelImages, "fourier": FourierImages}[kind]
    return build(size, generators(count), torch.device("cpu"))


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
@pytest.mark.parametrize("size", [(3, 12, 17), (1, 8, 8), (4, 9, 9)])
def test_pictures_are_in_range_and_differ(kind: str, size: tuple[int, int, int]) -> None:
    images = make(kind, size).images()
    assert images.shape == (2, *size)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not torch.equal(images[0], images[1])


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
def test_every_pixel_can_be_changed(kind: str) -> None:
    pictures = make(kind)
    target = torch.rand(2, 3, 12, 17) * 0.6 + 0.2
    optimiser = torch.optim.Adam(pictures.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        loss = (pictures.images() - target).square().mean()
        loss.backward()
        optimiser.step()
        pictures.constrain()
    assert loss.item() < 2e-3


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
def test_a_picture_depends_on_its_own_generator_alone(kind: str) -> None:
    both, one = make(kind, count=2).images(), make(kind, count=1).images()
    torch.testing.assert_close(both[:1], one)


def test_pixels_are_clamped() -> None:
    pictures = make("pixels")
    (pixels,) = pictures.parameters()
    with torch.no_grad():
        pixels += 5
    pictures.constrain()
    assert pictures.images().max() == 1


@pytest.mark.parametrize("size", [(3, 32, 32), (3, 224, 224), (3, 64, 96)])
@pytest.mark.parametrize("decay", [1.0, 1.5])
def test_coefficients_of_variance_one_give_pixels_of_variance_one(
    size: tuple[int, int, int], decay: float
) -> None:
    start = FourierImages(size, generators(8), torch.device("cpu"), decay=decay)
    planes = torch.fft.irfft2(
        torch.view_as_complex(torch.randn_like(start.spectrum)) * start.scale, s=size[1:], norm="ortho"
    )
    assert planes.square().mean().item() == pytest.approx(1.0, rel=0.25)


def test_an_empty_spectrum_shows_the_mean_colour() -> None:
    start = FourierImages((3, 8, 8), generators(1), torch.device("cpu"), mean=[0.2, 0.5, 0.7])
    with torch.no_grad():
        start.spectrum.zero_()
    torch.testing.assert_close(start.images()[0, :, 3, 4], torch.tensor([0.2, 0.5, 0.7]))


@pytest.mark.parametrize("size", [(3, 12, 17), (1, 8, 8), (3, 9, 9)])
def test_a_picture_is_shown_as_it_was_given(size: tuple[int, int, int]) -> None:
    images = torch.rand(2, *size)
    expected = images.clamp(0.5 / 255, 1 - 0.5 / 255)
    shown = FourierImages.showing(images, generators(2), decay=1.0).images()
    torch.testing.assert_close(shown, expected, atol=2e-4, rtol=0)
    noisy = FourierImages.showing(images, generators(2), noise=1.0).images()
    assert 1e-3 < (noisy - expected).abs().mean() < 0.1


def natural(size: tuple[int, int, int], count: int = 40) -> torch.Tensor:
    """Pictures of falling spectrum and faint contrast."""
    fresh = FourierImages(size, generators(count), torch.device("cpu"), mean=[0.4] * size[0]).images()
    return fresh.detach()


@pytest.mark.parametrize("size", [(3, 12, 17), (1, 8, 8), (4, 9, 9)])
def test_phases_keep_the_magnitudes_of_the_data(size: tuple[int, int, int]) -> None:
    data = natural(size)
    magnitude = torch.fft.rfft2(data, norm="ortho").abs().mean(0)
    pictures = PhaseImages(magnitude, size, generators(40), torch.device("cpu"))
    found = torch.fft.rfft2(pictures.images().detach(), norm="ortho").abs().square().mean((0, 1)).sqrt()
    torch.testing.assert_close(pictures.images().mean((0, 2, 3)), data.mean((0, 2, 3)), atol=0.02, rtol=0)
    inner = magnitude.mean(0) > magnitude.mean() * 0.2  # where the sigmoid's bending does not show
    ratio = (found / magnitude.mean(0))[inner]
    assert 0.8 < ratio.median() < 1.25
    assert not torch.equal(pictures.images()[0], pictures.images()[1])
    planes = torch.fft.rfft2(logits_of(pictures), norm="ortho").abs()
    torch.testing.assert_close(planes, pictures.magnitude.expand_as(planes), rtol=1e-3, atol=1e-4)
    before = pictures.magnitude.clone()
    pictures.images().square().sum().backward()
    assert pictures.phase.grad is not None
    assert pictures.phase.grad.abs().sum() > 0
    assert torch.equal(pictures.magnitude, before)


def logits_of(pictures: PhaseImages) -> torch.Tensor:
    """The planes that a picture was mixed from."""
    mixed = (torch.logit(pictures.images().detach().double()) - pictures.offset) / pictures.gain
    return torch.einsum("ij,njyx->niyx", torch.linalg.inv(pictures.colours).double(), mixed).float()


def test_phases_of_another_size_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"Expected the spectrum of pictures of \(3, 8, 8\).*collect the store"
    ):
        PhaseImages(torch.rand(3, 12, 7), (3, 8, 8), generators(1), torch.device("cpu"))
