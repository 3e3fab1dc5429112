"""Whole models: each kernel drawn for the activation behind it, or scaled on data.

May import ``jaxacts._trace`` and everything else in ``initializers``. Flax is imported when one of its modules is
passed.
"""
