"""Networks whose pictures deceive, built on purpose around a user's model: how one sees that an audit works.

Everything here takes images in the model's own input space: normalised, as its first layer wants them.
"""

from fvhooks.attacks.circuits import FoolingCircuit, fooling_circuit
from fvhooks.attacks.filters import SilentUnits, silent_units
from fvhooks.attacks.training import Gate, train_gate
from fvhooks.attacks.trajectories import Trajectories, trajectories

__all__ = [
    "FoolingCircuit",
    "Gate",
    "SilentUnits",
    "Trajectories",
    "fooling_circuit",
    "silent_units",
    "train_gate",
    "trajectories",
]
