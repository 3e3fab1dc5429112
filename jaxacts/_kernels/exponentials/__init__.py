"""Refined forms of the exponentials; softplus takes the hyperbolic secant from the sigmoids."""
