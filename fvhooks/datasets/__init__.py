"""Images and labels from whatever a user has: kinds of data sets, and batches decoded ahead of the model."""
