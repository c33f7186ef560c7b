"""The one place that registers hooks.

A tap keeps what named modules produce while a model runs, and can end the pass at the deepest of them.
An `ExitStack` owns every handle from its birth, so that an error half way through registration, inside the
model or in the caller's block leaves nothing attached.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import torch
from torch import nn

from fvhooks.hooks.addresses import EVERY_CALL, Address
from fvhooks.hooks.conversions import passed, shown


class _Stop(BaseException):
    """Ends a forward pass. No `Exception`, so that a model's own `except Exception` cannot swallow it."""


@dataclass
class Tap:
    """What one forward pass left behind.

    Args:
        kept: what each layer produced, by layer name.
        versions: the tensors' counters of in-place changes, at the moment they were kept.
    """

    wanted: frozenset[str]
    kept: dict[str, torch.Tensor] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The layers asked for that did not run."""
        return sorted(self.wanted - self.kept.keys())

    @property
    def overwritten(self) -> list[str]:
        """The layers whose tensor was changed in place after it was kept."""
        counted = {name: tensor for name, tensor in self.kept.items() if not tensor.is_inference()}
        return [name for name, tensor in counted.items() if tensor._version != self.versions[name]]


@dataclass
class _Calls:
    """What is addressed in which call of which module."""

    by_module: dict[str, list[tuple[str, Address]]]
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[str, Address]) -> "_Calls":
        by_module: dict[str, list[tuple[str, Address]]] = {}
        for name, address in names.items():
            by_module.setdefault(address.module, []).append((name, address))
        return cls(by_module)

    def next(self, module_name: str) -> list[tuple[str, Address]]:
        """Counts a call of a module; what is addressed in it."""
        call = self.seen[module_name] = self.seen.get(module_name, -1) + 1
        return [one for one in self.by_module[module_name] if one[1].call in (EVERY_CALL, call)]


class _OneForAll:
    """What a copy of the model that is made while hooks are attached shares with it, as it does functions."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@dataclass
