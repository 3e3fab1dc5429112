"""A model as a graph: where its layers, activations and parameters are, for whatever looks at whole models.

:mod:`.graph` flattens a traced function into one list of operations, :mod:`.follow` follows the output of a layer
through it, :mod:`.recognize` says which activation the output ends in; :mod:`.sites` finds all activations, wherever
they are (on the :mod:`.tree` of elementwise values), :mod:`.units` and :mod:`.links` which axis and which weights
belong to their units; :mod:`.execute` runs the program again while it looks at them, and :mod:`.measure` while it
records the outputs of layers, both with :mod:`.replay`. Imports jax, numpy and the catalogue alone; initializers and
diagnostics import this package.
"""
