"""The activation functions of the checkpoints in plain torch: what `hidden_act` in a config names.

Twin: refimpl/activations.py, name by name. Called by plain.py; the kernels' own are in
activation.py. float16 and bfloat16 are computed in float32 and rounded once, as the kernels do.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.errors import KernelError


def quick_gelu(x: Tensor) -> Tensor:
    """Sigmoid approximation of GELU: x · σ(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU with tanh."""
    return F.gelu(x, approximate="tanh")


def gelu_10(x: Tensor) -> Tensor:
    """Exact GELU clipped to [−10, 10]."""
    return F.gelu(x).clamp(-10, 10)


def relu2(x: Tensor) -> Tensor:
    """Squared rectifier."""
    return F.relu(x).square()


def softplus(x: Tensor) -> Tensor:
    """Smooth rectifier, log(1 + exp x), without torch's straight line beyond 20."""
    return torch.logaddexp(x, torch.zeros_like(x))


def mish(x: Tensor) -> Tensor:
    """Mish: x · tanh(log(1 + exp x))."""
    return x * torch.tanh(softplus(x))


def sqrt_softplus(x: Tensor) -> Tensor:
    """Square root of the smooth rectifier."""
    return softplus(x).sqrt()


def laplace(x: Tensor) -> Tensor:
    """Gaussian distribution function of mean √½ and deviation √(1/4π)."""
    mean, deviation = 0.707107, 0.282095
    return 0.5 * (1 + torch.erf((x - mean) * (1 / (deviation * math.sqrt(2)))))


def linear(x: Tensor) -> Tensor:
    """No activation."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_10": gelu_10,
    "gelu_accurate": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_new": gelu_tanh,
    "gelu_python": F.gelu,
    "gelu_python_tanh": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "hardswish": F.hardswish,
    "laplace": laplace,
    "leaky_relu": F.leaky_relu,
    "linear": linear,
    "mish": mish,
    "quick_gelu": quick_gelu,
    "relu": F.relu,
    "relu2": relu2,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sqrtsoftplus": sqrt_softplus,
    "swish": F.silu,
    "tanh": torch.tanh,
}
"""The names of refimpl/activations.py's table."""


def activate(name: str, x: Tensor) -> Tensor:
    """Apply the activation function that a config's `hidden_act` names.

    Raises:
        KernelError: the name is not in the table.
    """
    if name not in ACTIVATIONS:
        raise KernelError(f"hidden_act {name!r} is unknown; known are {', '.join(ACTIVATIONS)}")
    if x.dtype in (torch.float16, torch.bfloat16):
        return ACTIVATIONS[name](x.float()).to(x.dtype)
    return ACTIVATIONS[name](x)
