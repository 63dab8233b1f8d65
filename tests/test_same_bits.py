"""No function whose rounding differs between machines reaches a noisy value.

IEEE 754 rounds +, -, *, /, the square root and conversions alike everywhere. It does not say how
exp or a power are rounded, nor in which order a sum is added up, so these differ between C
libraries, processors and versions of NumPy. The syntax trees of all that computes noise are
searched for anything that is not known to be the same; each exception is listed with its reason.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

import noisify

PACKAGE = Path(noisify.__file__).parent
SEARCHED = ("noise", "streams", "statistics", "plan", "kernels")
ALSO = ("core/chunk.py", "core/dtypes.py", "core/missing.py", "core/packing.py", "core/values.py")
"""Modules below these folders that compute values too."""

LIBRARIES = {"cmath", "math", "numpy", "random", "scipy", "statistics"}
"""Those whose functions are looked at by name, as `np.exp`: none is imported by itself."""

SAME_IN_NUMPY = {
    "constants and types": """bool_ complex128 dtype euler_gamma finfo float64 floating iinfo inf
        int32 int64 intc nan ndarray number uint32 uint64 uint8 __version__ result_type errstate
        intp integer""",
    "arrays from what is there": """append arange array asarray ascontiguousarray broadcast_shapes
        broadcast_to concatenate copyto diag empty empty_like flatnonzero frombuffer fromiter full
        full_like ndindex ones packbits repeat roll stack tile unpackbits where zeros zeros_like""",
    "comparisons, order and counts": """all any argmax argsort array_equal bincount clip
        greater_equal
        count_nonzero iscomplexobj isfinite isinf isnan isposinf lexsort max maximum min minimum
        partition searchsorted unique""",
    "exact": """abs ceil copysign diff divmod fmod floor frexp ldexp mod nan_to_num negative
        nextafter positive rint bitwise_and bitwise_count right_shift""",
    "rounded once, by IEEE 754": "add divide multiply outer sqrt subtract",
    "one element after the other, by definition": "cumprod cumsum",
}
SAME_IN_MATH = {
    "constants": "e inf nan pi",
    "exact": """ceil copysign factorial floor frexp gcd isclose isfinite isinf isnan isqrt ldexp
        nextafter trunc""",
    "rounded once, by IEEE 754": "sqrt",
    "the exact sum, rounded once": "fsum",
}
SUMS = {
    "dot",
    "einsum",
    "inner",
    "mean",
    "prod",
    "reduce",
    "reduceat",
    "std",
    "sum",
    "trace",
    "var",
}
"""Methods that add up, in an order that is not defined."""

ALLOWED = {
    "sums of integers, or of Decimals": {
        "counts.sum()",
        "limb.sum()",
        "batch.sum()",
        "self.tallies[0].sum()",
        "sum(numbers)",
        "sum((n * n for n in numbers))",
        "sum(candidates.values())",
        "sum(counted, np.zeros(1 << _DIGIT_BITS, np.int64))",
        "sum((len(found) for found in shared.values()))",
        "sum(reaches.values())",
        "sum((column.positions.size for column in columns))",
        "sum((opened.values.nbytes for opened in self.open_blocks.values()))",
        "sum((v * tap for v, tap in zip(self.variances, taps, strict=True)), Decimal(0))",
    },
    "products of limbs: whole numbers whose sums stay below 2**53": {
        "limb @ limb",
        "limb @ limbs[j]",
        "batch @ batch",
    },
    "products of lengths": {"from math import prod", "math.prod", "math.prod(shape)"},
    "a minimum": {"np.minimum.reduceat(source, starts)"},
    "compared with a tolerance; no value comes from it": {"root @ root.T"},
    "Python's own method, not NumPy's": {"self.whole.mean(self.unit)"},
    "a power of integers": {"_WORDS ** 2"},
    "powers of Decimals and Fractions": {
        "rho ** stride",
        "apart ** number",
        "base ** int(exponent)",
        "Decimal(rho) ** (1 << doubling)",
        "Decimal(10) ** (-(DIGITS + 5))",
        "Fraction(2) ** shift",
        "Fraction(4) ** shift",
    },
    "the compatibility streams are NumPy's own, by definition": {"np.random"},
}


def searched():
    """Return the name and the syntax tree of every module that is searched."""
    paths = [path for folder in SEARCHED for path in sorted((PACKAGE / folder).rglob("*.py"))]
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in [*paths, *(PACKAGE / name for name in ALSO)]
    }


def names(table):
    return {name for text in table.values() for name in text.split()}


def is_integer_power(node):
    """Return whether a power is one of integers, or one of 2.0 to a constant, which is exact."""
    base, exponent = node.left, ast.unparse(node.right)
    if isinstance(base, ast.Constant) and base.value == 2.0:
        return (
            isinstance(base.value, int)
            or exponent.strip("-()").isidentifier()
            or exponent.strip("-()").isdigit()
        )
    return isinstance(base, ast.Constant) and isinstance(base.value, int) and "-" not in exponent


def is_unknown_name(node):
    """Return whether a node names a function of NumPy or the C library that is not listed."""
    match node:
        case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
            return name not in names(SAME_IN_NUMPY)
        case ast.Attribute(value=ast.Name(id="math"), attr=name):
            return name not in names(SAME_IN_MATH)
    return False


def is_sum(node):
    """Return whether a node adds up; the sum of floats is another one from Python 3.12 on."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in SUMS
        case ast.Call(func=ast.Name(id=name)):
            return name in {"pow", "sum"}
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult)


