"""How pictures are pulled at: the loss of each, and its gradient, also where rectifiers let none through."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int

from fvhooks.hooks import HookedModel
from fvhooks.hooks.compiled import Read
from fvhooks.hooks.rectifiers import Rectifiers, Redirected
from fvhooks.hooks.taps import is_compiled
from fvhooks.synthesis.looking import look
from fvhooks.synthesis.objectives import Objective, Seen


@dataclass(frozen=True)
class Pull:
    """What pulls at the pictures of a batch.

    Args:
        loss: of each picture.
        shown: the pictures as the model saw them.
        gradient: of the loss in those.
    """

    loss: Float[torch.Tensor, " picture"]
    shown: Float[torch.Tensor, "picture rgb y x"]
    gradient: Float[torch.Tensor, "picture rgb y x"]


class Pulling:
    """Losses and gradients of one batch, step by step; wakes the pictures whose unit is silent.

    A unit behind a rectifier that is silent for the whole picture passes no gradient on, so that nothing
    would ever change. While that is so, and for the first steps alone, ReLUs that block all of a picture's
    gradient let the part through that brings them nearer to firing (the idea is Lucid's). Pictures whose unit
    fires are not touched by it.

    Args:
        hooked: the model.
        terms: (weight, objective) pairs that are summed.
        owner: the index of each picture's unit in the objectives.
        read: runs the model.
    """

    def __init__(
        self,
        hooked: HookedModel,
        terms: Sequence[tuple[float, Objective]],
        owner: Int[torch.Tensor, " picture"],
        read: Read,
    ) -> None:
        self._hooked, self._terms, self._owner, self._read = hooked, terms, owner, read
        self._layers = list(dict.fromkeys(layer for _, term in terms for layer in term.layers))
        self._felt = torch.full((len(owner),), not self._layers)
        self._redirects = not is_compiled(hooked.model)

    @property
    def blocked(self) -> list[int]:
        """The pictures that no gradient of the model has reached at any step that was looked at."""
        found: list[int] = (~self._felt).nonzero().flatten().tolist()
        return found

    def at(self, shown: Float[torch.Tensor, "picture rgb y x"], *, waking: bool) -> Pull:
        """The pull at one step.

        Args:
            shown: the pictures as the model sees them.
            waking: look whether the model passes a gradient on, and wake the pictures that it passes none to.
        """
        loss, through, beside = self._gradients(shown, self._read)
        if waking and self._layers:
            felt = through.flatten(1).any(1)
            self._felt |= felt.cpu()
            if self._redirects and not bool(felt.all()):
                through = torch.where(felt.view(-1, 1, 1, 1), through, self._redirected(shown))
        return Pull(loss, shown, through + beside)

    def _redirected(
        self, shown: Float[torch.Tensor, "picture rgb y x"]
    ) -> Float[torch.Tensor, "picture rgb y x"]:
        """All pictures again, not only those that are blocked: a batch of another size rounds otherwise."""
        with Rectifiers(Redirected, capped=True):
            return self._gradients(shown, self._hooked.read_normalized)[1]

    def _gradients(
        self, shown: Float[torch.Tensor, "picture rgb y x"], read: Read
    ) -> tuple[
        Float[torch.Tensor, " picture"],
        Float[torch.Tensor, "picture rgb y x"],
        Float[torch.Tensor, "picture rgb y x"],
    ]:
        """The loss, its gradient through the model, and that of terms that look at pixels themselves."""
        into, pixels = (shown.detach().requires_grad_() for _ in range(2))
        seen = Seen(look(self._hooked, into, self._layers, read), pixels, self._owner)
        loss = torch.stack([weight * term(seen) for weight, term in self._terms]).sum(0)
        if not loss.requires_grad:  # a constant, such as the activation of a unit that saturates
            return loss.detach(), torch.zeros_like(shown), torch.zeros_like(shown)
        through, beside = torch.autograd.grad(loss.sum(), [into, pixels], materialize_grads=True)
        return loss.detach(), through, beside
