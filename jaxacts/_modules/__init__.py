"""What the linen and the nnx modules share: all but the place where the values are kept."""
