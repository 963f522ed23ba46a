"""Small jitted functions that kernels share; see runtime.py for why the first two exist."""

import os

import triton
import triton.language as tl

INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def rounded(x, dtype: tl.constexpr):
    """Round float32 to `dtype`, to nearest even; the interpreter would cut bfloat16 off."""
    if INTERPRETED:
        if dtype == tl.bfloat16:
            bits = x.to(tl.int32, bitcast=True)
            even = bits + 0x7FFF + ((bits >> 16) & 1)
            kept = tl.where(x != x, bits | 0x400000, even) & -65536  # a NaN stays one
            x = kept.to(tl.float32, bitcast=True)
    return x.to(dtype)


@triton.jit
def dot(a, b, sums, PRECISION: tl.constexpr):
    """Add the product of two tiles to float32 sums, on the tensor cores where there are any."""
    if INTERPRETED:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, sums, input_precision=PRECISION)
