"""What happens to a picture on its way: it is saved with 8 bits, moved a little, cropped."""

import torch
from jaxtyping import Float
from torch.nn import functional

VARIANTS = ("8-bit", "jitter 1", "jitter 2", "crop")
_SHIFT = 1 / 16
_CROP = 0.9

Images = Float[torch.Tensor, "image rgb y x"]


def vary(images: Images, *, seed: int = 0) -> dict[str, Images]:
    """Each of `VARIANTS` of some pictures; the same shifts for every picture of one call.

    Examples:
        >>> [variant.shape[0] for variant in vary(torch.rand(2, 3, 8, 8)).values()]
        [2, 2, 2, 2]

    Args:
        images: in [0, 1].
        seed: of the shifts.
    """
    rng = torch.Generator().manual_seed(seed)
    made = [(images * 255).round() / 255, _moved(images, rng), _moved(images, rng), _cropped(images)]
    return dict(zip(VARIANTS, made, strict=True))


def _moved(images: Images, rng: torch.Generator) -> Images:
    """Moved by up to a sixteenth of the side, never by nothing; the edge is repeated."""
    side = int(min(images.shape[-2:]))
    most = max(1, round(side * _SHIFT))
    sizes = torch.randint(1, most + 1, (2,), generator=rng)
    dy, dx = (sizes * (2 * torch.randint(0, 2, (2,), generator=rng) - 1)).tolist()
    padded = functional.pad(images, (most, most, most, most), mode="replicate")
    height, width = images.shape[-2:]
    return padded[..., most + dy : most + dy + height, most + dx : most + dx + width]


def _cropped(images: Images) -> Images:
    """The middle nine tenths, enlarged to the whole."""
    height, width = (int(side) for side in images.shape[-2:])
    rows, columns = max(1, round(height * _CROP)), max(1, round(width * _CROP))
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = images[..., top : top + rows, left : left + columns]
    return functional.interpolate(middle, size=(height, width), mode="bilinear", align_corners=False).clamp(
        0, 1
    )
