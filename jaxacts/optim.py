r"""Which parameters of a Flax model are those of its activations, for optimizers that treat them apart.

Weight decay pulls a learned slope towards 0, which makes another activation of it: He et al. 2015 train the slopes of
PReLU without decay. :func:`decay_mask` is the ``mask`` of ``optax.adamw``, :func:`activation_mask` its complement, and
:func:`activation_labels` is for ``optax.multi_transform``. optax itself is not needed here.
"""

from __future__ import annotations

import operator
from typing import Any, overload

import jax

try:
    from flax import linen as nn
    from flax import nnx
except ImportError as error:
    raise ImportError('jaxacts.optim needs flax; install it with pip install "jaxacts[flax]".') from error

from jaxacts import linen
from jaxacts import nnx as for_nnx
from jaxacts.linen import _base as of_linen
from jaxacts.nnx import _base as of_nnx

__all__ = ["activation_labels", "activation_mask", "decay_mask"]

Mask = Any
"""A tree of the structure of the parameters."""


@overload
def activation_mask(model: nnx.Module, *, wrt: Any = nnx.Param) -> Mask: ...
@overload
def activation_mask(model: nn.Module, variables: Any, /, *args: Any, **kwargs: Any) -> Mask: ...
def activation_mask(model: nnx.Module | nn.Module, *args: Any, **kwargs: Any) -> Mask:
    """True for each parameter of an activation, False for all others.

    Activations are the modules of :mod:`jaxacts.linen` and :mod:`jaxacts.nnx` and the ``PReLU`` of Flax itself. The
    kernels and biases of ``Maxout`` and ``FReLU`` are weights.

    Args:
        model: a module of ``flax.nnx`` or ``flax.linen``.
        *args: for linen the variables, then what ``model.apply`` takes after them; arrays may be
            ``jax.ShapeDtypeStruct``. The model is traced to see where its activations are, and nothing is computed.
        **kwargs: for linen further arguments of ``model.apply``, for nnx ``wrt``, the filter that the optimizer has.

    Returns:
        For linen a tree like ``variables["params"]``, for nnx one like ``nnx.state(model, wrt)`` with bools in place of
        the variables.

    Raises:
        TypeError: ``model`` is not a Flax module, or the call does not fit it.

    Note:
        For linen activations that are not called with these arguments are not found.

    Example:
        >>> import jax
        >>> from flax import nnx
        >>> from jaxacts.nnx import PReLU
        >>> from jaxacts.optim import activation_mask
        >>> model = nnx.Sequential(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), PReLU(3, axis=-1))
        >>> jax.tree.leaves(activation_mask(model))
        [False, False, True]
    """
    if isinstance(model, nnx.Module):
        return _nnx_mask(model, *args, **kwargs)
    if isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        if not args:
            raise TypeError(
                "activation_mask: a linen model needs its variables and its inputs, got the model alone; "
                "call activation_mask(model, variables, x)."
            )
        return _linen_mask(model, *args, **kwargs)
    raise TypeError(
        f"activation_mask: model must be a module of flax.linen or flax.nnx, got {type(model).__name__}; "
        f"pass the model itself, not its parameters."
    )


@overload
def decay_mask(model: nnx.Module, *, wrt: Any = nnx.Param) -> Mask: ...
@overload
def decay_mask(model: nn.Module, variables: Any, /, *args: Any, **kwargs: Any) -> Mask: ...
def decay_mask(model: Any, *args: Any, **kwargs: Any) -> Mask:
    """False for each parameter of an activation, True for all others: the ``mask`` of optimizers with weight decay.

    Args and errors are those of :func:`activation_mask`.

    Example:
        >>> import jax, optax
        >>> from flax import linen as nn
        >>> from jaxacts.linen import PReLU
        >>> from jaxacts.optim import decay_mask
        >>> model, x = nn.Sequential([nn.Dense(3), PReLU(axis=-1)]), jax.numpy.ones((1, 2))
        >>> variables = model.init(jax.random.key(0), x)
        >>> mask = decay_mask(model, variables, x)
        >>> mask
        {'layers_0': {'bias': True, 'kernel': True}, 'layers_1': {'negative_slope': False}}
        >>> optimizer = optax.adamw(1e-3, weight_decay=0.1, mask=mask)
    """
    return jax.tree.map(operator.not_, activation_mask(model, *args, **kwargs))


@overload
def activation_labels(model: nnx.Module, *, wrt: Any = nnx.Param) -> Any: ...
@overload
def activation_labels(model: nn.Module, variables: Any, /, *args: Any, **kwargs: Any) -> Any: ...
def activation_labels(model: Any, *args: Any, **kwargs: Any) -> Any:
    """``"activation"`` for each parameter of an activation, ``"weight"`` for all others.

    Args and errors are those of :func:`activation_mask`.

    Example:
        >>> import optax
        >>> from flax import nnx
        >>> from jaxacts.nnx import PReLU
        >>> from jaxacts.optim import activation_labels
        >>> model = nnx.Sequential(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), PReLU(3, axis=-1))
        >>> slower = {"weight": optax.adam(1e-3), "activation": optax.adam(1e-4)}
        >>> optimizer = nnx.Optimizer(model, optax.multi_transform(slower, activation_labels(model)), wrt=nnx.Param)
    """
    names = {True: "activation", False: "weight"}
    return jax.tree.map(names.__getitem__, activation_mask(model, *args, **kwargs))


def _parameters(module: Any) -> tuple[str, ...]:
    """The names of the parameters of a module that is an activation."""
    if isinstance(module, linen.FReLU | for_nnx.FReLU):  # a convolution, whose kernel and bias are weights
        return ()
    if isinstance(module, of_linen.Learnable | of_nnx.Learnable):
        return module.definition.parameters
    return ("negative_slope",) if isinstance(module, nn.PReLU | nnx.PReLU) else ()


def _nnx_mask(model: nnx.Module, *, wrt: Any = nnx.Param) -> Mask:
    modules = [m for _, m in nnx.iter_graph(model) if isinstance(m, nnx.Module)]
    found = [getattr(m, n) for m in modules for n in _parameters(m)]
    paths: set[Any] = set()

    def note(path: Any, variable: Any) -> bool:
        if any(variable is f for f in found):
            paths.add(path)
        return False

    nnx.state(model, note)
    state = nnx.state(model, wrt)
    return nnx.map_state(lambda path, _: path in paths, state)


def _linen_mask(model: nn.Module, variables: Any, /, *args: Any, **kwargs: Any) -> Mask:
    paths: set[tuple[str, ...]] = set()

    def note(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        paths.update((*context.module.path, n) for n in _parameters(context.module))
        return call(*args, **kwargs)

    leaves, tree = jax.tree.flatten((variables, args, {"mutable": True, **kwargs}))
    arrays = {i: leaf for i, leaf in enumerate(leaves) if hasattr(leaf, "shape")}

    def call(arrays: Any) -> None:
        variables, args, kwargs = tree.unflatten(arrays.get(i, leaf) for i, leaf in enumerate(leaves))
        with nn.intercept_methods(note):
            model.apply(variables, *args, **kwargs)

    jax.eval_shape(call, arrays)

    def is_activation(path: Any, _: Any) -> bool:
        keys = tuple(k.key for k in path if isinstance(k, jax.tree_util.DictKey))
        return keys in paths

    return jax.tree_util.tree_map_with_path(is_activation, variables.get("params", {}))
