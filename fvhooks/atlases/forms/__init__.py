"""What a map can be of, one kind a file."""
