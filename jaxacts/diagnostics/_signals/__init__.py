"""Signals and gradients over the depth: at initialization, in training, and in theory."""