def is_power(node):
    """Return whether a node is a power that may be rounded."""
    is_one = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow)
    return is_one and (isinstance(node, ast.AugAssign) or not is_integer_power(node))


def is_import(node):
    """Return whether a node imports a library whose functions are not looked at by name."""
    match node:
        case ast.ImportFrom(module=module):
            return module == "numpy" or (module or "").split(".")[0] in LIBRARIES - {"numpy"}
        case ast.Import(names=aliases):
            imported = {alias.name.split(".")[0] for alias in aliases}
            return bool(imported & (LIBRARIES - {"math", "numpy"}))
    return False


def is_suspect(node):
    """Return whether a node of a syntax tree may compute other bits on another machine."""
    return is_unknown_name(node) or is_sum(node) or is_power(node) or is_import(node)


def suspects(tree):
    """Return what may differ between machines in a module, but for what only type checkers see."""
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }
    return {ast.unparse(n) for n in ast.walk(tree) if id(n) not in typing and is_suspect(n)}


TREES = searched()
ALL_ALLOWED = set().union(*ALLOWED.values())


@pytest.mark.parametrize("module", TREES)
def test_only_what_is_rounded_alike_everywhere_computes_noise(module):
    assert set() == suspects(TREES[module]) - ALL_ALLOWED


def test_every_exception_is_still_needed():
    found = set().union(*(suspects(tree) for tree in TREES.values()))
    assert set() == ALL_ALLOWED - found


@pytest.mark.parametrize(
    "source",
    [
        "np.exp(x)", "math.log(x)", "np.sum(x)", "x.mean(axis=0)", "np.add.reduce(x)", "x ** 0.5",
        "x ** 2", "10.0 ** n", "10 ** -n", "a @ b", "a @= b", "a **= b", "sum(x)", "pow(x, y)",
        "np.linalg.norm(x)", "np.interp(x, y, z)", "from math import exp", "import scipy.special",
        "from scipy import special", "import random", "from numpy import exp", "import cmath",
        "np.hypot(x, y)", "np.round(x, 3)", "np.linspace(0, 1, n)", "f(math.sin)",
    ],
)  # fmt: skip
def test_the_search_finds(source):
    assert suspects(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    ["np.sqrt(x)", "10 ** n", "2.0 ** -54", "2 ** -3", "math.fsum(x)", "import math", "x * y + z"],
)
def test_the_search_passes(source):
    assert not suspects(ast.parse(source))


def test_powers_of_two_are_exact():
    assert [np.ldexp(1.0, n) for n in range(-1074, 1024)] == [2.0**n for n in range(-1074, 1024)]
