"""Plans for the units of a call, and which of them its recipe cannot show."""

import logging
from collections.abc import Iterable, Sequence

from fvhooks.errors import MissingInputError
from fvhooks.synthesis.engine import Plan
from fvhooks.synthesis.running.jobs import Call

_log = logging.getLogger("fvhooks")


class Planner:
    """Plans units, and leaves those out for which the recipe does not find what it needs.

    Args:
        call: what is made.
    """

    def __init__(self, call: Call) -> None:
        self.call, self._why, self._told = call, dict[int, str](), 0

    @property
    def left_out(self) -> dict[str, str]:
        """Why units cannot be shown, by id."""
        return {self.call.units[place].id: said for place, said in self._why.items()}

    def shown(self, group: Iterable[int]) -> list[int]:
        """The places of a group that were not left out so far."""
        return [place for place in group if place not in self._why]

    def plan(self, group: Iterable[int]) -> tuple[list[int], Plan] | None:
        """A plan for the units of a group that can be shown.

        Args:
            group: the places of units of one layer.

        Returns:
            The places that it is for, and the plan; None where no unit can be shown.

        Raises:
            MissingInputError: each of them can be shown, but not all together; or there is no store, without
                which none is judged.
        """
        wanted = self.shown(group)
        if not wanted:
            return None
        try:
            return wanted, self.call.plan(wanted)
        except MissingInputError as error:
            if self.call.store is None:  # nothing is said of single units: the call is wrong
                raise
            if len(wanted) == 1:
                self._why[wanted[0]] = str(error)
                return None
            self.plan_each(wanted)
            if self.shown(wanted) == wanted:
                raise
        return self.plan(wanted)

    def plan_each(self, group: Sequence[int]) -> None:
        """Find out which units of a group can be shown, by planning them one by one."""
        for place in group:
            self.plan([place])

    def plan_first(self, group: Iterable[int]) -> tuple[list[int], Plan] | None:
        """A plan for the first unit of a group that can be shown; None where there is none."""
        found = (self.plan([place]) for place in group)
        return next((one for one in found if one is not None), None)

    def tell(self) -> None:
        """Log what was left out since the last time.

        Raises:
            MissingInputError: no unit of the call can be shown.
        """
        units = self.call.units
        if len(self._why) == len(units):
            raise MissingInputError(_none_of(len(units), next(iter(self._why.values()))))
        for place, said in list(self._why.items())[self._told :]:
            _log.warning("%s is left out: %s", units[place].id, said)
        self._told = len(self._why)


def _none_of(count: int, why: str) -> str:
    return why if count == 1 else f"No unit of {count} can be shown: {why}"
