"""The activation functions inside kernels: `activate(x, NAME)` bends a tile of float32.

Twin:    refimpl/activations.py, function by function. Called by the kernels of activation.py and
         by the epilogue of the matrix product; the same functions in plain torch are in
         activations.py.
Numbers: x is float32 and so is the result. What a GPU does fast is exp and the quotient, so what
         the twin writes with tanh stands here with the sigmoid, x/2 · (1 + tanh u) = x · σ(2u), and
         gelu is x · Φ(x). Errors are about 1e-6 of the result; left of −3, where 1 − Φ and the
         sigmoid are small differences in float32, about 1e-7 absolute. NaN stays NaN, and ±∞ gives
         what the twin gives (quick_gelu(−∞) is NaN in both: 0 · ∞).
FLOPs:   a number costs two operations of the special-function unit (exp and reciprocal), and 4
         others in silu, 5 in quick_gelu, 8 in gelu_tanh, 16 in gelu and 20 in softplus.
Limits:  the functions of `tl` only, so that it runs in the interpreter and on every target.
"""

import triton
import triton.language as tl

FUNCTIONS = {
    "gelu": "gelu",
    "gelu_10": "gelu_10",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python": "gelu",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "hardswish": "hardswish",
    "laplace": "laplace",
    "leaky_relu": "leaky_relu",
    "linear": "linear",
    "mish": "mish",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "sqrtsoftplus": "sqrt_softplus",
    "swish": "silu",
    "tanh": "tanh",
}
"""What `hidden_act` may name, and which function of this file it is: the launchers pass that on as
the constant NAME, so that two spellings of one function are compiled once."""

REAL = ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "tanh")
"""The functions of real checkpoints' MLPs, for which the compile checks are complete."""


@triton.jit
def activate(x, NAME: tl.constexpr):
    """Apply the function that a value of FUNCTIONS names to float32 numbers (a table, so long)."""
    if NAME == "quick_gelu":
        y = x * tl.sigmoid(1.702 * x)
    elif NAME == "gelu":
        y = x * normal(x)
    elif NAME == "gelu_tanh":
        y = x * tl.sigmoid(1.5957691216057308 * x * (1 + 0.044715 * x * x))  # 2 √(2/π)
    elif NAME == "gelu_10":
        y = clip(x * normal(x), -10.0, 10.0)
    elif NAME == "relu":
        y = tl.where(x < 0, 0.0, x)  # tl.maximum would turn a NaN into 0
    elif NAME == "relu2":
        y = tl.where(x < 0, 0.0, x * x)
    elif NAME == "relu6":
        y = clip(x, 0.0, 6.0)
    elif NAME == "leaky_relu":
        y = tl.where(x > 0, x, 0.01 * x)
    elif NAME == "sigmoid":
        y = tl.sigmoid(x)
    elif NAME == "silu":
        y = x * tl.sigmoid(x)
    elif NAME == "hardswish":
        y = x * clip(x + 3, 0.0, 6.0) * (1 / 6)
    elif NAME == "mish":
        y = mish(x)
    elif NAME == "sqrt_softplus":
        y = tl.sqrt(softplus(x))
    elif NAME == "laplace":
        y = normal((x - 0.707107) * (1 / 0.282095))
    elif NAME == "tanh":
        y = tanh(x)
    else:
        tl.static_assert(NAME == "linear", "activate: unknown function")
        y = x
    return y


@triton.jit
def normal(x):
    """Distribution function of the normal distribution, Φ(x) = (1 + erf(x/√2))/2, within 2e-7.

    One side is h = P(t) · exp(−x²/2) with t = 1/(1 + c |x|), the other 1 − h: nothing cancels, and
    it is two thirds of the instructions of `tl.erf`, which would keep a GPU's arithmetic busier
    than its memory.

    Source: Abramowitz & Stegun 1964, 7.1.26 (largest error 1.5e-7 of erf), with x/√2 put in.
    """
    t = 1 / (1 + 0.23164188858 * tl.abs(x))
    half = 0.5307027145 * t - 0.7265760135
    half = half * t + 0.7107068705
    half = half * t - 0.142248368
    half = half * t + 0.127414796
    half = half * t * tl.exp2(-0.7213475204444817 * x * x)
    return tl.where(x < 0, half, 1 - half)


@triton.jit
def clip(x, low, high):
    """Hold x between two numbers; a NaN stays one."""
    return tl.where(x < low, low, tl.where(x > high, high, x))


@triton.jit
def mish(x):
    """Mish: x · tanh(log(1 + eˣ)) = x · n/(n + 2) with n = eˣ(eˣ + 2); from x = 20 on it is x."""
    power = tl.exp(tl.where(x > 20, 20.0, x))
    n = power * (power + 2)
    return x * (n / (n + 2))


@triton.jit
def softplus(x):
    """Smooth rectifier: log(1 + eˣ) = max(x, 0) + log(1 + t), with t = exp(−|x|) at most 1.

    log(1 + t) is 2 artanh(z) with z = t/(2 + t) up to ⅓: eight terms of the series are float32,
    also where t is small and 1 + t would forget it.
    """
    t = tl.exp(-tl.abs(x))
    z = t / (2 + t)
    square = z * z
    series = square * (1 / 15) + 1 / 13
    series = series * square + 1 / 11
    series = series * square + 1 / 9
    series = series * square + 1 / 7
    series = series * square + 1 / 5
    series = series * square + 1 / 3
    return tl.where(x < 0, 0.0, x) + 2 * (z + z * square * series)


@triton.jit
def tanh(x):
    """Hyperbolic tangent: 1 − 2/(e²ˣ + 1), and near 0, where that cancels, an odd polynomial.

    Source: the polynomial is that of Cephes 2.2, tanhf.
    """
    square = x * x
    near = -5.70498872745e-3 * square + 2.06390887954e-2
    near = near * square - 5.37397155531e-2
    near = near * square + 1.33314422036e-1
    near = near * square - 3.33332819422e-1
    near = x + x * square * near
    far = 1 - 2 / (tl.exp(2 * x) + 1)
    return tl.where(tl.abs(x) < 0.625, near, far)
