"""Refined forms of self-gated functions, and the weighted means of two lines that several of them are."""
