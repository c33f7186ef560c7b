"""One question about pictures a file: each registers a check in `CHECKS`."""

from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import xarray as xr

from fvhooks.registries import Registry
from fvhooks.reliability.evidence import Evidence
from fvhooks.reliability.findings import Finding
from fvhooks.units import Unit


@runtime_checkable
class Check(Protocol):
    """A question about the pictures of one unit.

    Args:
        family: "off_path" (is this picture processed as real images are?) or "tampered" (is the network built
            to deceive?).
        question: one sentence for readers of a report.
    """

    family: ClassVar[Literal["off_path", "tampered"]]
    question: ClassVar[str]

    def __call__(self, unit: Unit, evidence: Evidence) -> Finding:
        """The answer for one unit; what is raised here becomes an "inconclusive" with its words."""
        ...


@runtime_checkable
class Reader(Protocol):
    """A check that says beforehand what it looks at of real images: they are read once for all checks.

    Args:
        looks_at: of `fvhooks.reliability.real_images`: `PATHS`, `RANGES`.
    """

    looks_at: ClassVar[tuple[str, ...]]


@runtime_checkable
class Summary(Protocol):
    """A check that also says something of all units together."""

    def overall(self, data: xr.Dataset) -> dict[str, Any]:
        """What the units of a finished report have in common, in what JSON can carry; empty: nothing."""
        ...


CHECKS: Registry[type[Check]] = Registry("fvhooks.reliability.checks", "check")

__all__ = ["CHECKS", "Check", "Reader", "Summary"]
