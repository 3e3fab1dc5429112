"""The clauses of the contract, one module a subject; ``jaxacts.testing`` is their public face."""

from collections.abc import Callable

from . import accuracy, behaviour, curve
from .case import Case, NotApplicableError

__all__ = ["CLAUSES", "Case", "NotApplicableError"]

CLAUSES: dict[str, Callable[[Case], None]] = {
    name: getattr(module, name) for module in (accuracy, curve, behaviour) for name in module.__all__
}
