"""The pages that follow from the package: reference, tables of differences, gallery. Nothing here names a function
that the catalogue or a module's ``__all__`` can name; an entry of ``SLICES`` only improves on the standard picture."""

import importlib
import inspect
import math
import pkgutil
import textwrap
from collections.abc import Mapping

import jax
import jax.numpy as jnp

import jaxacts
from jaxacts.lookup import FRAMEWORKS

CATALOGUE = jaxacts.catalogue()
FAMILIES = sorted({entry.family for entry in CATALOGUE.values()})


def pages(docs):
    """Everything but the gallery, into ``docs/reference/generated``."""
    out = docs / "reference" / "generated"
    out.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        module = importlib.import_module(f"jaxacts.activations.{family}")
        _write(out / f"activations-{family}.md", _page(_title(family), module, "jaxacts"))
    for found in pkgutil.iter_modules(jaxacts.__path__):
        if not found.name.startswith("_") and found.name != "activations":
            module = importlib.import_module(f"jaxacts.{found.name}")
            _write(out / f"{found.name}.md", _page(module.__name__, module, module.__name__))
    own = [
        n for n in jaxacts.__all__ if n not in jaxacts.activations.__all__ and not inspect.ismodule(getattr(jaxacts, n))
    ]
    _write(out / "mechanism.md", "# Mechanism and catalogue\n\n" + _members("jaxacts", own, jaxacts))
    _write(out / "_kinks.md", _kinks())
    _write(out / "_infinities.md", _infinities())
    _write(out / "_notes.md", _notes())
    for framework in FRAMEWORKS:
        _write(out / f"_from_{framework}.md", _coming_from(framework))


