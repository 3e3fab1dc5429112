"""The commands answer, in text and in JSON, with the exit codes that they promise."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import itertools
import json
import math
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jaxacts
from jaxacts import testing
from jaxacts._commands import compare, doctor, main
from jaxacts._commands.common import UsageError

COMMANDS = ("", "list", "show", "compare", "check", "doctor")
MODULE = """
import flax.linen as nn, jax, jax.numpy as jnp, jaxacts

def half_wave(x):
    return jnp.maximum(x, 0)

def network(gain=2.0):
    init = jaxacts.initializers.variance_scaling(gain, "fan_in", "normal")
    parts = [p for _ in range(12) for p in (nn.Dense(32, kernel_init=init), jaxacts.relu)]
    return nn.Sequential([*parts, nn.Dense(3)])

def make_good():
    return network()

bad = network(0.5)
image = nn.Sequential([nn.Conv(4, (3, 3)), nn.BatchNorm(use_running_average=False), jaxacts.relu, nn.Dense(3)])
language_model = nn.Sequential([nn.Embed(1000, 8), nn.Dense(8), jaxacts.relu, nn.Dense(8)])
partial = jax.tree_util.Partial(lambda w, x: jnp.tanh(x @ w), jnp.eye(4))

class Small(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(jaxacts.relu(nn.Dense(8)(x))))

dead, unknown = (
    nn.Sequential([nn.Dense(8, bias_init=nn.initializers.constant(b)), nn.relu, nn.Dense(8), nn.relu])
    for b in (-50.0, jnp.nan)
)
model, my_activation, exact = nn.Sequential([nn.Dense(8), jaxacts.relu]), half_wave, abs

def make_model():
    return Small()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "users_own_module.py").write_text(MODULE)
    (tmp_path / "mymodule.py").write_text(MODULE)
    (tmp_path / "users_broken_module.py").write_text("def model(:")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("users_own_module", "mymodule"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "users_own_module"


def loaded(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_list_has_the_whole_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    rows = loaded(capsys)
    assert [row["name"] for row in rows] == list(jaxacts.catalogue())
    assert rows[[r["name"] for r in rows].index("relu6")]["kinks"][1] == {"at": 6, "left": 1, "right": 0, "taken": 0}
    assert main(["list", "--family", "rectifiers"]) == 0
    text = capsys.readouterr().out
    assert "relu6" in text
    assert "gelu" not in text


@pytest.mark.parametrize("name", jaxacts.catalogue())
def test_show_answers_for_every_activation(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name, "--json"]) == 0
    data = loaded(capsys)
    assert (data["name"], data["formula"]) == (name, jaxacts.catalogue()[name].formula)


def test_show_prints_formula_kinks_and_curve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "relu6"]) == 0
    text = capsys.readouterr().out
    assert jaxacts.catalogue()["relu6"].formula in text
    assert "kink at 6     slope 1 left, 0 right, 0 taken" in text
    assert "⠤" in text or "⣀" in text or "⠉" in text


def test_the_curve_has_the_place_of_its_values() -> None:
    from jaxacts._commands.show import curve

    rows = curve(jaxacts.relu).splitlines()
    drawn = [row[8:] for row in rows[:-1]]
    assert drawn[0][-1] != "⠀"
    assert set(drawn[0][:32]) == {"⠀"}
    assert "⠀" not in drawn[-1][:32]
    assert rows[0].split()[0] == "4"


