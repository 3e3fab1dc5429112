"""Initializers made of other initializers: scaled, transformed, normalized, side by side, for residual networks.

May import the samplers, constants and checks of ``initializers``, but no fans and no theory.
"""
