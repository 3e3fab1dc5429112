"""Units: all activations of a model, the axis and the weights of their units, and what they do while it runs."""
