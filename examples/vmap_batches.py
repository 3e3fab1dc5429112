"""jaxacts under jax's transformations: jit, vmap, grad, jvp and hessian, on small arrays one can check by hand.

Run it from the repository root:

    python examples/vmap_batches.py
"""

import jax
import jax.numpy as jnp

import jaxacts


def show(call: str, value: object, meaning: str) -> None:
    """Print a call, what it gives, and what that means."""
    print(f"  {call}\n    = {str(value).replace(chr(10), chr(10) + ' ' * 6)}\n    {meaning}\n")


def show_batches(x: jax.Array) -> None:
    """The functions are elementwise: they take arrays of any shape, and may be compiled or mapped."""
    print(f"Batches. x = {x}\n")
    show("relu(x)", jaxacts.relu(x), "An array of any shape goes in, one of the same shape and dtype comes out.")
    show("jit(relu)(x)", jax.jit(jaxacts.relu)(x), "Compiled: the same numbers.")

    batch = jnp.stack([x, 10 * x])
    show("vmap(relu)(batch of x and 10 x)", jax.vmap(jaxacts.relu)(batch), "One row after the other, in one call.")

    rows_to_probabilities = jax.vmap(jaxacts.softmax)
    show("vmap(softmax)(batch)", rows_to_probabilities(batch), "Softmax sees one row at a time: each row sums to 1.")

    slopes = jnp.array([0.0, 0.01, 0.25, 1.0])
    each_slope = jax.vmap(jaxacts.leaky_relu, in_axes=(None, 0))
    show(
        f"vmap(leaky_relu, in_axes=(None, 0))(x, {slopes})",
        each_slope(x, slopes),
        "The same x for each slope, a row per slope: a slope is an ordinary array argument.",
    )


def show_derivatives(x: jax.Array) -> None:
    """Each function knows its exact derivative, of every order, in x and in its parameters."""
    print(f"Derivatives. x = {x}\n")
    slope_of = jax.vmap(jax.grad(jaxacts.elu))
    show("vmap(grad(elu))(x)", slope_of(x), "The slope at every element: exp(x) on the left, 1 on the right.")

    value, change = jax.jvp(jaxacts.tanh, (x,), (jnp.ones_like(x),))
    show("jvp(tanh, (x,), (ones,))[0]", value, "Value ...")
    show("jvp(tanh, (x,), (ones,))[1]", change, "... and slope 1 - tanh(x)^2 in one forward pass.")

    by_slope = jax.grad(lambda a: jaxacts.prelu(x, a).sum())
    show("grad of sum(prelu(x, a)) by a, at 0.25", by_slope(0.25), "The sum of the negative x: how PReLU learns a.")

    curvature = jax.hessian(lambda v: jaxacts.softplus(v).sum())
    show("hessian of sum(softplus(x))", curvature(x), "Diagonal, since every output depends on its own input alone.")


def show_kinks() -> None:
    """Where the slope jumps, the library takes the least one in magnitude; another one can be chosen."""
    print("Kinks.\n")
    show("grad(relu)(0.0)", jax.grad(jaxacts.relu)(0.0), "Left of 0 the slope is 0, right of it 1: relu takes 0 there.")
    for choice in ("right", 0.5):
        chosen = jaxacts.with_kink_slope(jaxacts.relu, choice)
        show(
            f"grad(with_kink_slope(relu, {choice!r}))(0.0)", jax.grad(chosen)(0.0), "The same function, another choice."
        )
    show("catalogue()['relu6'].kinks()", jaxacts.catalogue()["relu6"].kinks(), "Every kink with its slopes is listed.")


def main() -> None:
    x = jnp.array([-2.0, -0.5, 0.0, 3.0])
    with jnp.printoptions(precision=4, suppress=True):
        show_batches(x)
        show_derivatives(x)
        show_kinks()


if __name__ == "__main__":
    main()
