"""Value, gradients and mixed derivatives on eight devices are those on one."""

from __future__ import annotations

import pytest
from devices import printed_on

SHARDED = """
import jax, jax.numpy as jnp, numpy as np, jaxacts
from jax.sharding import PartitionSpec as P

mesh = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
explicit = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Explicit,))

def sharded(f, x, *a):
    return jax.shard_map(f, mesh=mesh, in_specs=(P("i"), *[P()] * len(a)), out_specs=P("i"))(x, *a)

for name, a in [("relu", ()), ("leaky_relu", (0.25,)), ("gelu", ()), ("elu", (0.7,)), ("squareplus", (2.0,))]:
    for dtype, close in (("float32", 1e-5), ("bfloat16", 0.05)):
        f, x, a = jaxacts.get(name), jnp.linspace(-4, 4, 64, dtype=dtype), tuple(jnp.asarray(v, dtype) for v in a)
        first = lambda x, *a: jax.grad(lambda x: (f(x, *a) ** 2).sum())(x)
        second = lambda x, *a: jax.grad(lambda x: (first(x, *a) ** 2).sum())(x)
        same = lambda got, want: np.testing.assert_allclose(np.float32(got), np.float32(want), rtol=close, atol=close)
        same(sharded(f, x, *a), f(x, *a))
        eager = name in ("relu", "leaky_relu") and dtype == "float32"  # where each operation runs by itself
        run = (lambda f: f) if eager else jax.jit
        for g in (first, second):
            same(run(lambda x, *a: sharded(g, x, *a))(x, *a), run(g)(x, *a))
        placed = jax.jit(first)(jax.device_put(x, jax.NamedSharding(mesh, P("i"))), *a)
        same(placed, first(x, *a))
        assert len(placed.sharding.device_set) == 8, placed.sharding
        if a:
            by_slope = lambda x, a: jax.grad(lambda a: f(x, a).sum())(a)
            mixed = lambda x, a: jax.grad(lambda a: jax.grad(lambda x: f(x, a).sum())(x).sum())(a)
            for g in (by_slope, mixed):
                on_mesh = jax.shard_map(g, mesh=mesh, in_specs=(P("i"), P()), out_specs=P())
                expected = jax.jit(g)(x, *a)
                same(run(on_mesh)(x, *a), expected)
                with jax.set_mesh(explicit):
                    same(jax.jit(g)(jax.device_put(x, P("i")), jax.device_put(a[0], P())), expected)
print("same")
"""


@pytest.mark.slow
def test_sharded_like_unsharded() -> None:
    assert printed_on(8, SHARDED) == "same"
