"""What the catalogue says of each activation, checked against the mpmath formulas and by sampling."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from references import REFERENCES

import jaxacts
from jaxacts import initializers
from jaxacts.lookup import USED_BY

CATALOGUE = jaxacts.catalogue()
DIGITS = 400
CURVES = [name for name, entry in CATALOGUE.items() if entry.elementwise]


@functools.cache
def described(name: str) -> jaxacts.Description:
    return jaxacts.describe(name)


def exact(name: str, xs: Any) -> list[Any]:
    """The reference formula at the typical arguments."""
    arguments = CATALOGUE[name].arguments()
    parameters = CATALOGUE[name].parameters
    with mp.workdps(DIGITS):
        given = {n: mp.mpf(v) if n in parameters else v for n, v in arguments.items()}
        return [REFERENCES[name].formula(mp.mpf(float(x)), **given) for x in xs]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CURVES)
def test_where_it_rises(name: str) -> None:
    xs = np.unique(
        np.concatenate([np.linspace(-20.2, 20.3, 1621), np.geomspace(25, 300, 12), -np.geomspace(25, 300, 12)])
    )
    ys = exact(name, xs)
    rising = all(a <= b for a, b in itertools.pairwise(ys))
    falling = all(a >= b for a, b in itertools.pairwise(ys))
    assert described(name).shape.monotone == ("increasing" if rising else "decreasing" if falling else None)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", CURVES)
def test_parity(name: str) -> None:
    xs = np.array([0.17, 0.9, 1.3, 2.6, 3.4, 7.7, 30.1])
    pairs = list(zip(exact(name, xs), exact(name, -xs), strict=True))
    with mp.workdps(DIGITS):
        odd, even = (all(abs(a + s * b) < mp.mpf(10) ** -300 for a, b in pairs) for s in (1, -1))
    assert described(name).shape.parity == ("odd" if odd else "even" if even else None)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", CURVES)
def test_saturation(name: str) -> None:
    """Hard where the exact value is one constant far outside, soft where it only comes closer and closer to one."""
    for side, found in ((-1, described(name).shape.left), (1, described(name).shape.right)):
        far, farther = (_steps(name, side * scale * np.array([9.3, 12.7, 17.2])) for scale in (1, 8))
        if found == "hard":
            assert far == farther == [0, 0]
        elif found == "soft":
            assert any(0 < second < first for first, second in (far, farther))
            # Algebraic curves approach their limit slowly, but faster than a logarithm.
            assert _steps(name, side * np.array([1e9, 1e10]))[0] < 1e-6
        else:
            assert max(farther) > 1e-3


def _steps(name: str, xs: np.ndarray) -> list[Any]:
    with mp.workdps(DIGITS):
        return [abs(a - b) for a, b in itertools.pairwise(exact(name, xs))]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", CURVES)
def test_exact_zeros(name: str) -> None:
    intervals = described(name).shape.zeros
    xs = np.linspace(-7.93, 7.97, 319)
    inside = np.any([(low < xs) & (xs < high) for low, high in intervals], axis=0) if intervals else np.zeros(xs.shape)
    for x, y, zero in zip(xs, exact(name, xs), inside, strict=True):
        assert (y == 0) == bool(zero), f"{name}({x}) = {y}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CURVES)
def test_moments_and_gain(name: str) -> None:
    """E[f²] by 200,000 quantiles of the normal distribution, and the gain that undoes it."""
    arguments, found = CATALOGUE[name].arguments(), described(name)
    z = jax.scipy.special.ndtri((jnp.arange(200_000) + 0.5) / 200_000)
    second = float(jnp.square(CATALOGUE[name].function(z, **arguments)).mean())
    assert found.second_moment == pytest.approx(second, rel=2e-3)
    assert found.forward_gain == pytest.approx(second**-0.5, rel=2e-3)
    slope = jax.vmap(jax.grad(lambda z: CATALOGUE[name].function(z, **arguments)))(z)
    assert found.backward_gain == pytest.approx(float(jnp.square(slope).mean()) ** -0.5, rel=2e-3)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", CURVES)
def test_the_initializer_makes_weights_that_keep_the_signal(name: str) -> None:
    """He's and LeCun's rule keep E[f²] = 1; Xavier's and SIREN's the variance of what a linear layer sees."""
    call = described(name).initializer
    init = eval(call, {"functools": functools, "jaxacts": jaxacts, **vars(initializers)})
    width = 1024
    inputs, weights = jax.random.split(jax.random.key(0))
    x = jax.random.normal(inputs, (256, width))
    if call.startswith("siren"):
        x = jnp.sqrt(2) * jnp.sin(jnp.pi / 2 * x)
        omega = CATALOGUE[name].arguments()["omega"]
        assert float((omega * x @ init.hidden(weights, (width, width))).std()) == pytest.approx(math.sqrt(2), rel=0.1)
        return
    z = x @ init(weights, (width, width))
    if call.startswith("xavier"):
        assert float(z.std()) == pytest.approx(1, rel=0.05)
        return
    wanted = 1 / described(name).second_moment if call.startswith("he") else 1.0
    assert float(jnp.square(z).mean()) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("name", CATALOGUE)
def test_papers(name: str) -> None:
    papers = CATALOGUE[name].references
    assert papers, f"{name}: no paper under References"
    for paper in papers:
        assert re.match(r"https?://[\w.-]+\.\w+/?\S*$", paper.url), paper
        if preprint := re.match(r"https://arxiv.org/abs/(\d\d)", paper.url):
            year = re.search(r"\b(19|20)\d\d\b", paper.citation)
            assert year, f"{name}: no year in {paper.citation!r}"
            assert 0 <= int(year[0]) - 2000 - int(preprint[1]) <= 2, f"{name}: {paper} is of another year"
        assert '"' in paper.citation, f"{name}: no title in {paper.citation!r}"


def test_models_are_named_with_a_source() -> None:
    assert set(USED_BY) <= set(CATALOGUE)
    for models in USED_BY.values():
        for model in models:
            assert re.match(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|github\.com/\S+)$", model.source), model


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_description_is_plain_data_and_a_table(name: str) -> None:
    found = described(name)
    again = json.loads(json.dumps(found.to_dict(), default=str))
    assert again["name"] == name
    assert again["formula"] == found.formula
    assert (again["shape"] is None) == (name not in CURVES)
    lines = str(found).splitlines()
    assert lines[0].split() == ["name", name]
    assert not [line for line in lines if "object at" in line or "None" in line.split()[1:2]]


def test_parameters_are_taken() -> None:
    found = jaxacts.describe("leaky_relu", negative_slope=-1.0)
    assert found.shape == jaxacts.describe("abs").shape
    assert found.initializer == "lecun_normal()"
    assert jaxacts.describe("leaky_relu", negative_slope=0.0).shape == jaxacts.describe("relu").shape
    assert jaxacts.describe("hard_tanh", max=2.0).shape.parity is None


def test_what_describe_refuses() -> None:
    with pytest.raises(TypeError, match="describe: '<lambda>' is not in the catalogue; pass an activation of jaxacts"):
        jaxacts.describe(lambda x: x)
    with pytest.raises(ValueError, match="unknown activation 'rellu'; did you mean 'relu'"):
        jaxacts.describe("rellu")
    with pytest.raises(ValueError, match="leaky_relu: facts, kinks and knots are those of one curve"):
        jaxacts.describe("leaky_relu", negative_slope=jnp.ones(2))
