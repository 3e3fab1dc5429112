"""Variance scaling under the names that papers and frameworks gave it: each member is one scale and one mode.

May import ``_checks``, ``_protocol``, ``_samplers``, the distributions beside this package, ``_fans`` and ``_theory``.
"""
