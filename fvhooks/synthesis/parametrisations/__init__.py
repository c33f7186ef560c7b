"""Where a picture lives while it is optimised: pixels, a Fourier spectrum, phases only."""
