"""One pass over a data set into a store: planned, cut into shards, run by threads or a cluster, folded."""
