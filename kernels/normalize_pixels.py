"""Pictures of bytes to the numbers that the vision tower takes: scaled, shifted, channels first.

Twin:    refimpl/images/transforms.py, rescale and then normalize.
Layout:  pixels (B, Y, X, C) of any strides, as decoders give them with channels last; the result
         (B, C, Y, X), contiguous. A view of channels-first pictures will do as well.
Grid:    packed RGB: one program for PIXELS pixels of a picture, read as words of four bytes: three
         words are four pixels, which go to the three planes side by side. Everything else: one
         program for ROWS × COLUMNS pixels of a plane, byte by byte.
Sums:    y = x · a + b in float32, one multiply-add a number, with a = rescale / std and
         b = −mean / std folded beforehand in Python's double precision. The twin rounds after
         each of its three steps. By adding up these roundings, neither is further from the other
         than 8 · 2⁻²⁴ · (x · rescale + |mean|) / |std|.
Traffic: 1 byte read and 4 (float32) or 2 written for each number; eager torch moves 29: a cast to
         float32 and three steps that read and write it.
Limits:  uint8; 1 to 4 channels; results in float32, float16, bfloat16.
Source:  transformers 5.23.0, image_processing_backends.py, TorchvisionBackend, which folds alike.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import rounded
from kernels.errors import KernelError
from kernels.plain_ends import MOST_CHANNELS, check_pixels
from kernels.runtime import FLOATS, cdiv, check_kernel, launch

PIXELS = 1024
"""Of a packed picture, for one program."""


@triton.jit
def _byte(word, SHIFT: tl.constexpr):
    """Take one of a word's four bytes."""
    return ((word >> SHIFT) & 255).to(tl.float32)


@triton.jit
def _put_plane(y_ptr, pixel, pixels, x0, x1, x2, x3, factor, shift, PIXELS: tl.constexpr):
    """Store in the order x0[0], x1[0], x2[0], x3[0], x0[1], and so on."""
    x = tl.reshape(tl.join(tl.join(x0, x2), tl.join(x1, x3)), (PIXELS,))
    tl.store(y_ptr + pixel, rounded(x * factor + shift, y_ptr.dtype.element_ty), pixel < pixels)


