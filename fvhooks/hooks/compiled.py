"""Reading layers again and again from pictures of one shape, by compiled code.

Hooks stay attached while pictures are made, so that the compiler sees them and leaves out what lies behind
the deepest layer. On CUDA the compiled passes are recorded as CUDA graphs and replayed.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from jaxtyping import Float

from fvhooks.errors import UnsupportedModelError
from fvhooks.hooks.base import HookedModel
from fvhooks.hooks.conversions import shown
from fvhooks.hooks.taps import borrowed, hooked_by, is_compiled
from fvhooks.units import LOGITS

_log = logging.getLogger("fvhooks")
_TOLERANCE = 0.02  # of a layer's largest value: kernels of another order round otherwise, half precision most
_PASSES_TO_PROVE = 3  # where CUDA graphs are used: one runs, one is recorded, one replayed

Read = Callable[[Float[torch.Tensor, "picture rgb y x"], list[str]], dict[str, torch.Tensor]]
"""(normalised pictures, layers) to what the layers give."""


class CompiledReader:
    """`HookedModel.read_normalized` for some layers, compiled for each shape of pictures that comes.

    Compiling takes as long as some hundred passes. What comes out is compared once with what the model gives
    by itself; where it differs, or where the model cannot be compiled, the model is read as it is.

    Examples:
        >>> import fvhooks as fv
        >>> hooked = fv.attach(torch.nn.Conv2d(3, 4, 3), input_shape=(3, 8, 8))
        >>> reader = CompiledReader(hooked, ["logits"], backend="eager")
        >>> with reader.attached() as read:
        ...     read(torch.rand(2, 3, 8, 8), ["logits"])["logits"].shape
        torch.Size([2, 4, 6, 6])

    Args:
        hooked: the model.
        names: full names of layers, the logits among them or not.
        required: raise where the model cannot be compiled, instead of saying so in the log.
        backend: of `torch.compile`.
    """

    def __init__(
        self,
        hooked: HookedModel,
        names: Sequence[str],
        *,
        required: bool = False,
        backend: str | Callable[..., Any] = "inductor",
    ) -> None:
        self._hooked, self._names, self._required = hooked, list(names), required
        inner = {name: hooked.address(name) for name in names if name != LOGITS}
        self._inner, self._calls = inner, dict.fromkeys((address.module for address in inner.values()), 0)
        self._kept: dict[str, torch.Tensor] = {}
        self._copies: frozenset[str] = frozenset()
        self._hooks = {module: self._hook_for(module) for module in self._calls}
        self._shapes: set[torch.Size] = set()
        self._compiled: Callable[[torch.Tensor], dict[str, torch.Tensor]] | None = None
        why = self._why_not()
        if why:
            self._give_up(why)
        else:
            graphs = records_graphs(hooked) and backend == "inductor"
            self._compiled = torch.compile(
                _fresh(self._forward),
                dynamic=False,
                backend=backend,
                mode="reduce-overhead" if graphs else None,
            )

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code is used; where it once failed it is not."""
        return self._compiled is not None

    @contextmanager
    def attached(self) -> Iterator[Read]:
        """What reads the layers while the block runs: compiled, or the model itself."""
        if self._compiled is None:
            yield self._hooked.read_normalized
            return
        modules = self._hooked.modules
        with ExitStack() as stack:
            stack.enter_context(borrowed(self._hooked.model))
            stack.enter_context(hooked_by({modules[name]: hook for name, hook in self._hooks.items()}))
            yield self._read

    def _read(
        self, images: Float[torch.Tensor, "picture rgb y x"], names: list[str]
    ) -> dict[str, torch.Tensor]:
        if self._compiled is not None and images.shape not in self._shapes:
            self._shapes.add(images.shape)
            self._prove(images)
        if self._compiled is None:
            return self._hooked.read_normalized(images, names)
        self._kept = {}  # a pass of the model itself, in the meantime, has left what it read
        found = self._compiled(images)
        return {name: found[name] for name in names}

    def _prove(self, images: torch.Tensor) -> None:
        """Compile both directions, and compare the forward one."""
        expected = self._hooked.read_normalized(images.detach(), self._names)
        self._copies = frozenset(self._hooked._overwritten & self._inner.keys())  # known from the pass above
        try:
            for _ in range(_PASSES_TO_PROVE if images.is_cuda else 1):
                found = self._try(images)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a compiler fails in as many ways as it has parts
            return self._give_up(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", error)
        for name, values in expected.items():
            off = float((found[name] - values).abs().max())
            if not off <= _TOLERANCE * float(values.abs().max()) + 1e-6:
                return self._give_up(f"compiled, {name!r} differs by {off:.3g} from what the model gives")
        return None

    def _try(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        trial = images.detach().clone().requires_grad_()
        with torch.enable_grad(), catch_warnings():
            simplefilter("ignore")  # the compiler's, of its own doings
            found = self._compiled(trial)  # type: ignore[misc]
            torch.autograd.grad([values.float().sum() for values in found.values()], trial)
        return {name: values.detach() for name, values in found.items()}

    def _forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        for module in self._calls:
            self._calls[module] = 0
        self._kept = {}
        output = self._hooked.model(images)
        found, self._kept = self._kept, {}  # always empty before a pass: else each state is compiled for
        if LOGITS in self._names:
            found[LOGITS] = self._hooked.adapter.logits(output)
        return found

    def _hook_for(self, module_name: str) -> Callable[[Any, Any, Any], None]:
        wanted = [(name, address) for name, address in self._inner.items() if address.module == module_name]

        def hook(module: torch.nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401
            call = self._calls[module_name]
            self._calls[module_name] = call + 1
            for name, address in wanted:
                if address.call == call:
                    tensor = address.select(shown(module, output))
                    self._kept[name] = tensor.clone() if name in self._copies else tensor

        return hook

    def _why_not(self) -> str:
        if is_compiled(self._hooked.model):
            return "it, or a part of it, is compiled already"
        latents = [name for name in self._inner if name in self._hooked.autoencoders]
        if latents:
            return f"{latents[0]!r} are latents of an autoencoder, which is spliced in anew in every pass"
        return ""

    def _give_up(self, why: str, error: Exception | None = None) -> None:
        said = f"{type(self._hooked.model).__name__} is not read by compiled code ({why})."
        if self._required:
            raise UnsupportedModelError(f"{said} Leave compiled= away, or set it to False.") from error
        _log.warning("%s It is run as it is, which is slower.", said)
        self._compiled = None


def records_graphs(hooked: HookedModel) -> bool:
    """Whether the model is where compiled passes are recorded as CUDA graphs."""
    return torch.empty(0, device=hooked.device).is_cuda


def _fresh(method: Any) -> Any:  # noqa: ANN401
    """The same method with code of its own: `torch.compile` gives up code that it saw in eight variants."""
    code = method.__func__.__code__.replace()
    function = FunctionType(
        code, method.__func__.__globals__, method.__name__, None, method.__func__.__closure__
    )
    return function.__get__(method.__self__)
