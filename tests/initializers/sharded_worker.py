"""What test_sharding.py runs in processes of their own, which have eight CPU devices in all.

``sharded_worker.py PATH`` has all eight. ``sharded_worker.py PATH PORT PROCESS`` is one of two with four each. Each
writes the parts that it holds as ``"NAME|WHERE|START,STOP,..."`` to PATH.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

if __name__ == "__main__" and len(sys.argv) == 4:
    # Before anything that makes an array, as the tables of test_protocol do.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # No limit on how long one process may wait for the other: the test ends both when either fails.
    limits = ("initialization_timeout", "heartbeat_timeout_seconds", "shutdown_timeout_seconds")
    jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, int(sys.argv[3]), **dict.fromkeys(limits, 86_400))

sys.path.insert(0, str(Path(__file__).parent))
import test_protocol
from test_protocol import KEY, SAMPLERS

from jaxacts.initializers import he_normal, match, orthogonal

INITIALIZERS = test_protocol.INITIALIZERS | test_protocol.WRAPPED
SHAPES = test_protocol.SHAPES | dict.fromkeys(test_protocol.WRAPPED, (8, 16))

ONE_OF_EACH = [*SAMPLERS, *test_protocol.PLAIN, *test_protocol.WRAPPED]
GRIDS = [(1, 8), (2, 4), (8, 1)]
LARGE = {2: (1024, 2048), 3: (2, 512, 2048)}
WHOLE_ON_EACH = {"delta_orthogonal", "orthogonal"}
# Members that draw in their own way where the dtype is complex, and the decompositions.
OTHER_GRID = "(2, 4)"
OTHER_DTYPES = [
    (name, dtype)
    for name in ("he_truncated_normal", "he_uniform", "orthogonal", "uniform")
    for dtype in ("bfloat16", "complex64")
]

found: dict[str, np.ndarray] = {}


def spread(mesh: Mesh, rank: int) -> NamedSharding:
    return NamedSharding(mesh, P(*[None] * (rank - 2), "x", "y"))


def keep(name: str, where: str, w: jax.Array) -> None:
    for shard in w.addressable_shards:
        bounds = [i for s, n in zip(shard.index, w.shape, strict=True) for i in s.indices(n)[:2]]
        # As complex64, for a file of arrays has no bfloat16.
        found[f"{name}|{where}|{','.join(map(str, bounds))}"] = np.asarray(shard.data).astype(np.complex64)


def draw(mesh: Mesh, where: str) -> None:
    """Every member by itself with out_sharding, and all in one jitted program with out_shardings."""
    shardings = {name: spread(mesh, len(SHAPES[name])) for name in INITIALIZERS}
    # All names on one grid; on the others one for each way to make the values.
    for name in INITIALIZERS if where == OTHER_GRID else ONE_OF_EACH:
        init = INITIALIZERS[name]
        w = init(KEY, SHAPES[name], None, shardings[name])
        assert w.sharding.is_equivalent_to(shardings[name], w.ndim), (name, w.sharding)
        keep(name, f"{where} eager", w)
    for name, dtype in OTHER_DTYPES if where == OTHER_GRID else []:
        keep(f"{name} {dtype}", f"{where} eager", INITIALIZERS[name](KEY, SHAPES[name], dtype, shardings[name]))
    together = jax.jit(lambda key: {n: f(key, SHAPES[n]) for n, f in INITIALIZERS.items()}, out_shardings=shardings)
    for name, w in together(KEY).items():
        keep(name, f"{where} jitted", w)


def measure(mesh: Mesh, where: str) -> None:
    """The largest array of the program of one device and its memory, in parts of the whole parameter."""
    for name in SAMPLERS:
        shape = LARGE[len(SHAPES[name])]
        if name in WHOLE_ON_EACH:
            shape = (*shape[:-2], 128, 256)
        program = jax.jit(
            lambda key, name=name, shape=shape: INITIALIZERS[name](key, shape), out_shardings=spread(mesh, len(shape))
        )
        compiled = program.lower(KEY).compile()
        arrays = [
            math.prod(map(int, sizes.split(","))) for sizes in re.findall(r"\w\d+\[([\d,]+)\]", compiled.as_text())
        ]
        memory = compiled.memory_analysis()
        whole = math.prod(shape)
        parts = [max(arrays) / whole, memory.output_size_in_bytes / whole / 4, memory.temp_size_in_bytes / whole / 4]
        found[f"{name}|{where} memory|"] = np.array(parts)


def draw_under(mesh: Mesh, where: str) -> None:
    """With a bare PartitionSpec, and without one, under a mesh that is set."""
    for name in SAMPLERS:
        shape, init = SHAPES[name], INITIALIZERS[name]
        sharding = spread(mesh, len(shape))
        with jax.set_mesh(mesh):
            split = jax.jit(lambda key, init=init, shape=shape, spec=sharding.spec: init(key, shape, None, spec))(KEY)
            whole = init(KEY, shape)
        assert split.sharding.is_equivalent_to(sharding, len(shape)), (name, where, split.sharding)
        keep(name, f"{where} split", split)
        keep(name, f"{where} whole", whole)


def redraw(mesh: Mesh) -> None:
    """A model with a sharded kernel: what is drawn anew is where the old one was, and as orthogonal."""
    sharding = spread(mesh, 2)
    for init in (orthogonal(), he_normal()):
        old = init(KEY, (16, 16), None, sharding)
        new, report = match(lambda w, x: x @ w, np.ones((2, 16), np.float32), KEY, variables=old)
        assert new.sharding == sharding
        close = np.allclose(np.asarray(new).T @ np.asarray(new), np.eye(16), atol=1e-5)
        assert close == ("orthogonal" in report.layers[0].notes) == (init == orthogonal())


if __name__ == "__main__":
    path, *distributed = sys.argv[1:]
    assert (len(jax.local_devices()), jax.device_count()) == (4 if distributed else 8, 8)
    for grid in [(2, 4)] if distributed else GRIDS:
        mesh = jax.make_mesh(grid, ("x", "y"), axis_types=(AxisType.Auto, AxisType.Auto))
        draw(mesh, str(grid))
        measure(mesh, str(grid))
    if not distributed:
        for kind in (AxisType.Auto, AxisType.Explicit):
            mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind, kind))
            draw_under(mesh, kind.name)
            redraw(mesh)
    np.savez(path, **found)
