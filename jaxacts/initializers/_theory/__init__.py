"""What an activation does to normal variables: moments, gains, the edge of chaos, by quadrature on the host.

May import ``_checks`` and the catalogue of activations. Knows no kernels.
"""
