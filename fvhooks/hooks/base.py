"""A model with names for everything that it computes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Shaped
from torch import nn

from fvhooks.errors import ImageError, LayerNotFoundError
from fvhooks.hooks.adapters import ADAPTERS, Adapter
from fvhooks.hooks.addresses import no_such_layer
from fvhooks.hooks.latents import Autoencoded, spliced
from fvhooks.hooks.preprocessing import Preprocessing
from fvhooks.hooks.probes import Probe, grey_noise, run_probe
from fvhooks.hooks.sparse_autoencoders import Autoencoder
from fvhooks.hooks.taps import borrowed, run, tap
from fvhooks.images import as_images
from fvhooks.units import LOGITS, Layout, Unit

if TYPE_CHECKING:
    from transformer_lens import HookedRootModule

    from fvhooks.hooks.edits import Target, Value

Images = Shaped[torch.Tensor, "image rgb y x"]


@dataclass(eq=False)
class HookedModel(Autoencoded):
    """A model that can be read at any layer; made by `fvhooks.attach`.

    Nothing is registered on the model until a method runs it, and nothing is left on it afterwards:
    its mode, gradients, `requires_grad`, hooks, weights and device are the user's.

    Examples:
        >>> import fvhooks as fv
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
        >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
        >>> hooked.layers
        ['0', '1', '2', '3', 'logits']
        >>> hooked.read(torch.rand(5, 3, 8, 8), ["1"])["1"].shape
        torch.Size([5, 4, 6, 6])

    Args:
        model: the user's model, never copied.
        preprocessing: what it does to an image in [0, 1] first.
        adapter: how its kind of model is observed.
    """

    model: nn.Module
    preprocessing: Preprocessing
    adapter: Adapter = field(default_factory=lambda: ADAPTERS["modules"], repr=False)
    _probes: dict[tuple[int, ...], Probe] = field(default_factory=dict, repr=False)
    _edits: list[list[str]] = field(default_factory=list, repr=False)
    _overwritten: set[str] = field(default_factory=set, repr=False)
    _autoencoders: dict[str, Autoencoder] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        known = self.preprocessing
        kind, shape = type(self.model).__name__, known.input_shape
        return f"HookedModel({kind}, input_shape={shape}, mean={known.mean}, std={known.std})"

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the model's weights."""
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    @property
    def layers(self) -> list[str]:
        """Every name that can be observed, in the order of the forward pass.

        Where the input's shape is not known yet, the names of all modules; `probe(x)` tells which fire.
        """
        if self._probes or self.preprocessing.input_shape:
            return list(self.probe())
        return [*self.modules, LOGITS]

    @cached_property
    def module(self) -> nn.Module:
        """The model as Captum wants it: an `nn.Module` from images in [0, 1] to a tensor of logits."""
        from fvhooks.hooks.trunks import ImagesToLogits  # noqa: PLC0415 - they hold a HookedModel

        return ImagesToLogits(self)

    def trunk(self, layer: str, *, position: tuple[int, int] | None = None) -> nn.Module:
        """A module from images in [0, 1] to the mean activation of each channel of a layer.

        Any Captum attributor takes it as its model, with a channel of the layer as its target.

        Args:
            layer: where the trunk ends; nothing behind it is computed.
            position: (row, column) on the layer's grid, to take each channel there instead of its mean.

        Returns:
            A module that maps `image rgb y x` to `image channel`.
        """
        from fvhooks.hooks.trunks import Trunk  # noqa: PLC0415 - they hold a HookedModel

        return Trunk(self, self.resolve(layer), position)

    def normalize(self, images: Images, *, bounded: bool = True) -> Float[torch.Tensor, "image rgb y x"]:
        """Images in [0, 1] or `uint8` as the model's first layer takes them; differentiable.

        Args:
            images: `image rgb y x`.
            bounded: refuse values outside [0, 1]; otherwise only warn, since the noise and the baselines
                of attribution methods may lie there.
        """
        checked = as_images(images, channels=self.preprocessing.channels, bounded=bounded)
        return self.preprocessing.normalize(checked.to(self.device, non_blocking=True)).to(self.dtype)

    def probe(self, x: Images | None = None) -> Probe:
        """Run the model once and see which layers fire, with which shapes.

        Args:
            x: images to run on; without them mid-grey noise of the known input shape.

        Raises:
            ImageError: neither images nor an input shape are known.
        """
        if x is None:
            shape = self.preprocessing.input_shape
            known = self._probes.get(shape) if shape else next(reversed(self._probes.values()), None)
            if known is not None:
                return known
            if shape is None:
                advice = "pass images to probe(x), or input_shape=… to fvhooks.attach."
                raise ImageError(f"The model's input shape is not known; {advice}")
            x = grey_noise(shape)
        key = tuple(x.shape[1:])
        known = self._probes.get(key)
        if known is None:
            known = run_probe(self, self.normalize(x))
            if not self.is_edited:  # an edit ends, what is known stays
                self._probes[key] = known
        return known

    @contextmanager
    def edit(self, edits: "Mapping[Target, Value]", *, store: Any = None) -> "Iterator[HookedModel]":  # noqa: ANN401
        """Replace units while the block runs the model, through fvhooks or not; gradients are kept.

        Examples:
            >>> import fvhooks as fv
            >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
            >>> hooked = fv.attach(net, input_shape=(3, 8, 8))
            >>> with hooked.edit({fv.Unit("1", 2): 0.0, fv.Unit("1", 3, position=(0, 5)): "mean"}):
            ...     logits = hooked.module(torch.rand(5, 3, 8, 8))

        Args:
            edits: from a unit, a direction, or the name of a layer (all of it), to a number; "mean";
                "resample" (the next image's values in the batch); a tensor that broadcasts to the values that
                were there, `image position` for a unit; or a function of them. Of a direction the part along
                it is replaced, in units of its vector.
            store: where "mean" is taken from (`natural_mean`, over real images and positions); without one
                it is the batch's mean at each position, which takes several images.

        Yields:
            This model. Blocks may be nested; the inner edit sees what the outer one made.

        Raises:
            LayerNotFoundError: no such layer, or one that never runs.
            ShapeError: a channel, position, direction or value that does not fit the layer.
            MissingInputError: no target, no value or an unknown word, or values of other images where the
                batch has one.
        """
        from fvhooks.hooks.edits import checked, edited, layer_of  # noqa: PLC0415 - they hold a HookedModel

        edits = checked(edits)
        layers = {layer_of(target) for target in edits}
        by_mean = {
            layer_of(target)
            for target, value in edits.items()
            if isinstance(value, str) and value == "mean" and store is not None
        }
        means = {self.resolve(layer): torch.from_numpy(store[layer].natural_mean.values) for layer in by_mean}
        with edited(self, edits, means):
            self._edits.append(sorted(layers))
            try:
                yield self
            finally:
                self._edits.pop()

    def as_hooked_root(self, layers: Iterable[str] | None = None) -> "HookedRootModule":
        """The model as a TransformerLens `HookedRootModule`: `run_with_cache`, `run_with_hooks`, hook points.

        Args:
            layers: which get a hook point, `layer2` as `layer2.hook_out`; without them all that fire.

        Raises:
            MissingDependencyError: TransformerLens is not installed.
        """
        from fvhooks.hooks.hooked_roots import as_hooked_root  # noqa: PLC0415 - they hold a HookedModel

        return as_hooked_root(self, layers)

    @property
    def is_edited(self) -> bool:
        """Whether an `edit` block is open."""
        return bool(self._edits)

    def layout(self, layer: str) -> Layout:
        """How the activations of a layer are laid out."""
        return self.probe().layout(layer)

    def units(self, layer: str) -> list[Unit]:
        """Every unit of a layer, for whoever wants pictures of all; `units("logits")` are the outputs.

        Examples:
            >>> import fvhooks as fv
            >>> fv.attach(nn.Conv2d(3, 2, 3), input_shape=(3, 8, 8)).units("logits")
            [Unit(layer='logits', channel=0, position=None), Unit(layer='logits', channel=1, position=None)]
        """
        return [Unit(layer, channel) for channel in range(self.layout(self.resolve(layer)).channels)]

    def resolve(self, name: str) -> str:
        """The name itself where a layer has it.

        Raises:
            LayerNotFoundError: no such layer; which are near.
        """
        return self._resolved([name])[0]

    def _resolved(self, names: Iterable[str]) -> list[str]:
        modules = self.modules  # listed once: a list for each name is slow where many are read
        return [self._resolve(name, modules) for name in names]

    def _resolve(self, name: str, modules: Mapping[str, nn.Module]) -> str:
        if name == LOGITS:
            return name
        latents = self._latents(name)
        if latents is not None:
            return latents
        name = self.adapter.canonical(self.model, name)
        wanted = self.address(name).module
        if wanted not in modules:
            raise no_such_layer(self.model, name, wanted, modules)
        return name

    def read(self, x: Images, layers: Iterable[str]) -> dict[str, torch.Tensor]:
        """What the layers produce for the images, as the model lays it out; gradients to `x` are kept.

        The forward pass ends at the deepest layer asked for. What is read is what the layer produced, also
        where the model overwrites it in place later.

        Args:
            x: images `image rgb y x`, `uint8` or in [0, 1].
            layers: names as in `hooked.layers`.

        Returns:
            One tensor a layer, by the names and in the order asked for.

        Raises:
            LayerNotFoundError: an unknown layer, or one that never runs.
            ImageError: images of a wrong range, type, channel count or size.
        """
        layers = [layers] if isinstance(layers, str) else list(layers)
        names = self._resolved(layers)
        images = self.normalize(x)
        try:
            found = self.read_normalized(images, names)
            return {asked: found[name] for asked, name in zip(layers, names, strict=True)}
        except (RuntimeError, ValueError) as error:
            expected = self.preprocessing.input_shape
            if expected is not None and tuple(x.shape[-3:]) != expected:
                message = f"The model takes images of {expected}, got {tuple(x.shape)}, and failed: {error}"
                raise ImageError(message) from error
            raise

    def read_normalized(self, images: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
        """`read` without its checks, for images that are normalised and names that are known."""
        inner = {name: self.address(name) for name in names if name != LOGITS}
        whole = LOGITS in names
        copies = frozenset(self._overwritten & inner.keys())
        context = tap(self.modules, inner, copies=copies, stop=not whole) if inner else nullcontext()
        with borrowed(self.model), spliced(self, inner), context as record:
            output = run(self.model, images)
        kept = dict(record.kept) if record is not None else {}
        if record is not None:
            if record.missing:
                probe = run_probe(self, images[:1])
                raise LayerNotFoundError(probe.why_missing(record.missing[0]))
            fresh = set(record.overwritten) - copies
            if fresh:  # found out once a layer, then known
                self._overwritten |= fresh
                return self.read_normalized(images, names)
        if whole:
            kept[LOGITS] = self.adapter.logits(output)
        return {name: kept[name] for name in names}
