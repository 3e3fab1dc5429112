"""The tour of the transformations prints the numbers that one gets by hand."""

import pytest
import vmap_batches


@pytest.fixture(scope="module")
def printed() -> str:
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lines.append)
        vmap_batches.main()
    return "\n".join(lines)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("relu(x)", "[0. 0. 0. 3.]"),
        ("jit(relu)(x)", "[0. 0. 0. 3.]"),
        ("vmap(grad(elu))(x)", "[0.1353 0.6065 1.     1.    ]"),
        ("jvp(tanh, (x,), (ones,))[1]", "[0.0707 0.7864 1.     0.0099]"),
        ("grad of sum(prelu(x, a)) by a, at 0.25", "-2.5"),
        ("grad(relu)(0.0)", "0.0"),
        ("grad(with_kink_slope(relu, 'right'))(0.0)", "1.0"),
        ("grad(with_kink_slope(relu, 0.5))(0.0)", "0.5"),
    ],
)
def test_a_call_is_printed_with_its_value(printed: str, call: str, value: str) -> None:
    assert f"\n  {call}\n    = {value}\n" in printed


def test_rows_of_a_batch_are_mapped_one_by_one(printed: str) -> None:
    assert "[[ 0.  0.  0.  3.]\n       [ 0.  0.  0. 30.]]" in printed


def test_the_hessian_is_diagonal(printed: str) -> None:
    assert "[[0.105  0.     0.     0.    ]\n       [0.     0.235  0.     0.    ]" in printed
