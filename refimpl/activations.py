"""The activation functions of the checkpoints, in numpy: what `hidden_act` in a config names.

Called by ops.linear_activation. All are element-wise, keep shape and dtype, and return a new
array. Read first: quick_gelu and gelu, which differ by up to 0.02 and are the most common mix-up
(a checkpoint's config says which one its weights were trained with; the model's name does not).
"""

import math
from collections.abc import Callable

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, Float


def quick_gelu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Sigmoid approximation of GELU: x · σ(1.702 x).

    Computed as x/2 · (1 + tanh(0.851 x)), the same function, since σ(2t) = (1 + tanh t)/2:
    it cannot overflow, and numpy's tanh is vectorised.

    Source: Hendrycks & Gimpel 2016 (arXiv:1606.08415), section 2; openai/CLIP d05afc4, model.py.
    Trap:   OpenAI's weights need it; LAION's and most later ones need the exact `gelu`.

    >>> quick_gelu(np.float64([-3.0, 0.0, 3.0])).round(6).tolist()
    [-0.018071, 0.0, 2.981929]
    """
    y = np.tanh(0.851 * x)
    y += 1
    y *= x
    y *= 0.5
    return y


def erf(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Error function, 2/√π ∫₀ˣ exp(−t²) dt.

    Float64: the C library's, element by element: slow and right to the last bits.
    Other dtypes: computed in float32 as x · P(x²)/Q(x²) on [−4, 4], where erf(4) is 1 in
    float32; largest error 4e-7. Coefficients: Eigen 3.3, `erf` for float.

    >>> erf(np.float64([-1, 0, 2])).round(10).tolist()
    [-0.8427007929, 0.0, 0.995322265]
    """
    if x.dtype == np.float64:
        values = np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size)
        return values.reshape(x.shape)
    t = np.clip(x.astype(np.float32, copy=False), -4, 4)
    square = t * t
    t *= _horner(_ERF_NUMERATOR, square)
    t /= _horner(_ERF_DENOMINATOR, square)
    return t.astype(x.dtype, copy=False)


_ERF_NUMERATOR = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_ERF_DENOMINATOR = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def _horner(coefficients: tuple[float, ...], x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Value of the polynomial, highest power first, by Horner's rule."""
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y


def gelu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Exact GELU: x · Φ(x) = x/2 · (1 + erf(x/√2)).

    Source: Hendrycks & Gimpel 2016 (arXiv:1606.08415), equation 1.

    >>> gelu(np.float64([-3.0, 0.0, 3.0])).round(6).tolist()
    [-0.00405, 0.0, 2.99595]
    """
    y = erf(x * math.sqrt(0.5))
    y += 1
    y *= x
    y *= 0.5
    return y


def gelu_tanh(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """GELU with tanh: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).

    Transformers calls it `gelu_new`, `gelu_fast`, `gelu_python_tanh` and, in SigLIP,
    `gelu_pytorch_tanh`.

    Source: Hendrycks & Gimpel 2016 (arXiv:1606.08415), section 2.

    >>> gelu_tanh(np.float64([-3.0, 0.0, 3.0])).round(6).tolist()
    [-0.003637, 0.0, 2.996363]
    """
    y = x * x
    y *= 0.044715
    y += 1
    y *= x
    y *= math.sqrt(2 / math.pi)
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= 0.5
    return y


def gelu_10(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Exact GELU clipped to [−10, 10]; source: Transformers 5.23, activations.py."""
    return np.clip(gelu(x), -10, 10)


def relu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Rectifier: max(x, 0); a NaN stays a NaN."""
    return np.maximum(x, 0)


def relu2(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Squared rectifier: max(x, 0)²; So et al. 2021 (arXiv:2109.08668)."""
    return np.square(np.maximum(x, 0))


def relu6(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Rectifier clipped at six: min(max(x, 0), 6)."""
    return np.clip(x, 0, 6)


def leaky_relu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Rectifier that keeps a hundredth of the negative side: x where x > 0, else 0.01 x."""
    return np.where(x > 0, x, 0.01 * x)


def sigmoid(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """σ(x) = 1/(1 + exp(−x)), computed as (1 + tanh(x/2))/2, which cannot overflow.

    >>> sigmoid(np.float64([-1e4, 0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    y = np.tanh(0.5 * x)
    y += 1
    y *= 0.5
    return y


def silu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """SiLU, also called swish: x · σ(x); Elfwing et al. 2017 (arXiv:1702.03118)."""
    return x * sigmoid(x)


def hardswish(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Piecewise swish: x · min(max(x + 3, 0), 6)/6; Howard et al. 2019 (arXiv:1905.02244)."""
    return x * np.clip(x + 3, 0, 6) / 6


def mish(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Mish: x · tanh(log(1 + exp x)); Misra 2019 (arXiv:1908.08681)."""
    return x * np.tanh(softplus(x))


def softplus(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Smooth rectifier: log(1 + exp x), without overflow."""
    with np.errstate(invalid="ignore"):  # a NaN may pass
        return np.logaddexp(x, np.zeros_like(x))


def sqrt_softplus(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Square root of the smooth rectifier: √log(1 + exp x)."""
    return np.sqrt(softplus(x))


def laplace(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Gaussian distribution function of mean √½ and deviation √(1/4π); arXiv:2209.10655."""
    mean, deviation = 0.707107, 0.282095
    return 0.5 * (1 + erf((x - mean) * (1 / (deviation * math.sqrt(2)))))


def linear(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """No activation."""
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_10": gelu_10,
    "gelu_accurate": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_new": gelu_tanh,
    "gelu_python": gelu,
    "gelu_python_tanh": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "hardswish": hardswish,
    "laplace": laplace,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "mish": mish,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "relu2": relu2,
    "relu6": relu6,
    "sigmoid": sigmoid,
    "silu": silu,
    "sqrtsoftplus": sqrt_softplus,
    "swish": silu,
    "tanh": np.tanh,
}
"""What `hidden_act` may name: the keys of Transformers 5.23's table that have no parameters."""


def activation(name: str) -> Callable[[Array], Array]:
    """Return the activation function that a config's `hidden_act` names.

    Raises:
        InputError: the name is not in the table.
    """
    if name not in ACTIVATIONS:
        raise InputError(f"hidden_act {name!r} is unknown; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
