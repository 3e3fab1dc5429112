"""A model as a graph: where its layers, activations and parameters are, for whatever looks at whole models.

:mod:`.graph` flattens a traced function into one list of operations. :mod:`.layers` follows the output of each layer
through it: :mod:`.layers.follow` to where it ends, with a :mod:`.layers.trail` of what it finds and the
:mod:`.layers.columns` that each value holds, :mod:`.layers.additions` which sums join residual branches,
:mod:`.layers.recognize` says which activation that is, :mod:`.layers.measure` records the outputs. :mod:`.units` finds
all activations, wherever they are: :mod:`.units.sites` on the :mod:`.units.tree` of elementwise values, without what
:mod:`.units.normalizations` have of their own, :mod:`.units.names` what they are called, :mod:`.units.axes` and
:mod:`.units.links` which axis and which weights belong to their units, and :mod:`.units.execute` runs the program while
it looks at them. Units import layers; both run equations again with :mod:`.replay`. :mod:`.calls` says what is wrong
with the call of a model. Imports jax, numpy and the catalogue alone; initializers and diagnostics import this package.
"""
