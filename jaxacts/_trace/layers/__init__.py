"""Layers: the activation or the next layer that the output of each ends in, and the outputs themselves."""
