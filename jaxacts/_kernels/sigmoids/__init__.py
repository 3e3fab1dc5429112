"""Refined forms of the sigmoids; erf takes the density from gelu."""
