"""Maps of inputs, units and latents: items laid out by likeness, each in a cell of its own."""