@pytest.mark.slow
def test_show_and_compare_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "relu6", "--plot", str(tmp_path / "a.png")]) == 0
    small = ["--depth", "6", "--width", "16"]
    assert main(["compare", "relu", "tanh", *small, "--plot", str(tmp_path / "b.png"), "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out[out.index("{") :])
    assert list(found) == ["relu", "tanh"]
    assert len(found["tanh"]["rows"]) == 6
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("a.png", "b.png"))
    for init in ("gain", "xavier"):
        assert main(["compare", "tanh", *small, "--init", init]) == 0
    assert "tanh" in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_be_compared_has_a_row_with_the_reason() -> None:
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    options = ["--init", "critical", "--bias-variance", "0.05", "--depth", "4", "--width", "16"]
    text, data, code = compare.run(parser.parse_args(["tanh", "sigmoid", "softmax", *options]))
    row = re.compile(r"^ *(\w+) +(?:\S+/n|–) .* (\w+: \w+ has no edge of chaos|healthy|softmax is a function)", re.M)
    assert row.findall(str(text[0])) == [
        ("tanh", "healthy"),
        ("sigmoid", "critical: sigmoid has no edge of chaos"),
        ("softmax", "softmax is a function"),
    ]
    assert code == 1
    assert [next(iter(one)) for one in data.values()] == ["weight_variance", "error", "error"]
    assert data["softmax"]["error"].endswith("which plain layers do not have; leave it out.")


def compared(arguments: str) -> tuple[Any, Any, int]:
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    return compare.run(parser.parse_args([*arguments.split(), "--width", "16"]))


@pytest.mark.slow
def test_parameters_with_the_names_of_moments_are_those_of_the_activation() -> None:
    """With its typical mean and variance dice is a silu between two lines, whose moments are integrated here."""
    _, data, code = compared("dice relu --depth 4")
    assert code == 0
    t = np.linspace(-12, 12, 20001)
    z = math.sqrt(2) * t
    f = z * (0.25 + 0.75 / (1 + np.exp(-z)))
    second = float(np.sum(f**2 * np.exp(-(t**2) / 2)) * (t[1] - t[0]) / math.sqrt(2 * math.pi))
    assert data["dice"]["rows"][1]["signal_predicted"] == pytest.approx(2 * second, rel=1e-6)


@pytest.mark.slow
def test_what_overflows_explodes_and_has_no_factor() -> None:
    text, data, code = compared("relu_squared --depth 200")
    assert code == 0
    assert data["relu_squared"]["verdict"] == "signal and gradient explode"
    assert data["relu_squared"]["gradient_factor"] is None
    assert text[0].rows[0][-2:] == ("–", "signal and gradient explode")
    json.dumps(data, allow_nan=False)


def test_any_refusal_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise TypeError("moments: no")

    monkeypatch.setattr(compare, "propagation", refused)
    with pytest.raises(UsageError, match="moments: no"):
        compared("relu")


@pytest.mark.slow
def test_check_finds_what_a_function_lacks(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{module}:half_wave", "--json"]) == 1
    results = {o["clause"]: o["result"] for o in loaded(capsys)["outcomes"]}
    assert results["no_other_kinks"] == "failed"
    failing = [clause for clause, result in results.items() if result == "failed"]
    assert main(["check", f"{module}:half_wave", "--without", *failing]) == 0
    assert "half_wave: all is well" in capsys.readouterr().out


@pytest.mark.slow
def test_doctor_tells_good_from_bad(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", f"{module}:make_good", "--sample", "16,32"]) == 0
    assert "balanced" in capsys.readouterr().out
    assert main(["doctor", f"{module}:bad", "--sample", "16x32", "--json"]) == 1
    found = loaded(capsys)
    assert found["verdict"] == "contractive"
    assert found["rows"][3]["advice"].startswith("std 0.25 instead of 0.1")
    assert main(["doctor", f"{module}:image", "--sample", "4,8,8,2", "--json"]) == 0
    assert [row["layer"] for row in loaded(capsys)["rows"]] == ["layers_0"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("model", "problems"),
    [
        ("dead", ["the results of 2 of 2 layers are all 0", "no gradient in 2 of 2 layers"]),
        ("unknown", ["variances or gradients are not finite"]),
        ("bad", ["the signal vanishes over the depth", "the gradient vanishes towards the first layer"]),
        ("make_good", []),
    ],
)
def test_doctor_says_why(model: str, problems: list[str], module: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", f"{module}:{model}", "--sample", "16,32"])
    assert code == bool(problems)
    last = capsys.readouterr().out.splitlines()[-1].strip()
    assert last == (f"not healthy: {'; '.join(problems)}" if problems else "healthy")


@pytest.mark.slow
def test_doctor_gives_the_keys_of_dropout(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["doctor", f"{module}:make_model", "--sample", "4,8"]
    with pytest.raises(SystemExit, match="2"):
        main(asked)
    said = capsys.readouterr().err
    assert "InvalidRngError" in said
    assert "Give the keys that it asks for, as by --rngs dropout, or switch them off by --option." in said
    assert main([*asked, "--rngs", "dropout", "--json"]) == 0
    assert [row["layer"] for row in loaded(capsys)["rows"]] == ["Dense_1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("doctor users_own_module:partial --sample 4,4 --rngs dropout", "--rngs: only a linen module takes keys"),
        ("show rellu", "unknown activation 'rellu'; did you mean 'relu'"),
        ("list --family rectifier", "unknown family 'rectifier'; choose"),
        ("compare softmax", "softmax is a function over an axis"),
        ("compare gelu --init critical", "gelu has only unstable fixed points"),
        ("compare gelu softmax --init critical", "fixed points"),
        ("compare relu --depth 1", "must be a whole number of at least 2, got '1'"),
        ("check relu", "function must be module:attribute, got 'relu'"),
        ("check nothing_here:f", "cannot import 'nothing_here'"),
        ("check users_own_module:half_wav", "has no attribute 'half_wav'; did you mean 'half_wave'?"),
        ("doctor users_own_module:bad --sample 3,x", "must be sizes such as 32,784"),
        ("doctor users_own_module:bad --sample 4,8 --dtype flaot", "unknown dtype 'flaot'"),
        (
            "doctor users_own_module:half_wave --sample 4,8",
            "model: must have its parameters inside, got a function of arguments; write "
            "model = jax.tree_util.Partial(function, params) in the module, and name that.",
        ),
        (
            "doctor users_own_module:Small --sample 4,8",
            "model: must be an instance, got the class Small; write model = Small(...) in the module",
        ),
        ("doctor users_own_module:bad --sample 4,8 --dtype bool", "inputs are floats or integers, got 'bool'"),
        ("doctor users_own_module:image --sample 5", "model, called with inputs of shape (5,): "),
        ("doctor users_own_module:image --sample 4,8,8,2 --option mutable=false", "ModifyScopeVariableError"),
        ("doctor users_broken_module:model --sample 5", "importing 'users_broken_module' raises SyntaxError"),
        ("compare relu --bias-variance -1", "propagation: bias_variance must not be negative"),
        ("show softmax --plot x.png", "is not a function of one number"),
    ],
)
def test_mistakes_exit_with_two_and_a_line(
    arguments: str, message: str, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_it_runs_as_a_module_with_examples_in_its_help() -> None:
    done = subprocess.run([sys.executable, "-m", "jaxacts", "--help"], capture_output=True, text=True, check=True)
    assert "python -m jaxacts doctor mymodule:model --sample 32,784" in done.stdout
    for command in ("list", "show", "compare", "check", "doctor"):
        assert command in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("options", ["--json", ""])
def test_a_reader_may_go_before_the_end(options: str) -> None:
    command = [sys.executable, "-m", "jaxacts", "list", *options.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


@functools.cache
def examples() -> dict[str, list[str]]:
    """The examples in what --help says of all commands, and of each."""
    return {command: re.findall(r"^  python -m jaxacts (.*)", asked(command), re.M) for command in COMMANDS}


def asked(command: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    return shown.getvalue()


def test_every_help_has_examples() -> None:
    assert all(examples().values())


@pytest.mark.sampled(3)
@pytest.mark.parametrize("example", dict.fromkeys(itertools.chain.from_iterable(examples().values())))
def test_every_example_runs(
    example: str, module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: testing.CLAUSES[name] for name in ("docstring", "pickling", "shape", "value")}
    monkeypatch.setattr(testing, "CLAUSES", few)
    code = main(shlex.split(example))
    shown = capsys.readouterr()
    assert code == (1 if example.startswith("check") else 0), shown  # half_wave has no docstring, and is not abs
    assert shown.out
    assert not shown.err


@pytest.mark.parametrize(("dtype", "drawn"), [("int", "int32"), ("int64", "int32"), ("float", "float32")])
def test_dtypes_of_64_bits_are_those_of_jax(
    dtype: str, drawn: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def at_init(model: Any, sample: Any, key: Any, **_: Any) -> Any:
        verdict = SimpleNamespace(verdict="healthy")
        return SimpleNamespace(
            flow=verdict, verdict="balanced", drift=0.0, rows=(), to_dict=lambda: {"dtype": str(sample[0].dtype)}
        )

    monkeypatch.setattr(doctor, "at_init", at_init)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["doctor", f"{module}:bad", "--sample", "4,4", "--dtype", dtype, "--json"]) == 0
    assert loaded(capsys) == {"dtype": drawn, "problems": []}
