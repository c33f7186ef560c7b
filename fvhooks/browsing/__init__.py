"""Every unit of a store, to sort, to open and to choose from."""
