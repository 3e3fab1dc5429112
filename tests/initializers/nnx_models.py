"""Further models in nnx, as real_models.py has them in linen: each a class, beside its sample."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from real_models import IMAGES, KEY, TOKENS, VECTORS

__all__ = ["MODELS"]


class Swiglu(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.up = nnx.Linear(width, 4 * width, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(2 * width, width, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        gate, value = jnp.split(self.up(x), 2, -1)
        return self.down(nnx.silu(gate) * value)


class PostNorm(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(200, 64, rngs=rngs)
        self.attention = nnx.List([nnx.MultiHeadAttention(4, 64, decode=False, rngs=rngs) for _ in range(2)])
        self.dense = nnx.List([Swiglu(64, rngs) for _ in range(2)])
        self.norms = nnx.List([nnx.LayerNorm(64, rngs=rngs) for _ in range(4)])
        self.head = nnx.Linear(64, 200, rngs=rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        x = self.table(ids)
        for i, (attention, dense) in enumerate(zip(self.attention, self.dense, strict=True)):
            x = self.norms[2 * i](x + attention(x))
            x = self.norms[2 * i + 1](x + dense(x))
        return self.head(x)


class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norms = nnx.List([nnx.RMSNorm(64, rngs=rngs) for _ in range(2)])
        self.attention, self.dense = nnx.MultiHeadAttention(4, 64, decode=False, rngs=rngs), Swiglu(64, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.norms[0](x))
        return x + self.dense(self.norms[1](x))


class Scanned(nnx.Module):
    """Three blocks, stacked and rematerialized."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(200, 64, rngs=rngs)
        self.blocks = nnx.split_rngs(splits=3)(nnx.vmap(Block))(rngs)
        self.head = nnx.Linear(64, 200, rngs=rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        @nnx.remat
        def through(x: jax.Array, block: Block) -> jax.Array:
            return block(x)

        return self.head(through(self.table(ids), self.blocks))


class ConvNeXt(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, 32, (4, 4), (4, 4), rngs=rngs)
        self.depthwise = nnx.Conv(32, 32, (7, 7), feature_group_count=32, rngs=rngs)
        self.norms = nnx.List([nnx.LayerNorm(32, rngs=rngs) for _ in range(2)])
        self.up, self.down = nnx.Linear(32, 128, rngs=rngs), nnx.Linear(128, 32, rngs=rngs)
        self.scale = nnx.Param(jnp.full(32, 1e-6))
        self.head = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.norms[0](self.stem(x))
        h = self.down(nnx.gelu(self.up(self.norms[1](self.depthwise(x)))))
        return self.head((x + self.scale * h).mean((1, 2)))


class Vae(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encoder, self.latent = nnx.Linear(48, 64, rngs=rngs), nnx.Linear(64, 16, rngs=rngs)
        self.decoder, self.out = nnx.Linear(8, 64, rngs=rngs), nnx.Linear(64, 48, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean, log_variance = jnp.split(self.latent(nnx.relu(self.encoder(x))), 2, -1)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(KEY, mean.shape)
        return self.out(nnx.relu(self.decoder(z))), log_variance


MODELS: dict[str, tuple[Callable[[nnx.Rngs], nnx.Module], jax.Array]] = {
    "transformer, post-norm, swiglu": (PostNorm, TOKENS),
    "transformer, scanned and rematerialized": (Scanned, TOKENS),
    "ConvNeXt with layer scale": (ConvNeXt, IMAGES),
    "VAE": (Vae, VECTORS),
}
