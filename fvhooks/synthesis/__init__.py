"""Pictures of units: parametrisations, transforms, objectives, recipes, and the engine that runs them."""
