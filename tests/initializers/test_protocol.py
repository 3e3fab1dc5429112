"""What every initializer does alike: dtype, jit, vmap, equality, pickling, one compilation, Flax."""

from __future__ import annotations

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxacts
from jaxacts import initializers as ji
from jaxacts.initializers._basic import Scaled

KEY = jax.random.key(5)

# Every public initializer with its required arguments; the sharded tests draw from the same table.
FACTORIES = {
    "constant": lambda **kw: ji.constant(0.3, **kw),
    "delta_orthogonal": ji.delta_orthogonal,
    "dirac": ji.dirac,
    "he_normal": ji.he_normal,
    "he_truncated_normal": ji.he_truncated_normal,
    "he_uniform": ji.he_uniform,
    "identity": ji.identity,
    "layer_default": lambda **kw: ji.layer_default("torch.Linear", **kw),
    "lecun_normal": ji.lecun_normal,
    "lecun_truncated_normal": ji.lecun_truncated_normal,
    "lecun_uniform": ji.lecun_uniform,
    "log_uniform": lambda **kw: ji.log_uniform(1e-3, 0.1, **kw),
    "normal": ji.normal,
    "orthogonal": ji.orthogonal,
    "ring": lambda **kw: ji.ring(0.5, 0.9, **kw),
    "small_init": lambda **kw: ji.small_init(64, **kw),
    "sparse": lambda **kw: ji.sparse(0.3, **kw),
    "spectral": ji.spectral,
    "truncated_normal": ji.truncated_normal,
    "uniform": ji.uniform,
    "variance_scaling": lambda **kw: ji.variance_scaling(1.0, "fan_avg", "normal", **kw),
    "wang_init": lambda **kw: ji.wang_init(64, 12, **kw),
    "xavier_normal": ji.xavier_normal,
    "xavier_truncated_normal": ji.xavier_truncated_normal,
    "xavier_uniform": ji.xavier_uniform,
}
PLAIN = {"ones": ji.ones, "zeros": ji.zeros}
ALIASES = {
    f"{alias}_{law}": f"{name}_{law}"
    for alias, name in (("kaiming", "he"), ("glorot", "xavier"))
    for law in ("normal", "truncated_normal", "uniform")
}
LAYERS = ["Conv", "Dense", "Einsum", "Embed"]
# Tested in files of their own: what computes numbers, wraps initializers or takes a whole model.
OTHERS = [
    "Critical",
    "DeepNorm",
    "Fans",
    "Finer",
    "FixedPoint",
    "Fixup",
    "Initializer",
    "LsuvReport",
    "MatchReport",
    "MatchedLayer",
    "Moments",
    "ScaledLayer",
    "Siren",
    "TFixup",
    "blocks",
    "by_path",
    "correlation_map",
    "critical",
    "deepnorm",
    "depth_scaled",
    "fans",
    "finer",
    "fixed_point",
    "fixup",
    "for_activation",
    "gain",
    "lsuv",
    "match",
    "moments",
    "scaled_by",
    "siren",
    "t_fixup",
    "transformed",
    "unit_norm",
    "variance_map",
]
INITIALIZERS = {name: make() for name, make in FACTORIES.items()} | PLAIN
WRAPPED = {
    "scaled_by": ji.scaled_by(ji.he_normal(), 0.3),
    "scaled_by of jax": ji.scaled_by(jax.nn.initializers.he_normal(), 0.3),
    "depth_scaled": ji.depth_scaled(ji.normal(0.02), 7),
    "fixup": ji.fixup(ji.he_uniform(), 7, 3).inner,
    "siren": ji.siren().first,
    "transformed": ji.transformed(ji.log_uniform(1e-3, 0.1), jaxacts.softplus_inverse),
    "blocks": ji.blocks(-1, ji.zeros, ji.normal(1.0), ji.lecun_normal(), ji.ones),
    "unit_norm": ji.unit_norm(ji.normal(1.0), 0),
    "normal with a mean": ji.normal(0.1, mean=2.0),
    "uniform between": ji.uniform(low=-0.3, high=0.7),
    "orthogonal gates": ji.orthogonal(layer=ji.Dense(packed=4)),
}
FIXED = {"constant", "dirac", "identity"}
RANDOM = sorted(FACTORIES.keys() - FIXED)
# One initializer for each way to make the values; all others go the same way.
SAMPLERS = sorted(
    {
        *FIXED,
        "delta_orthogonal",
        "he_normal",
        "he_uniform",
        "log_uniform",
        "orthogonal",
        "ring",
        "sparse",
        "truncated_normal",
        "uniform",
    }
)
SHAPES = dict.fromkeys(INITIALIZERS, (8, 16)) | dict.fromkeys(("delta_orthogonal", "dirac"), (2, 8, 16))


def test_the_tables_above_cover_the_public_names() -> None:
    assert {*INITIALIZERS, *ALIASES, *LAYERS, *OTHERS} == set(ji.__all__)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_the_same_function(alias: str) -> None:
    assert getattr(ji, alias) is getattr(ji, ALIASES[alias])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_fits_the_protocol_of_jax(name: str) -> None:
    init = INITIALIZERS[name]
    assert isinstance(init, jax.nn.initializers.Initializer)
    assert list(inspect.signature(init).parameters) == ["key", "shape", "dtype", "out_sharding"]
    assert jax.eval_shape(lambda key: init(key, list(SHAPES[name])), KEY).dtype == jnp.float32
    assert jax.eval_shape(lambda key: init(key, SHAPES[name], jnp.float16, None), KEY).dtype == jnp.float16


