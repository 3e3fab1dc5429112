"""What the refined forms share: the exponential, numbers of two words, polynomials and gates. Imports jax alone."""