class _Keeping(_OneForAll):
    """Keeps what a call gives in a record."""

    record: Tap
    calls: _Calls
    copies: frozenset[str]
    stop: bool

    def hook(self, module_name: str, module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401
        record = self.record
        for name, address in self.calls.next(module_name):
            tensor = address.select(shown(module, output))
            copied = name in self.copies or tensor.is_inference()  # those count no changes
            record.kept[name] = kept = tensor.clone() if copied else tensor
            record.versions[name] = 0 if kept.is_inference() else kept._version
        if self.stop and len(record.kept) == len(record.wanted):
            raise _Stop


@dataclass
class _Rewriting(_OneForAll):
    """Lets `rewrite(name, tensor)` decide what a module passes on."""

    modules: Mapping[str, nn.Module]
    calls: _Calls
    rewrite: Callable[[str, torch.Tensor], torch.Tensor]

    def passed_on(self, module_name: str, value: Any) -> Any:  # noqa: ANN401
        module = self.modules[module_name]
        for name, address in self.calls.next(module_name):
            seen = shown(module, value)
            before = address.select(seen)
            after = self.rewrite(name, before)
            value = value if after is before else passed(module, address.put(seen, after))
        return value

    def output_hook(self, module_name: str, _module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401
        return self.passed_on(module_name, output)

    def input_hook(
        self, module_name: str, _module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return _with_first_input(given, named, partial(self.passed_on, module_name))


@contextmanager
def tap(
    modules: Mapping[str, nn.Module],
    names: Mapping[str, Address],
    *,
    copies: frozenset[str] = frozenset(),
    stop: bool = True,
) -> Iterator[Tap]:
    """Keep what the addressed modules produce while the block runs a model once.

    Args:
        modules: every module by its name.
        names: what to keep: layer name to address.
        copies: layers to clone, since something later in the model overwrites them.
        stop: end the pass (not the block) once everything asked for was kept.
    """
    record = Tap(frozenset(names))
    keeping = _Keeping(record, _Calls.of(names), copies, stop)
    with ExitStack() as stack:
        for name in keeping.calls.by_module:
            stack.callback(modules[name].register_forward_hook(partial(keeping.hook, name)).remove)
        yield record


@contextmanager
def at_start(model: nn.Module, notice: Callable[[list[Any]], Any]) -> Iterator[None]:
    """Tell `notice(everything it was given)` of every forward pass of a model while the block runs."""
    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(partial(_tell, notice), with_kwargs=True).remove)
        yield


def _tell(
    notice: Callable[[list[Any]], Any], _module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
) -> None:
    notice([*given, *named.values()])


@contextmanager
def rewritten(
    modules: Mapping[str, nn.Module],
    names: Mapping[str, Address],
    rewrite: Callable[[str, torch.Tensor], torch.Tensor],
    *,
    model: nn.Module | None = None,
    inputs: bool = False,
) -> Iterator[None]:
    """Let `rewrite(name, tensor)` decide what the addressed modules pass on while the block runs.

    Args:
        modules: every module by its name.
        names: what to rewrite: layer name to address.
        rewrite: gives the tensor to go on with; the same one where nothing changes.
        model: what holds the modules; the calls of each are counted anew in each of its passes. Without it
            the block runs it once.
        inputs: rewrite the first tensor that the modules are given, by position or by keyword, instead of
            their output.
    """
    rewriting = _Rewriting(modules, _Calls.of(names), rewrite)
    with ExitStack() as stack:
        if model is not None:
            stack.enter_context(at_start(model, lambda _given: rewriting.calls.seen.clear()))
        for name in rewriting.calls.by_module:
            if inputs:
                hook = partial(rewriting.input_hook, name)
                handle = modules[name].register_forward_pre_hook(hook, with_kwargs=True)
            else:
                handle = modules[name].register_forward_hook(partial(rewriting.output_hook, name))
            stack.callback(handle.remove)
        yield


def _with_first_input(
    given: tuple[Any, ...], named: dict[str, Any], change: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a module is given, its first tensor changed."""
    place = _first_tensor(given, named)
    if isinstance(place, int):
        return (*given[:place], change(given[place]), *given[place + 1 :]), named
    return given, named | {place: change(named[place])}


def _first_tensor(given: tuple[Any, ...], named: Mapping[str, Any]) -> int | str:
    """Where a module's first tensor stands among what it is given; the first place where there is none."""
    places: list[tuple[int | str, Any]] = [*enumerate(given), *named.items()]
    tensors = [place for place, value in places if isinstance(value, torch.Tensor)]
    return next(iter(tensors or [place for place, _ in places]), 0)


@contextmanager
def observed(modules: Mapping[str, nn.Module], notice: Callable[[str, Any], None]) -> Iterator[None]:
    """Tell `notice(name, output)` of every call of every module while the block runs."""
    with ExitStack() as stack:
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(partial(_tell_output, notice, name)).remove)
        yield


def _tell_output(
    notice: Callable[[str, Any], None],
    name: str,
    module: nn.Module,
    _inputs: Any,  # noqa: ANN401
    output: Any,  # noqa: ANN401
) -> None:
    notice(name, shown(module, output))


@contextmanager
def hooked_by(hooks: Mapping[nn.Module, Callable[[nn.Module, Any, Any], None]]) -> Iterator[None]:
    """Call each hook behind every call of its module while the block runs."""
    with ExitStack() as stack:
        for module, hook in hooks.items():
            stack.callback(module.register_forward_hook(hook).remove)
        yield


def run(model: Callable[[Any], Any], x: Any) -> Any | None:  # noqa: ANN401
    """Run a model under a `tap`; None where the tap ended the pass early."""
    try:
        return model(x)
    except _Stop:
        return None


def uncompiled() -> AbstractContextManager[Any]:
    """No compiled code inside the block, which ignores hooks that came after its first run.

    Where the compiler was never imported nothing is compiled and nothing is done: to import it takes seconds.
    """
    stance: AbstractContextManager[Any] = nullcontext()
    if "torch._dynamo" in sys.modules:
        stance = torch.compiler.set_stance("force_eager")
    return stance


def is_compiled(model: nn.Module) -> bool:
    """Whether a model or any part of it was given to `torch.compile`."""
    return any("_orig_mod" in m._modules or m._compiled_call_impl is not None for m in model.modules())


@contextmanager
def borrowed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen weights and no compiled code inside the block, everything as it was behind it.

    Flags are set one by one instead of by `eval()` and `requires_grad_()`, because models override those
    with side effects (adapters merge weights in `eval()`), and because each module's own flag must come back.
    """
    training = [module for module in model.modules() if module.training]
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    compiled = is_compiled(model)
    try:
        for module in training:
            module.training = False
        for parameter in learning:
            parameter.requires_grad = False
        with uncompiled() if compiled else nullcontext():
            yield
    finally:
        for module in training:
            module.training = True
        for parameter in learning:
            parameter.requires_grad = True