@triton.jit
def packed_pixels_kernel(
    word_ptr, y_ptr, pixels, picture_stride,
    factor0, factor1, factor2, shift0, shift1, shift2, PIXELS: tl.constexpr,
):  # fmt: skip
    """Normalise PIXELS pixels of packed RGB; strides count words of four bytes."""
    blocks = tl.cdiv(pixels, PIXELS)
    picture = (tl.program_id(0) // blocks).to(tl.int64)
    start = (tl.program_id(0) % blocks) * PIXELS
    four = start // 4 + tl.arange(0, PIXELS // 4)  # pixels 4 · four to 4 · four + 3
    inside = four * 4 < pixels
    words = word_ptr + picture * picture_stride + four * 3
    u = tl.load(words, inside, 0)  # R G B R
    v = tl.load(words + 1, inside, 0)  # G B R G
    w = tl.load(words + 2, inside, 0)  # B R G B
    pixel = start + tl.arange(0, PIXELS)
    y_ptr += picture * pixels * 3
    _put_plane(
        y_ptr, pixel, pixels, _byte(u, 0), _byte(u, 24), _byte(v, 16), _byte(w, 8),
        factor0, shift0, PIXELS,
    )  # fmt: skip
    _put_plane(
        y_ptr + pixels, pixel, pixels, _byte(u, 8), _byte(v, 0), _byte(v, 24), _byte(w, 16),
        factor1, shift1, PIXELS,
    )  # fmt: skip
    _put_plane(
        y_ptr + 2 * pixels, pixel, pixels, _byte(u, 16), _byte(v, 8), _byte(w, 0), _byte(w, 24),
        factor2, shift2, PIXELS,
    )  # fmt: skip


@triton.jit
def plane_pixels_kernel(
    x_ptr, y_ptr, channels, height, width, b_stride, y_stride, x_stride, c_stride,
    factor0, factor1, factor2, factor3, shift0, shift1, shift2, shift3,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Normalise ROWS × COLUMNS pixels of one channel of one picture, of any strides."""
    down, across = tl.cdiv(height, ROWS), tl.cdiv(width, COLUMNS)
    plane = (tl.program_id(0) // (down * across)).to(tl.int64)
    tile = tl.program_id(0) % (down * across)
    row = (tile // across * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    column = (tile % across * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)[None, :]
    inside = (row < height) & (column < width)
    channel = plane % channels
    x_ptr += plane // channels * b_stride + channel * c_stride
    x = tl.load(x_ptr + row * y_stride + column * x_stride, inside, 0).to(tl.float32)
    factor = tl.where(channel < 2, tl.where(channel == 0, factor0, factor1),
                      tl.where(channel == 2, factor2, factor3))  # fmt: skip
    shift = tl.where(channel < 2, tl.where(channel == 0, shift0, shift1),
                     tl.where(channel == 2, shift2, shift3))  # fmt: skip
    y_ptr += plane * height * width
    y = rounded(x * factor + shift, y_ptr.dtype.element_ty)
    tl.store(y_ptr + row * width + column, y, inside)


def variant(pixels: Tensor) -> str:
    """Say which kernel takes pictures that lie like these: "packed" or "planes".

    Packed are RGB with channels last and no gap within a picture, whose pixels come by fours and
    begin at whole words.
    """
    _, height, width, channels = pixels.shape
    b_stride, *strides = pixels.stride()
    packed = (
        channels == 3
        and strides == [3 * width, 3, 1]
        and height * width % 4 == 0
        and (b_stride % 4 == 0 or len(pixels) == 1)
        and pixels.data_ptr() % 4 == 0
        and pixels.storage_offset() % 4 == 0
    )
    return "packed" if packed else "planes"


def tiles(one_row: bool) -> dict[str, int]:
    """Choose the tile of a plane: one long row where rows have no gap between them."""
    return {"ROWS": 1 if one_row else 16, "COLUMNS": 4096 if one_row else 256, "num_warps": 4}


def normalize_pixels(
    pixels: Tensor,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    rescale: float = 1 / 255,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normalise pictures: y = (x · rescale − mean) / std, channel by channel, channels first.

    Args:
        pixels: uint8, (B, Y, X, C) of any strides, C from 1 to 4.
        mean: of each channel, or one number for all.
        std: likewise; none is 0.
        rescale: what levels are multiplied by first.
        dtype: of the result.

    Returns:
        (B, C, Y, X), contiguous.

    Raises:
        KernelError: shape, dtype, device, mean or std do not fit.
    """
    constants = folded(*check_pixels(pixels, mean, std), rescale)
    if dtype not in FLOATS:
        raise KernelError(f"normalize_pixels: {dtype} has no kernel; take float32 or half of it")
    check_kernel("normalize_pixels", pixels.new_empty(0, dtype=dtype))  # the device, above all
    batch, height, width, channels = pixels.shape
    y = torch.empty((batch, channels, height, width), dtype=dtype, device=pixels.device)
    if not y.numel():
        return y
    if variant(pixels) == "packed":
        _launch_packed(pixels, y, constants)
    else:
        _launch_planes(pixels, y, constants)
    return y


def _launch_packed(pixels: Tensor, y: Tensor, constants: list[float]) -> None:
    count = pixels.shape[1] * pixels.shape[2]
    flat = pixels.as_strided((len(pixels), 3 * count), (pixels.stride(0), 1))
    if len(pixels) == 1:
        flat = flat[0]  # its stride need not be whole words
    words = flat.view(torch.int32)
    launch(
        packed_pixels_kernel, (len(pixels) * cdiv(count, PIXELS),), y.device,
        words, y, count, pixels.stride(0) // 4, *constants[:3], *constants[4:7],
        PIXELS=PIXELS, num_warps=4,
    )  # fmt: skip


def _launch_planes(pixels: Tensor, y: Tensor, constants: list[float]) -> None:
    batch, height, width, channels = pixels.shape
    b_stride, y_stride, x_stride, c_stride = pixels.stride()
    one_row = height == 1 or y_stride == width * x_stride
    if one_row:
        height, width = 1, height * width
    table = tiles(one_row)
    tiles_of_plane = cdiv(height, table["ROWS"]) * cdiv(width, table["COLUMNS"])
    launch(
        plane_pixels_kernel, (batch * channels * tiles_of_plane,), y.device,
        pixels, y, channels, height, width, b_stride, y_stride, x_stride, c_stride,
        *constants, **table,
    )  # fmt: skip


def folded(means: list[float], deviations: list[float], rescale: float) -> list[float]:
    """Fold the three steps into four factors and four shifts, for as many channels or fewer."""
    spare = [0.0] * (MOST_CHANNELS - len(means))
    factors = [rescale / deviation for deviation in deviations]
    shifts = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
    return [*factors, *spare, *shifts, *spare]


def configurations() -> list[Configuration]:
    """Say what the launcher chooses: packed RGB, whole planes, and cut-outs with channels last."""
    found = []
    for dtype, name in TRITON_NAMES.items():
        pointer = f"*{name}"
        packed = {"word_ptr": "*i32", "y_ptr": pointer, "pixels": "i32", "picture_stride": "i32"}
        planes = {"x_ptr": "*u8", "y_ptr": pointer, "channels": "i32:any"}
        planes |= dict.fromkeys(("height", "width", "b_stride", "y_stride", "c_stride"), "i32")
        numbers = {f"{kind}{n}": "fp32" for kind in ("factor", "shift") for n in range(4)}
        rgb = {each: kind for each, kind in numbers.items() if "3" not in each}
        found.append(
            Configuration(
                f"packed_pixels {dtype}", packed_pixels_kernel, packed | rgb, {"PIXELS": PIXELS}
            )
        )
        for one_row, step in ((True, 1), (True, 3), (False, 3)):  # step from pixel to pixel
            constants = tiles(one_row)
            warps = constants.pop("num_warps")
            strided = {"x_stride": "i32:any", "c_stride": "i32:any"} if step > 1 else {}
            found.append(
                Configuration(
                    f"plane_pixels {dtype} {constants['ROWS']}x{constants['COLUMNS']} step {step}",
                    plane_pixels_kernel,
                    planes | strided | numbers,
                    constants | ({"x_stride": 1} if step == 1 else {}),
                    warps,
                    wide_loads=step == 1,
                    seldom=dtype != "bfloat16"
                    and not (dtype == "float32" and one_row and step == 3),
                )
            )
    return found
