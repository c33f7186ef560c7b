"""What a unit inside an image model looks for, and how far that picture can be trusted.

Importing fvhooks loads torch and NumPy; everything else comes when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fvhooks.errors import FVHooksError
from fvhooks.hooks import HookedModel, Preprocessing, attach
from fvhooks.units import Direction, Layout, Unit

if TYPE_CHECKING:
    from fvhooks.atlases.maps import atlas
    from fvhooks.atlases.results import Atlas
    from fvhooks.browsing.opening import browse
    from fvhooks.browsing.results import StoreBrowser
    from fvhooks.circuits.attribution import attribution_graph
    from fvhooks.circuits.graphs import AttributionGraph
    from fvhooks.collecting.collection import collect
    from fvhooks.explanations import Explanation, explain
    from fvhooks.relevance.ranking import top_units
    from fvhooks.reliability.audits import AuditReport, audit
    from fvhooks.results import load
    from fvhooks.store.reading import Store, open_store
    from fvhooks.synthesis.running.rendering import visualize
    from fvhooks.synthesis.sets import ImageSet
    from fvhooks.synthesis.visualizations import Visualizations, as_visualizations
    from fvhooks.unit_cards import UnitCards, cards
    from fvhooks.widgets.visualizations import contact_sheet

__version__ = "0.1.0"

_LAZY: dict[str, str] = {
    "Atlas": "fvhooks.atlases.results",
    "AttributionGraph": "fvhooks.circuits.graphs",
    "AuditReport": "fvhooks.reliability.audits",
    "Explanation": "fvhooks.explanations",
    "ImageSet": "fvhooks.synthesis.sets",
    "Store": "fvhooks.store.reading",
    "StoreBrowser": "fvhooks.browsing.results",
    "UnitCards": "fvhooks.unit_cards",
    "Visualizations": "fvhooks.synthesis.visualizations",
    "as_visualizations": "fvhooks.synthesis.visualizations",
    "atlas": "fvhooks.atlases.maps",
    "attribution_graph": "fvhooks.circuits.attribution",
    "audit": "fvhooks.reliability.audits",
    "browse": "fvhooks.browsing.opening",
    "cards": "fvhooks.unit_cards",
    "collect": "fvhooks.collecting.collection",
    "contact_sheet": "fvhooks.widgets.visualizations",
    "explain": "fvhooks.explanations",
    "load": "fvhooks.results",
    "open_store": "fvhooks.store.reading",
    "top_units": "fvhooks.relevance.ranking",
    "visualize": "fvhooks.synthesis.running.rendering",
}

__all__ = [
    "Atlas",
    "AttributionGraph",
    "AuditReport",
    "Direction",
    "Explanation",
    "FVHooksError",
    "HookedModel",
    "ImageSet",
    "Layout",
    "Preprocessing",
    "Store",
    "StoreBrowser",
    "Unit",
    "UnitCards",
    "Visualizations",
    "as_visualizations",
    "atlas",
    "attach",
    "attribution_graph",
    "audit",
    "browse",
    "cards",
    "collect",
    "contact_sheet",
    "explain",
    "load",
    "open_store",
    "top_units",
    "visualize",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in ("atlases", "attacks", "circuits", "relevance"):  # modules, used as fvhooks.relevance.FlowLRP
        return import_module(f"fvhooks.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'fvhooks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