def gallery(out):
    """One page with a picture, the formula and the facts of every activation."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    out.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "jaxacts", "font.size": 11, "font.family": "DejaVu Sans"}):
        for name in CATALOGUE:
            figure, caption = _picture(CATALOGUE[name])
            figure.savefig(out / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
            CAPTIONS[name] = caption
    parts = [
        "# Gallery",
        "Value (solid) and slope (dashed) of every activation. Where the slope jumps, the filled dot is the slope that"
        " is taken and the open ones are the limits from both sides; {doc}`../conventions` says why. Pictures like"
        " these: {py:func}`jaxacts.plotting.plot_activation`.",
        ":::{container} thumbnails",
        *(f"[![]({name}.svg) {name}](#gallery-{name})" for name in CATALOGUE),
        ":::",
    ]
    for family in FAMILIES:
        parts.append(f"## {_title(family)}")
        parts += [_card(entry) for entry in CATALOGUE.values() if entry.family == family]
    _write(out / "index.md", "\n\n".join(parts))


# Reference ------------------------------------------------------------------------------------------------------------


def _title(family):
    return family.replace("_", " ").capitalize()


def _page(title, module, exported_by):
    introduction = f"```{{eval-rst}}\n.. automodule:: {module.__name__}\n   :no-members:\n```\n\n"
    return f"# {title}\n\n{introduction}{_members(exported_by, module.__all__, module)}"


def _members(exported_by, names, module):
    parts = []
    for name in names:
        member = getattr(module, name)
        own_name = getattr(member, "__name__", name)
        full = f"{exported_by}.{name}"
        if isinstance(member, Mapping):
            summaries = {k: f"{len(v)} names." if isinstance(v, Mapping) else _summary(v) for k, v in member.items()}
            rows = "\n".join(f"   ``{key}``\n      {summary}" for key, summary in summaries.items())
            text = f".. py:data:: {full}\n\n{rows}"
        elif inspect.isclass(member):
            text = f".. autoclass:: {full}" + ("" if is_flax(member) else "\n   :members:")
        elif not callable(member) or not hasattr(member, "__name__"):
            text = f".. autodata:: {full}\n   :no-value:"
        elif own_name != name and own_name in names:
            parameters = ", ".join(inspect.signature(member).parameters)
            text = f".. py:function:: {full}({parameters})\n\n   Another name of :func:`{exported_by}.{own_name}`."
        else:
            text = f".. autofunction:: {full}"
        if name in CATALOGUE and exported_by == "jaxacts":
            text += f"\n\n   :ref:`Picture and facts <gallery-{name}>`"
        parts.append(f"```{{eval-rst}}\n{text}\n```\n")
    return "\n".join(parts)


def is_flax(cls):
    """Whether it is a Flax module: all its attributes are the arguments that its docstring describes."""
    return any(base.__module__.startswith("flax.") for base in cls.__mro__)


def _summary(member):
    return (inspect.getdoc(member) or "").partition("\n")[0]


# Conventions ----------------------------------------------------------------------------------------------------------


def _theirs(entry):
    """The function of jax of the same name, at the same arguments."""
    theirs = getattr(jax.nn, entry.name, None) or getattr(jnp, entry.name, None)
    if theirs is None or not entry.elementwise:
        return None
    known = inspect.signature(theirs).parameters
    arguments = {n: v for n, v in entry.arguments().items() if n in known}
    return lambda x: theirs(x, **arguments)


def _ours(entry):
    return lambda x: entry.function(x, **entry.arguments())


def _kinks():
    rows = []
    for entry in (e for e in CATALOGUE.values() if e.elementwise):
        theirs = _theirs(entry)
        for kink in entry.kinks():
            slope = _number(jax.grad(theirs)(kink.at)) if theirs else "none of this name"
            taken = _number(kink.taken)
            mark = "" if slope == taken or not theirs else "**"
            cells = (f":func:`jaxacts.{entry.name}`", kink.at, kink.left, kink.right)
            rows.append((cells[0], *map(_number, cells[1:]), taken, f"{mark}{slope}{mark}"))
    heads = ("function", "kink at", "slope left", "slope right", "taken here", f"jax {jax.__version__}")
    return _table(heads, rows)


def _infinities():
    rows = []
    for entry in CATALOGUE.values():
        theirs = _theirs(entry)
        for x in (-math.inf, math.inf) if theirs else ():
            here, there = ([_number(f(x)), _number(jax.grad(f)(x))] for f in (_ours(entry), theirs))
            if here != there:
                rows.append((f":func:`jaxacts.{entry.name}`", _number(x), *here, *there))
    jax_nn = f"jax {jax.__version__}"
    return _table(("function", "at", "value here", "slope here", f"value in {jax_nn}", f"slope in {jax_nn}"), rows)


def _notes():
    """What the docstrings say of other libraries."""
    rows = []
    for entry in CATALOGUE.values():
        lines = inspect.getdoc(entry.function).split("\nNote:\n")[1].split("\n\n")[0]
        note = " ".join(textwrap.dedent(lines).split())
        if any(library in note for library in ("jax", "torch", "keras", "flax")):
            rows.append((f":func:`jaxacts.{entry.name}`", note))
    return _table(("function", "note"), rows, widths="15 85")


# Other frameworks -----------------------------------------------------------------------------------------------------


def _coming_from(framework):
    """Each name there, what it is here, and what differs."""
    rows = []
    for name, row in sorted(FRAMEWORKS[framework].items(), key=lambda item: item[0].casefold()):
        differs = [row.differs] if row.differs else []
        renamed = [f"``{there}`` is ``{here}``" for there, here in row.arguments.items() if there != here]
        if renamed:
            differs.append(", ".join(renamed))
        if row.config and framework in ("jax", "flax"):
            differs += _against_jax(CATALOGUE[row.config["name"]])
        rows.append((f"``{name}``", _configured(row.config) if row.config else "–", "; ".join(differs)))
    return _table(("there", "here", "what differs"), rows, widths="20 35 45")


def _configured(config):
    """A configuration as a call."""
    arguments = {n: v for n, v in config.items() if n not in ("name", "function")}
    shown = ", ".join(f"``{n}={v!r}``" for n, v in arguments.items())
    of = f" of {_configured(config['function'])}" if "function" in config else ""
    return f":func:`jaxacts.{config['name']}`{of}" + (f" with {shown}" if shown else "")


def _against_jax(entry):
    """Where slopes at kinks, and limits, are not those of jax."""
    theirs = _theirs(entry)
    if not theirs:
        return []
    out = []
    for kink in entry.kinks():
        taken, there = _number(kink.taken), _number(jax.grad(theirs)(kink.at))
        if taken != there:
            out.append(f"slope at {_number(kink.at)}: {taken} here, {there} there")
    for x in (-math.inf, math.inf):
        here, there = ([_number(f(x)), _number(jax.grad(f)(x))] for f in (_ours(entry), theirs))
        if here != there:
            out.append(f"at {_number(x)} value and slope are {' and '.join(here)} here, {' and '.join(there)} there")
    return out


# Initialization -------------------------------------------------------------------------------------------------------


def gains(docs):
    """What each activation does to a standard normal input, and whether its forward gain is a stable fixed point."""
    from jaxacts.initializers import gain, moments

    rows = []
    for entry in CATALOGUE.values():
        if not entry.elementwise or entry.name == "dice":
            continue
        arguments = {n: entry.arguments()[n] for n in (*entry.parameters, *entry.static)}
        variants = [({}, arguments)]
        if entry.name == "gelu":
            variants.append(({"approximate": False}, arguments | {"approximate": False}))
        for shown, given in variants:
            found = moments(entry.function, **given)
            name = f":func:`jaxacts.{entry.name}`" + "".join(f", {n}={v}" for n, v in shown.items())
            factor = found.sensitivity / found.second_moment
            both = (gain(entry.function, criterion, **given) for criterion in ("forward", "backward"))
            values = (found.second_moment, found.slope, *both)
            mark = "**" if factor > 1 + 1e-9 else ""
            rows.append((name, *(f"{v:.6f}" for v in values), f"{mark}{factor:.3f}{mark}"))
    heads = ("function", "E[f²]", "E[f'²]", "forward gain", "backward gain", "deviation, a layer")
    _write(docs / "reference" / "generated" / "_gains.md", _table(heads, rows))


def _table(heads, rows, widths="auto"):
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (heads, *rows):
        lines += [f"   {'-' if i else '* -'} {cell}" if not i else f"     - {cell}" for i, cell in enumerate(row)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n"


def _number(value):
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.4g}".replace("-", "−") if value else "0"


# Gallery --------------------------------------------------------------------------------------------------------------

CAPTIONS = {}


def _glu():
    return _plot(
        lambda x: jaxacts.glu(jnp.stack([jnp.full_like(x, 2), x]))[0]
    ), "as the gate moves; the value it gates is 2"


def _maxout():
    three = _plot(
        lambda x: jaxacts.maxout(jnp.stack([-x / 2, jnp.full_like(x, 0.5), x]), pieces=3)[0], kinks=(-1.0, 0.5)
    )
    return three, "of the three pieces $-x/2$, $1/2$ and $x$"


def _rrelu():
    figure = _plot(lambda x: jaxacts.rrelu(x, deterministic=True), kinks=(0.0,))
    x = jnp.linspace(-4, 4, 81)
    (axes,) = figure.axes
    axes.plot(x, jaxacts.rrelu(x, jax.random.key(0)), ".", color="#0072B2", markersize=3, alpha=0.5)
    return figure, "deterministic; the points are drawn with a key"


def _apl():
    given = CATALOGUE["apl"].arguments()
    caption = f"with slopes {given['slopes']} and hinges {given['hinges']}"
    return _plot(lambda x: jaxacts.apl(x, **given), kinks=(0.0, *given["hinges"])), caption


def _crelu():
    figure = _plot(lambda x: jaxacts.crelu(x[None], axis=0)[0], kinks=(0.0,))
    return figure, "the first half; the second is its mirror image"


def _frelu():
    kernel = jnp.full((1, 1, 1, 1), 0.25)
    one = _plot(lambda x: jaxacts.frelu(x.reshape(-1, 1, 1, 1), kernel).reshape(x.shape), kinks=(0.0,))
    return one, "of one pixel among zeros, with 1/4 in the middle of the kernel"


def _gaussian_topk():
    others = jnp.linspace(-2.0, 2.0, 31)
    first = _plot(lambda x: jaxacts.gaussian_topk(jnp.append(x, others))[0])
    return first, "first element, as the first input moves and 31 others stay between −2 and 2"


SLICES = {
    "apl": _apl,
    "crelu": _crelu,
    "frelu": _frelu,
    "gaussian_topk": _gaussian_topk,
    "glu": _glu,
    "maxout": _maxout,
    "rrelu": _rrelu,
}
"""Functions that are not of one number have no curve; these say which one to show instead, and how to call it."""


def _picture(entry):
    if entry.name in SLICES:
        return SLICES[entry.name]()
    if entry.elementwise:
        return _plot(entry.function), ""
    if entry.family == "gated":
        return _plot(lambda x: entry.function(x, jnp.full_like(x, 2))), "as the gate moves; the value it gates is 2"
    first = _plot(lambda x: entry.function(jnp.append(x, jnp.asarray([1.0, 0.0, -1.0])), **entry.arguments())[0])
    return first, "first element, as the first input moves and the others stay at 1, 0 and −1"


def _plot(function, **options):
    from jaxacts.plotting import plot_activation

    return plot_activation(function, **options).figure


def _card(entry):
    return "\n\n".join(
        [
            f"(gallery-{entry.name})=\n### {entry.name}",
            f"{{py:func}}`jaxacts.{entry.name}`: {entry.summary}",
            f"$$\n{entry.formula}\n$$",
            "::::{container} card",
            f":::{{container}} picture\n![Value and slope of {entry.name}]({entry.name}.svg)\n:::",
            f":::{{container}} facts\n{_facts(entry)}\n:::",
            "::::",
        ]
    )


def _facts(entry):
    rows = []
    shown = {n: entry.arguments()[n] for n in (*entry.parameters, *entry.static)}
    if CAPTIONS[entry.name]:
        rows.append(("shown", CAPTIONS[entry.name]))
    elif shown:
        rows.append(("at", ", ".join(f"{n} = {v}" for n, v in shown.items())))
    known = jaxacts.describe(entry.name)
    if known.shape:
        rows.append(("image", " to ".join(map(_number, known.image)) if known.image else "–"))
        rows.append(("asymptote at −∞", _line(known.left)))
        rows.append(("asymptote at ∞", _line(known.right)))
        rows.append(("Lipschitz constant", "–" if known.lipschitz is None else _number(known.lipschitz)))
        for kink in known.kinks:
            left, right, taken = map(_number, kink[1:])
            rows.append((f"kink at {_number(kink.at)}", f"slope {left} left, {right} right, **{taken} taken**"))
        if not known.kinks:
            rows.append(("kinks", "none"))
        rows.append(("monotone", known.shape.monotone or "no"))
        if known.shape.parity:
            rows.append(("symmetry", known.shape.parity))
        sides = [f"{how} on the {side}" for side in ("left", "right") if (how := getattr(known.shape, side))]
        rows.append(("saturates", ", ".join(sides) or "no"))
        zeros = ", ".join(f"{_number(low)} to {_number(high)}" for low, high in known.shape.zeros)
        rows.append(("exactly 0", zeros or "on no interval"))
        rows.append(("E[f²], gain", f"{_number(known.second_moment)}, {_number(known.forward_gain)}"))
        rows.append(("initializer", f"`{known.initializer}`"))
    rows += [("paper", f"[{paper.citation}]({paper.url})") for paper in known.papers[:1]]
    if known.used_by:
        rows.append(("used by", ", ".join(f"[{model.name}]({model.source})" for model in known.used_by)))
    return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows)])


def _line(line):
    if line is None:
        return "none"
    slope = {0.0: "", 1.0: "x", -1.0: "−x"}.get(float(line.slope), f"{_number(line.slope)} x")
    if not slope:
        return f"y = {_number(line.intercept)}"
    sign = " − " if line.intercept < 0 else " + "
    return f"y = {slope}" + (f"{sign}{_number(abs(line.intercept))}" if line.intercept else "")


def _write(path, text):
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