@pytest.mark.parametrize("name", [n for n in FACTORIES if hasattr(jax.nn.initializers, n)])
def test_keeps_the_arguments_of_jax(name: str) -> None:
    ours = inspect.signature(getattr(ji, name)).parameters
    jaxs = inspect.signature(getattr(jax.nn.initializers, name)).parameters
    kept = list(ours.values())[: len(jaxs)]
    assert [(p.name, p.kind) for p in kept] == [(p.name, p.kind) for p in jaxs.values()]
    assert [p.default for p in kept] == [p.default for p in jaxs.values()]


@pytest.mark.parametrize("name", FACTORIES)
def test_dtype_of_the_call_beats_that_of_the_factory(name: str) -> None:
    init = FACTORIES[name](dtype=jnp.bfloat16)
    assert jax.eval_shape(lambda key: init(key, SHAPES[name]), KEY).dtype == jnp.bfloat16
    assert jax.eval_shape(lambda key: init(key, SHAPES[name], jnp.float16), KEY).dtype == jnp.float16


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("name", [*SAMPLERS, *WRAPPED])
def test_jit_and_vmap_give_the_bits_of_eager(name: str) -> None:
    init, shape = (INITIALIZERS | WRAPPED)[name], SHAPES.get(name, (64, 32))
    eager = init(KEY, shape)
    np.testing.assert_array_equal(jax.jit(lambda k: init(k, shape))(KEY), eager)
    keys = jax.random.split(KEY, 3)
    mapped = jax.vmap(lambda k: init(k, shape))(keys)
    np.testing.assert_allclose(mapped, jnp.stack([init(k, shape) for k in keys]), rtol=0, atol=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_initializers_are_placed(name: str) -> None:
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "x"))
    w = WRAPPED[name](KEY, (64, 32), None, spread)
    assert w.sharding == spread
    np.testing.assert_array_equal(w, WRAPPED[name](KEY, (64, 32)))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", sorted({*SAMPLERS} - FIXED))
def test_keys_decide(name: str) -> None:
    init = INITIALIZERS[name]
    other = init(jax.random.key(6), SHAPES[name])
    assert float((init(KEY, SHAPES[name]) != other).mean()) > 0.3
    np.testing.assert_array_equal(init(jax.random.PRNGKey(6), SHAPES[name]), other)


@pytest.mark.parametrize("name", RANDOM)
def test_equal_arguments_make_equal_initializers(name: str) -> None:
    make = FACTORIES[name]
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(dtype=jnp.float16)
    assert pickle.loads(pickle.dumps(make())) == make()


def test_constant_pickles_and_hashes_with_an_array() -> None:
    init = ji.constant(jnp.arange(3.0))
    assert isinstance(hash(init), int)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(init))(None, (2, 3)), [[0, 1, 2]] * 2)


def test_equal_initializers_share_one_compilation() -> None:
    traced = []

    def sample(key: jax.Array, shape: tuple[int, ...], dtype: np.dtype) -> jax.Array:
        traced.append((shape, dtype))
        return jax.random.normal(key, shape, dtype)

    for factor, shape, dtype in ((1.0, (3, 4), jnp.float32), (2.0, (3, 4), jnp.float32), (1.0, (3, 4), jnp.bfloat16)):
        for key in jax.random.split(KEY, 3):
            Scaled("test", None, sample, factor)(key, shape, dtype)
    assert traced == [((3, 4), jnp.float32)] * 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", sorted({*SAMPLERS, *PLAIN} - {"delta_orthogonal", "dirac"}))
def test_is_a_kernel_init_of_flax(name: str) -> None:
    init = INITIALIZERS[name]
    x = jnp.ones((2, 6))
    params = linen.Dense(4, kernel_init=init).init(KEY, x)
    assert params["params"]["kernel"].shape == (6, 4)
    layer = nnx.Linear(6, 4, kernel_init=init, rngs=nnx.Rngs(0))
    assert nnx.jit(lambda layer, x: layer(x))(layer, x).shape == (2, 4)


def test_delta_orthogonal_is_a_kernel_init_of_flax() -> None:
    x = jnp.ones((2, 5, 5, 6))
    params = linen.Conv(4, (3, 3), kernel_init=ji.delta_orthogonal()).init(KEY, x)
    assert params["params"]["kernel"].shape == (3, 3, 6, 4)
    assert nnx.Conv(6, 4, (3, 3), kernel_init=ji.delta_orthogonal(), rngs=nnx.Rngs(0))(x).shape == (2, 5, 5, 4)


SECTIONS = [".. math::", "Args:", "Returns:", "Raises:", "Note:", "Example:", ">>> ", "References:", "http"]


@pytest.mark.parametrize("name", sorted({*INITIALIZERS} - {"Initializer"}))
def test_docstring_has_its_sections_in_order(name: str) -> None:
    text = inspect.getdoc(getattr(ji, name)) or ""
    places = [text.find(section) for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    first, second, *_ = text.splitlines()
    assert first.endswith(".")
    assert not second
