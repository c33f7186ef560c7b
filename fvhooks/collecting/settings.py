"""How a collection runs, checked before anything else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fvhooks.errors import MissingInputError, did_you_mean
from fvhooks.relevance.alongside import TARGETS
from fvhooks.store.schema import ALL, KEEPS
from fvhooks.wiring.votes import InfluenceRule

_COUNTS = ("batch_size", "references", "shard_size", "decode_threads", "threads")
_OF_THE_SOURCE = ("ids", "labels")


@dataclass(frozen=True, eq=False)
class Settings:
    """How a collection runs; the names are those of `CollectionOptions`."""

    batch_size: int = 32
    references: int = 50
    ranks: int | None = 256
    shard_size: int | None = None
    label_of_logit: tuple[int, ...] | None = None
    decode_threads: int | None = None
    decode_processes: int = 0
    threads: int | None = None
    repair: bool = False
    factory: Callable[[], Any] | None = None
    device: str | None = None
    keep: str = ALL
    sample: bool | Sequence[str] = False
    relevance: str | None = None
    attributor: Any | None = None
    attribution: Mapping[str, Any] | None = None
    influence: InfluenceRule | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Settings":
        """Checked settings; what the data set is asked for instead is left out.

        Raises:
            TypeError: an option that does not exist.
            MissingInputError: a number below 1, or a target of relevance that does not exist.
        """
        chosen = {name: value for name, value in options.items() if name not in _OF_THE_SOURCE}
        unknown = [name for name in chosen if name not in cls.__dataclass_fields__]
        if unknown:
            known = [*cls.__dataclass_fields__, *_OF_THE_SOURCE]
            hint = did_you_mean(unknown[0], known)
            raise TypeError(f"collect() has no option {unknown[0]!r}.{hint} All: {', '.join(known)}.")
        if chosen.get("label_of_logit") is not None:
            chosen["label_of_logit"] = tuple(int(label) for label in chosen["label_of_logit"])
        chosen["influence"] = InfluenceRule.of(chosen.get("influence"))
        settings = cls(**_with_target(chosen))
        settings._check()
        return settings

    def samples(self, layer: str) -> bool:
        """Whether one position's activations are kept of each image."""
        return self.sample if isinstance(self.sample, bool) else layer in self.sample

    def _check(self) -> None:
        if self.decode_processes < 0:
            raise MissingInputError(
                f"Expected decode_processes to be 0 or more, got {self.decode_processes}."
            )
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise MissingInputError(f"Expected {name} to be 1 or more, got {value}.")
        if self.keep not in KEEPS:
            raise MissingInputError(
                f"Expected keep to be 'all' or 'top' (each channel's strongest images), got {self.keep!r}."
            )
        if self.relevance is not None and self.relevance not in TARGETS:
            raise MissingInputError(
                f"Expected relevance to be None, 'label', 'prediction' or an attributor such as "
                f"captum.attr.LayerGradientXActivation, got {self.relevance!r}."
            )
        if self.relevance is None and (self.attributor is not None or self.attribution):
            raise MissingInputError(
                "Expected relevance='label' or 'prediction' beside an attributor: for which output of the "
                "model is relevance to be collected?"
            )


def _with_target(chosen: dict[str, Any]) -> dict[str, Any]:
    """An attributor in the place of the target's name stands for the label."""
    given = chosen.get("relevance")
    if given is None or isinstance(given, str):
        return chosen
    if chosen.get("attributor") is not None:
        raise MissingInputError(
            f"Expected one attributor, got relevance={given!r} and attributor={chosen['attributor']!r}. Say "
            "relevance='label' or 'prediction' beside attributor=…"
        )
    return chosen | {"relevance": "label", "attributor": given}
