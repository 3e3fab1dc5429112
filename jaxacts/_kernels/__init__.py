"""Refined float32 and float64 forms of activations whose plain form misses the accuracy bar there.

One module a function, by family where there are several, each with the value, the slope or both; :mod:`.arithmetic` has
what they share: the exponential, sums and products of two words, polynomials. Every function takes float32 or float64
and is written for all inputs, ±inf included. This package imports nothing of jaxacts.
"""
