"""Which device and which dtype was meant, and why it cannot be had here: one line for each reason.

Called by devices.py, before a model is made or a file is read. Imports torch and kernels inside
functions, when a device is asked for; whatever else stands in their place is told apart here.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from refimpl.errors import InputError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float64", "float16", "bfloat16")
_INSTALL = "pip install 'clip-refimpl[gpu]'; without device= numpy computes"


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64, the dtypes that numpy computes in.

    Raises:
        InputError: another dtype was asked for.
    """
    for known in (np.float32, np.float64):
        if dtype is known or (isinstance(dtype, (str, np.dtype)) and dtype == np.dtype(known).name):
            return np.dtype(known)
    if _name_of(dtype) in DTYPES[2:]:
        raise InputError(
            "dtype must be 'float32' or 'float64' where numpy computes; for "
            f"{_name_of(dtype)!r} pass a device too, such as device='cuda' or device='cpu'"
        )
    raise InputError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")


def dtype_name(dtype: Any) -> str:
    """Name a dtype that torch computes in, however it is written.

    Raises:
        InputError: it is none of `DTYPES`.
    """
    name = _name_of(dtype)
    if name not in DTYPES:
        raise InputError(
            f"dtype must be one of {', '.join(map(repr, DTYPES))}, or torch's type of that name; "
            f"got {dtype!r:.60}"
        )
    return name


def _name_of(dtype: Any) -> str | None:
    """Name a dtype however it is written: a string, numpy's or torch's."""
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, np.dtype):
        return str(dtype.name)
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return str(np.dtype(dtype).name)
    module, _, name = str(dtype).partition(".")
    return name if type(dtype).__module__ == module == "torch" else None


def found_device(device: Any) -> "torch.device":
    """Find the device that was asked for, with its number.

    Raises:
        InputError: no torch, another package called kernels, no such device, or one that nothing
            here is made for.
    """
    _check_kernels()
    try:
        import torch
    except ModuleNotFoundError as error:
        raise InputError(f"device={device!r:.60} needs torch: {_INSTALL}") from error
    except Exception as error:  # a library of the driver's that is missing, say
        raise InputError(
            f"device={device!r:.60} needs torch, which does not import here ({_brief(error)}); "
            "install it again, or give no device and numpy computes"
        ) from error
    try:
        if isinstance(device, bool):
            raise TypeError("a switch is no device")
        asked = f"cuda:{device}" if isinstance(device, int | np.integer) else device
        found = torch.device(asked)
        if isinstance(asked, str) and found.index is not None and str(found) != asked:
            raise ValueError("torch counts GPUs in 8 bits: its 'cuda:256' is cuda:0")
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise _no_device(device) from error
    if found.type not in ("cpu", "cuda"):
        raise _no_device(device)
    return torch.device("cpu") if found.type == "cpu" else _found_gpu(found)


def _no_device(device: Any) -> InputError:
    return InputError(
        "device must be 'cpu', 'cuda', 'cuda:1' or a torch.device of these, or None for numpy; "
        f"got {device!r:.60}"
    )


def _found_gpu(asked: "torch.device") -> "torch.device":
    import torch

    from kernels.runtime import has_triton

    if not torch.cuda.is_available():
        raise InputError(
            f"device '{asked}': torch {torch.__version__} sees no GPU here "
            "(torch.cuda.is_available() is False); use device='cpu', or no device for numpy"
        )
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if asked.index is None else asked.index
    if not 0 <= index < count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise InputError(f"device '{asked}' is not there; this machine has {there}")
    major, minor = torch.cuda.get_device_capability(index)
    if torch.version.hip is None and major < 8:
        raise InputError(
            f"device 'cuda:{index}' has compute capability {major}.{minor}, and the kernels need "
            "8.0 (Ampere) or later; use device='cpu', or no device for numpy"
        )
    if not has_triton():
        raise InputError(f"device '{asked}' needs triton for its kernels: {_INSTALL}")
    return torch.device("cuda", index)


def _check_kernels() -> None:
    """Check that `kernels` is this project's package; the registry has another of that name.

    Raises:
        InputError: it is another one, or missing.
    """
    try:
        import kernels
    except Exception as error:  # whatever another project's may raise
        raise InputError(
            "device= needs this project's package `kernels`; what stands there does not import "
            f"({_brief(error)}); install clip-refimpl again, in an environment of its own if need be"
        ) from error
    if getattr(kernels, "PROJECT", None) != "clip-refimpl":
        where = getattr(kernels, "__file__", None) or [*getattr(kernels, "__path__", ())]
        raise InputError(
            f"the package `kernels` at {where} is another project's; device= needs clip-refimpl's: "
            "remove or rename that one ('pip uninstall kernels' if pip installed it), then install "
            "clip-refimpl again, or use an environment of its own"
        )


def _brief(error: BaseException) -> str:
    """Give an error's first line, or its kind where it says nothing."""
    said = str(error).strip()
    return f"{said.splitlines()[0]:.200}" if said else type(error).__name__
