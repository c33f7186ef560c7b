"""From a call of `fvhooks.visualize` to its pictures: planned, batched, shown while they form, kept."""
