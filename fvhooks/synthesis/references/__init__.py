"""What real images give a recipe: which show a target, where in them, and what a picture is matched with."""
