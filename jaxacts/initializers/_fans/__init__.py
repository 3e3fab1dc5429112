"""How many inputs and outputs a kernel connects, from its shape, its axes and the layer that uses it.

May import ``_checks`` alone.
"""
