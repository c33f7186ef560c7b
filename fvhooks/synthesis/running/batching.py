"""How many pictures are made at a time: as many as fit into the memory that is free."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from fvhooks.errors import OutOfMemoryError
from fvhooks.hooks import HookedModel
from fvhooks.synthesis.engine import Plan
from fvhooks.units import LOGITS

T = TypeVar("T")
P = TypeVar("P")

_ON_CPU, _ON_ACCELERATOR = 16, 64  # beyond that a picture takes no less time, and a killed job loses more
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # few, so that the choice does not follow every megabyte
_SHARE = 0.6  # of what is free
# Outputs of modules, what is computed between them, and gradients. Peaks of a process grew by 35 MB a picture
# on SqueezeNet and by 34 MB on ViT-Ti at 224 px, where this makes 62 and 85 MB: a machine that overcommits
# kills instead of raising, so the estimate should not be short.
_PER_ACTIVATION = 2
_PER_PIXEL = 40  # spectrum, transforms, optimiser and gradients, in numbers
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def choose_batch_size(
    hooked: HookedModel, plan: Plan, size: tuple[int, int, int], count: int, trial: Callable[[int], object]
) -> int:
    """How many of some pictures are made at a time.

    On an accelerator the memory of a step is measured with one picture and with two; on the CPU, which
    counts no peaks, it is estimated from what the layers put out. The same free memory gives the same number.

    Args:
        hooked: the model.
        plan: what is optimised.
        size: (rgb, y, x) of the pictures.
        count: how many there are.
        trial: makes one step with so many of them.
    """
    most = min(count, _ON_CPU if hooked.device.type == "cpu" else _ON_ACCELERATOR)
    if most == 1:
        return 1
    need, free = bytes_of_a_picture(hooked, plan, size), free_memory(hooked.device)
    module = torch.get_device_module(hooked.device)
    if hasattr(module, "max_memory_allocated"):
        try:
            need = max(need // _PER_ACTIVATION, _measured(module, hooked.device, trial))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return 1
    fits = int(_SHARE * free / need)
    return min(most, max(size for size in _SIZES if size <= max(1, fits)))


def bytes_of_a_picture(hooked: HookedModel, plan: Plan, size: tuple[int, int, int]) -> int:
    """What one picture takes in a step, estimated from the layers up to the deepest that is read."""
    probe = hooked.probe()
    last = max((probe[hooked.resolve(name)].order for name in plan.layers), default=0)
    if LOGITS in plan.layers:
        last = len(probe)
    inner = {name.rpartition(".")[0] for name in probe}
    outputs = sum(
        torch.Size(info.shape).numel()
        for name, info in probe.items()
        if info.order <= last and name not in inner
    )
    width = torch.empty((), dtype=hooked.dtype).element_size()
    return _PER_ACTIVATION * width * outputs + _PER_PIXEL * 4 * torch.Size(size).numel()


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on a device; inside a container no more than its limit leaves."""
    module: Any = torch.get_device_module(device)
    if hasattr(module, "mem_get_info"):
        unused = module.memory_reserved(device) - module.memory_allocated(device)
        return int(module.mem_get_info(device)[0]) + int(unused)
    import psutil  # noqa: PLC0415 - `import fvhooks` loads torch and NumPy

    free = int(psutil.virtual_memory().available)
    try:
        limit = int((_CONTROL_GROUP / "memory.max").read_text())
        return max(0, min(free, limit - int((_CONTROL_GROUP / "memory.current").read_text())))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return free


def even_size(count: int, most: int) -> int:
    """The size of the fewest batches of one size that hold so many pictures.

    Examples:
        >>> even_size(18, 16)
        9
    """
    return -(-count // -(-count // most))


def in_batches(
    pending: Sequence[P], size: int, make: Callable[[list[P], int], T], device: torch.device
) -> Iterator[tuple[list[P], T, int]]:
    """Make things in batches of one size, and in batches of half that size where memory runs out.

    Args:
        pending: what to make, in order.
        size: how many at a time.
        make: makes a batch; the second argument tells how many of it are wanted, since the last batch is
            filled up to the size by repeating its last one.
        device: whose memory is given back before a smaller batch is tried.

    Yields:
        What was in a batch, what came out, and the size of the batch.

    Raises:
        OutOfMemoryError: not even one at a time.
    """
    done = 0
    while done < len(pending):
        part = list(pending[done : done + size])
        made = _tried(make, part, size)
        if made is not None:
            yield part, made[0], size
            done += len(part)
            continue
        size = -(-size // 2)
        free_cached = getattr(torch.get_device_module(device), "empty_cache", None)
        if free_cached is not None:
            free_cached()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: each device says it in its own words."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = ("out of memory", "can't allocate memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in words)


def _tried(make: Callable[[list[P], int], T], part: list[P], size: int) -> tuple[T] | None:
    """What came out; None where memory ran out. Behind it nothing holds what the attempt had computed."""
    try:
        return (make(part + [part[-1]] * (size - len(part)), len(part)),)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if size == 1:
            raise OutOfMemoryError(
                f"Not even one picture at a time fits into memory ({_first_line(error)}). Attach the model "
                "with a smaller input_shape=…, look at an earlier layer, move the model to a device with "
                "more memory, or load it in half precision."
            ) from error
        return None


def _measured(module: Any, device: torch.device, trial: Callable[[int], object]) -> int:  # noqa: ANN401
    """By how much the peak of a step grows with a second picture."""
    peaks = []
    for count in (1, 1, 2):  # the first one brings the libraries' work space with it
        module.reset_peak_memory_stats(device)
        trial(count)
        peaks.append(int(module.max_memory_allocated(device)))
    return peaks[2] - peaks[1]


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
