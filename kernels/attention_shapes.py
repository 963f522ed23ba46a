"""What the launchers of attention share: tiles by shape, checks, and what compiles ahead.

Called by attention.py and attention_packed.py; the kernels' own pieces are in attention_tiles.py.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.errors import KernelError
from kernels.runtime import FLOATS, check_kernel, check_together, split

WIDEST = 256
"""Columns of the widest head."""

EDGE = 32
"""Keys of a tile at the end and on the causal diagonal: 257 and 577 are whole tiles and one more."""


def tiles(width: int, dtype: torch.dtype, queries: int, masked: bool = False) -> dict[str, int]:
    """Choose tiles and warps: by head width, dtype, length, and whether masks are read.

    The rows are those that spill no register on any target that the tests compile for.

    Returns:
        The pieces of a head P1, P2 and P3, QUERIES, KEYS, EDGE, num_warps and num_stages.
    """
    p1, p2, p3 = split(width, 16)
    if dtype == torch.float32:  # exact products run on no tensor core, and fill the registers
        rows, keys, warps, stages = 16 if p2 or width > 128 else 32, 16, 4, 2
    elif width > 128:
        rows, keys, warps, stages = 64, 32, 4, 2
    elif masked and width > 64:
        rows, keys, warps, stages = 64, 32, 4, 2
    elif queries > 512 and not masked and 64 <= width <= 80:  # more products for each key read
        rows, keys, warps, stages = 128, 64, 8, 3
    elif 80 < width <= 96:  # with two stages sm_80 spills a few registers
        rows, keys, warps, stages = 64, 64, 4, 3
    else:
        rows, keys, warps, stages = 64, 64, 4, 2
    found = {"P1": p1, "P2": p2, "P3": p3, "QUERIES": rows, "KEYS": keys}
    found |= {"num_warps": warps, "num_stages": stages}
    return found if masked else {**found, "EDGE": min(keys, EDGE)}


def why_not_heads(q: Tensor, heads: int) -> str | None:
    """Say why no kernel takes heads of this width, or None where one does."""
    return f"heads are wider than {WIDEST}" if q.shape[-1] > WIDEST * heads else None


def check_attention(op: str, q: Tensor, k: Tensor, v: Tensor, heads: int) -> None:
    """Check that q, k and v belong together and divide into heads, and that a kernel can run.

    Raises:
        KernelError: they do not, or it cannot.
    """
    if q.dim() != 3 or k.shape != (q.shape[0], k.shape[1], q.shape[2]) or v.shape != k.shape:
        raise KernelError(
            f"{op}: q must be (B, L, D), k and v (B, S, D); got {tuple(q.shape)}, "
            f"{tuple(k.shape)} and {tuple(v.shape)}"
        )
    if heads < 1 or not q.shape[2] or q.shape[2] % heads:
        raise KernelError(f"{op}: {q.shape[2]} columns do not divide into {heads} heads")
    check_together(op, q=q, k=k, v=v)
    check_kernel(op, q)


FARTHEST = 2**23
"""Numbers from one row to the next: a tile's 128 rows are then counted in 32 bits."""


def readable(x: Tensor) -> Tensor:
    """Make neighbouring columns neighbours in memory, and keep rows within reach of one another.

    What models have, views of one packed product, stays as it lies.
    """
    return x if x.stride(-1) == 1 and x.stride(1) < FARTHEST else x.contiguous()


def prepared(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor, float]:
    """Make q, k and v readable, and the scale one that keeps the order.

    The kernels take the largest product before they scale it.
    """
    q, k, v = (readable(x) for x in (q, k, v))
    return (-q, k, v, -float(scale)) if scale < 0 else (q, k, v, float(scale))


def fitted(name: str, given: Tensor | None, shape: tuple[int, ...], q: Tensor) -> Tensor | None:
    """Spread a mask over all items and heads, by strides of 0, in a dtype that kernels read.

    The kernels count the keys of a mask in 32 bits, and those of a key padding lie side by side.

    Raises:
        KernelError: its shape or device does not fit.
    """
    if given is None:
        return None
    fits = len(given.shape) == len(shape) and all(
        have in (1, want) for have, want in zip(given.shape, shape, strict=True)
    )
    if not fits:
        raise KernelError(f"attention: {name} must be {shape} or 1; got {tuple(given.shape)}")
    if given.device != q.device:
        raise KernelError(f"attention: q is on {q.device} and {name} on {given.device}")
    if name == "key_padding":
        given = given.bool().expand(-1, shape[1]).contiguous().view(torch.uint8)
    else:
        given = given if given.dtype in FLOATS else given.float()
        given = given if given.stride(-1) * shape[-1] < 2**31 else given.contiguous()
    return given.expand(shape)


def configuration(
    kernel: Any, width: int, dtype: str, constants: dict[str, Any], kinds: Mapping[str, str]
) -> Configuration:
    """Say how a kernel compiles for one head width and dtype.

    Args:
        kernel: the `@triton.jit` function; it is the first word of the configuration's name.
        width: columns of a head.
        dtype: "float32", "float16" or "bfloat16".
        constants: what `tiles` chose, and the flags.
        kinds: the types of the run-time parameters that are not as in every attention kernel.
    """
    name = TRITON_NAMES[dtype]
    mine = {each: value for each, value in constants.items() if not each.startswith("num_")}
    flags = [flag.lower() for flag in ("CAUSAL", "PADDED", "BIASED") if constants.get(flag)]
    tile = f"{constants['QUERIES']}x{constants['KEYS']}"
    strides = ("q_batch", "q_row", "k_batch", "k_row", "v_batch", "v_row")
    signature = {
        **dict.fromkeys(("q_ptr", "k_ptr", "v_ptr", "y_ptr"), f"*{name}"),
        **dict.fromkeys(("queries", "keys", "heads"), "i32:any"),
        "scale": "fp32",
        **dict.fromkeys(strides, "i32"),
        **kinds,
    }
    return Configuration(
        " ".join([kernel.__name__.removesuffix("_kernel"), dtype, str(width), tile, *flags]),
        kernel,
        {each: signature[each] for each in kernel.arg_names if each in signature},
        {**mine, "WIDTH": width, "PRECISION": "ieee"},
        constants["num_warps"],
        constants["num_stages"],
        tensor_cores=dtype != "float32",
        # a piece of 16 or 32 columns has too few numbers for each thread to take 128 bits of them,
        # and masks have rows of any length
        wide_loads=width % 64 == 0 and "PADDED" not in constants,
    )
