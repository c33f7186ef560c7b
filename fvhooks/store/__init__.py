"""What real images do in a model, kept in one Zarr store that opens in xarray."""
