"""The model's operations on a GPU, in Triton: to come; nothing is here yet but the name.

This file stays cheap and silent and raises nothing: Transformers imports any package called
`kernels` that it finds and reads its `__version__`, which must stay below 0.9 (the registry's
package of the same name, which this is not, starts to be used from there). Optional
dependencies (torch, triton) are imported inside functions only.
"""

__version__ = "0.1.0"
