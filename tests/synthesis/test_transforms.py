"""Transforms keep the size, move what they say, and draw for each picture alone."""

import math

import pytest
import torch

from fvhooks.synthesis.transforms import Affine, Focus, Roll, Transform


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("transform", [Roll(3), Affine()])
def test_a_draw_depends_on_the_pictures_own_generator_alone(transform: Transform) -> None:
    pictures = torch.rand(3, 3, 16, 20)
    together = transform(pictures, generators(5, 6, 7))
    alone = transform(pictures[1:2], generators(6))
    torch.testing.assert_close(together[1:2], alone)
    assert together.shape == pictures.shape


@pytest.mark.parametrize("transform", [Roll(3), Affine()])
def test_gradients_reach_the_pictures(transform: Transform) -> None:
    pictures = torch.rand(2, 3, 16, 16, requires_grad=True)
    transform(pictures, generators(1, 2)).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.sum().item() == pytest.approx(2 * 3 * 16 * 16, rel=0.35)


def test_roll_shifts_in_a_circle_and_no_further_than_it_says() -> None:
    picture = torch.zeros(1, 1, 21, 21)
    picture[0, 0, 10, 10] = 1
    places = set()
    for seed in range(200):
        shifted = Roll(2)(picture, generators(seed))
        assert shifted.sum() == 1
        y, x = divmod(int(shifted.flatten().argmax()), 21)
        places.add((y - 10, x - 10))
    assert places == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_affine_without_freedom_changes_nothing() -> None:
    pictures = torch.rand(2, 3, 15, 18)
    same = Affine(shift=0, scale=(1, 1), rotate=0)(pictures, generators(1, 2))
    torch.testing.assert_close(same, pictures, atol=1e-5, rtol=0)


def test_affine_magnifies() -> None:
    picture = torch.zeros(1, 1, 40, 40)
    picture[..., 15:25, 15:25] = 1
    large = Affine(shift=0, scale=(2, 2), rotate=0)(picture, generators(0))
    assert large.sum().item() == pytest.approx(400, rel=0.15)


def test_affine_rotates_without_distortion_where_the_picture_is_not_square() -> None:
    y, x = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(80) - 39.5, indexing="ij")
    disc = ((y**2 + x**2) < 100).float()[None, None]
    turned = Affine(shift=0, scale=(1, 1), rotate=45)(disc, generators(3))
    assert (turned - disc).abs().mean().item() < 0.02


@pytest.mark.parametrize("size", [(5, 7), (8, 8)])
def test_a_roll_is_torch_roll_and_its_gradient_rolls_back(size: tuple[int, int]) -> None:
    pictures = torch.rand(3, 2, *size, requires_grad=True)
    drawn = [torch.randint(-6, 7, (2,), generator=g).tolist() for g in generators(0, 1, 2)]
    rolled = Roll(6)(pictures, generators(0, 1, 2))
    expected = torch.stack([torch.roll(p, s, (1, 2)) for p, s in zip(pictures, drawn, strict=True)])
    assert torch.equal(rolled, expected)
    weights = torch.rand_like(rolled)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), pictures)[0] for out in (rolled, expected))
    assert torch.equal(ours, theirs)


def test_focus_shows_the_whole_and_pulls_at_the_middle() -> None:
    pictures = torch.rand(1, 3, 33, 33, requires_grad=True)
    shown = Focus(0.2)(pictures, [torch.Generator()])
    torch.testing.assert_close(shown, pictures)
    shown.sum().backward()
    pull = pictures.grad[0, 0]
    assert pull[16, 16] == 1
    sigma = 0.2 * 33
    torch.testing.assert_close(pull[16, 20], torch.tensor(math.exp(-8 / sigma**2)))
    torch.testing.assert_close(pull, pull.flip(0, 1))
    torch.testing.assert_close(pull, pull.T)
