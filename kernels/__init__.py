"""The model's operations on torch tensors: fused Triton kernels, and plain torch where none fits.

`kernels.ops` has the names of the numpy reference's operations, so the graph runs on it unchanged.
Every other file is one kernel: what it fuses, its tiles, its bytes and FLOPs. Read layer_norm.py
first, then attention.py.

This file stays cheap and silent and raises nothing: Transformers imports any package called
`kernels` that it finds and reads its `__version__`, which must stay below 0.9 (the registry's
package of the same name, which this is not, starts to be used from there). Optional
dependencies (torch, triton) are imported by the other files only.
"""

__version__ = "0.1.0"

PROJECT = "clip-refimpl"
"""Whose package this is: another project's has the same name (see refimpl/find_device.py)."""
