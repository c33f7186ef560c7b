"""What the tasks of a pass need, and what each says of itself when it is done."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Int

from fvhooks.collecting.partials import Part, layers_with_statistics, parts_of
from fvhooks.datasets.sources import Source
from fvhooks.hooks import HookedModel
from fvhooks.relevance.alongside import Alongside
from fvhooks.store import schema
from fvhooks.store.passes import Pass
from fvhooks.store.plans import Plan
from fvhooks.store.schema import LayerSpec
from fvhooks.store.vote_space import VoteSpace
from fvhooks.wiring import InfluenceRule, Wiring


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that the tasks of a pass need, sent once to each worker.

    Args:
        hooked: the model.
        source: the data set.
        plan: rows and shards.
        one: the pass.
        specs: its layers, the logits last where they are among them.
        path: the store.
        image_shape: (channels, height, width) of every picture.
        batch_size: pictures a forward pass.
        decode_threads: how many threads read the data set.
        decode_processes: how many processes do instead.
        threads: compute threads of the model; None leaves them as they are.
        label_of_logit: the label of each output.
        relevance: how relevance is collected, where the pass does.
        targets: the output of each row's label, −1 where there is none.
        wiring: which channels feed which, where the pass counts influence.
        rule: how it is counted.
    """

    hooked: HookedModel
    source: Source
    plan: Plan
    one: Pass
    specs: list[LayerSpec]
    path: str
    image_shape: tuple[int, int, int]
    batch_size: int
    decode_threads: int
    decode_processes: int
    threads: int | None
    label_of_logit: Int[np.ndarray, " output"] | None
    relevance: Alongside | None = None
    targets: Int[np.ndarray, " image"] | None = None
    wiring: Wiring | None = None
    rule: InfluenceRule = field(default_factory=InfluenceRule)

    @cached_property
    def parts(self) -> list[Part]:
        """The statistics of the pass."""
        return parts_of(self.one, self.specs, self.image_shape)

    @cached_property
    def with_statistics(self) -> list[LayerSpec]:
        """The layers that have statistics."""
        return layers_with_statistics(self.specs)

    @cached_property
    def space(self) -> VoteSpace | None:
        """Where votes are counted, if they are."""
        return None if self.wiring is None else VoteSpace(self.wiring, self.rule.votes)

    @cached_property
    def read(self) -> list[str]:
        """The layers whose activations are needed."""
        wanted = {schema.STATISTICS, schema.SAMPLE, schema.INFLUENCE}
        return [spec.name for spec in self.specs if wanted & spec.aspects]

    @property
    def voting_layers(self) -> list[str]:
        """The layers between which influence is counted."""
        return [] if self.wiring is None else self.wiring.layers


@dataclass(frozen=True)
class Done:
    """What a task has done.

    Args:
        images: how many went through the model, or could not be used.
        failed: how many of them could not be used.
        written: bytes of the objects that the shard's arrays are in now.
    """

    images: int
    failed: int = 0
    written: int = 0
