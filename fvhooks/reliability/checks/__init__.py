"""One question about pictures a file: each registers a check in `CHECKS`."""

from typing import ClassVar, Literal, Protocol, runtime_checkable

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


CHECKS: Registry[type[Check]] = Registry("fvhooks.reliability.checks", "check")

__all__ = ["CHECKS", "Check"]
