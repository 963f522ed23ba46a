"""Pictures that tell one upstream from another: every file here, every mode, awkward sizes, arrays.

`make(name)` builds one, the same one each time, so a judge in a process of its own makes its own
copy from the name alone (image_upstreams.py). A name says how the picture is handed over:

    file/...    what Pillow opens from a file of data/images
    path/...    the path of such a file, as text
    mode/...    a small Pillow picture of noise in that mode
    size/...    a Pillow picture of noise of awkward size
    frame/...   an animated file, moved to a later frame
    exif/...    a Pillow picture with that orientation tag
    array/...   a numpy array
    tensor/...  a torch tensor
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "data" / "images"
_BROKEN = {
    "pillow/broken.png",
    "pillow/broken_data_stream.png",
    "pillow/decompression_bomb.gif",
    "pillow/truncated_end_chunk.png",
    "pillow/truncated_image.png",
    "pillow/truncated_jpeg.jpg",
    "skimage/multipage_rgb.tif",
    "skimage/truncated.jpg",
}
FILES = sorted(
    name
    for path in FOLDER.glob("*/*")
    if (name := path.relative_to(FOLDER).as_posix()) not in _BROKEN
)
MODES = (
    *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"),
    *("HSV", "I", "I;16", "I;16L", "I;16B", "F"),
)
SIZES = (
    *((1, 1), (1, 9), (9, 1), (2, 2), (3, 20), (20, 3), (3, 3), (1, 3), (4, 9), (9, 4)),
    *((10000, 1), (1, 10000), (640, 427), (427, 640), (33, 50), (51, 33), (37, 37)),
    *((31, 90), (90, 31), (225, 224), (227, 224)),
)  # width, height
FRAMES = {"pillow/apng_delay.png": 2, "pillow/dispose_bgnd_rgba.gif": 3}


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Give random levels of 0 to 255, the same ones for the same shape and seed."""
    return _random(seed + sum(shape)).integers(0, 256, shape, np.uint8)


def _file(name: str) -> Image.Image:
    with Image.open(FOLDER / name) as image:
        image.load()
        return image


def _frame(name: str) -> Image.Image:
    image = Image.open(io.BytesIO((FOLDER / name).read_bytes()))
    image.seek(FRAMES[name])
    return image


def _exif(orientation: int) -> Image.Image:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(40, 31, 3)).save(file, "PNG", exif=exif)
    return Image.open(file)


def in_mode(mode: str, width: int = 41, height: int = 30) -> Image.Image:
    """Give a Pillow picture of noise in any mode; alpha holds all levels from 0 to 255."""
    if mode == "1":
        return Image.fromarray(noise(height, width) > 127)
    if mode == "I":
        return Image.fromarray(_random(1).integers(-300, 70000, (height, width), np.int32))
    if mode == "F":
        return Image.fromarray(_random(2).uniform(-20, 300, (height, width)).astype(np.float32))
    if mode in ("La", "RGBa"):  # levels may not be larger than their alpha
        return in_mode(mode.upper(), width, height).convert(mode)
    bands = 2 if mode.startswith("I;16") else len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, (width, height), noise(height, width, bands).tobytes())
    if mode in ("P", "PA"):
        image.putpalette(noise(768, seed=7).tobytes())
    return image


def _with(mode: str, transparency: Any) -> Image.Image:
    image = in_mode(mode)
    image.info["transparency"] = transparency
    return image


def _rgba_palette() -> Image.Image:
    image = in_mode("P")
    image.putpalette(noise(1024, seed=8).tobytes(), "RGBA")
    return image


def _square_in(mode: str) -> Image.Image:
    """A square of one colour on another, so that what a resize invents at an edge is seen."""
    image = Image.new(mode, (48, 64))
    image.paste(Image.new(mode, (20, 20), (200, 10, 90, 255)[: len(image.getbands())]), (15, 20))
    return image


def _arrays() -> dict[str, Callable[[], Any]]:
    picture = noise(30, 41, 3)
    first = np.moveaxis(picture, -1, 0)
    unit = _random(3).uniform(0, 1, (30, 41, 3))
    levels = picture.astype(np.float64)

    def locked() -> np.ndarray:
        copy = picture.copy()
        copy.flags.writeable = False
        return copy

    def holed() -> np.ndarray:
        copy = unit.astype(np.float32)
        copy[3, 4, 1] = np.nan
        return copy

    made = {
        "uint8 HWC": picture,
        "uint8 CHW": np.ascontiguousarray(first),
        "uint8 HW1": noise(30, 41, 1),
        "uint8 1HW": noise(1, 30, 41),
        "uint8 HW": noise(30, 41),
        "uint8 HW2": noise(30, 41, 2),
        "uint8 HW4": noise(30, 41, 4),
        "uint8 4HW": noise(4, 30, 41),
        "uint8 HW5": noise(30, 41, 5),
        "uint8 3x3x3": noise(3, 3, 3),
        "uint8 3xWx3": noise(3, 20, 3),
        "uint8 3x3xW": noise(3, 3, 20),
        "uint8 4x4x4": noise(4, 4, 4),
        "uint8 1x1x3": noise(1, 1, 3),
        "uint8 1x1x1": noise(1, 1, 1),
        "uint8 2HW3": noise(2, 30, 41, 3),
        "uint8 larger than the crop": noise(90, 61, 3),
        "uint8 read-only": locked(),
        "uint8 negative strides": picture[::-1, ::-1, ::-1],
        "uint8 steps": noise(60, 82, 3)[::2, ::2],
        "uint8 Fortran": np.asfortranarray(picture),
        "bool": picture > 127,
        "int8": (picture // 2).astype(np.int8),
        "int8 negative": picture.astype(np.int8),
        "uint16 of 255": picture.astype(np.uint16),
        "uint16 of 65535": picture.astype(np.uint16) * 257,
        "uint16 big-endian": picture.astype(">u2"),
        "int32": picture.astype(np.int32),
        "int32 big-endian": picture.astype(">i4"),
        "int64": picture.astype(np.int64),
        "int64 negative": picture.astype(np.int64) - 100,
        "float16 in 0-1": unit.astype(np.float16),
        "float32 in 0-1": unit.astype(np.float32),
        "float64 in 0-1": unit,
        "float32 big-endian in 0-1": unit.astype(">f4"),
        "float16 whole": levels.astype(np.float16),
        "float32 whole": levels.astype(np.float32),
        "float64 whole": levels,
        "float32 fractions of 255": (unit * 255).astype(np.float32),
        "float64 fractions of 255": unit * 255,
        "float32 binary": (picture > 127).astype(np.float32),
        "float32 zeros": np.zeros((30, 41, 3), np.float32),
        "float32 negative": (unit * 2 - 1).astype(np.float32),
        "float32 beyond": (unit * 300).astype(np.float32),
        "float32 HW4 in 0-1": _random(4).uniform(0, 1, (30, 41, 4)).astype(np.float32),
        "float32 HW4 whole": noise(30, 41, 4).astype(np.float32),
        "float32 HW1 in 0-1": _random(5).uniform(0, 1, (30, 41, 1)).astype(np.float32),
        "float32 NaN": holed(),
        "float32 infinite": np.where(picture > 250, np.inf, unit).astype(np.float32),
        "complex": unit.astype(np.complex64),
        "empty": np.zeros((0, 5, 3), np.uint8),
    }
    return {name: (lambda array=array: array) for name, array in made.items()}


def _tensors() -> dict[str, Callable[[], Any]]:
    def from_array(name: str) -> Callable[[], Any]:
        def build() -> Any:
            import torch

            return torch.from_numpy(np.array(ARRAYS[name]()))

        return build

    def half() -> Any:
        import torch

        return torch.from_numpy(noise(3, 30, 41)).to(torch.bfloat16)

    held = [
        name
        for name in ARRAYS
        if not any(word in name for word in ("big-endian", "strides", "read-only", "Fortran"))
    ]
    return {**{name: from_array(name) for name in held}, "bfloat16": half}


ARRAYS = _arrays()
_MADE: dict[str, Callable[[], Any]] = {
    **{f"file/{name}": (lambda name=name: _file(name)) for name in FILES},
    **{f"path/{name}": (lambda name=name: str(FOLDER / name)) for name in FILES},
    **{f"mode/{mode}": (lambda mode=mode: in_mode(mode)) for mode in MODES},
    "mode/P, transparency in bytes": lambda: _with("P", noise(256, seed=9).tobytes()),
    "mode/P, few bytes": lambda: _with("P", bytes(range(0, 250, 50))),
    "mode/P, one transparent": lambda: _with("P", 77),
    "mode/P, RGBA palette": _rgba_palette,
    "mode/L, one transparent": lambda: _with("L", 77),
    "mode/RGB, one transparent": lambda: _with("RGB", (1, 2, 3)),
    "mode/1, one transparent": lambda: _with("1", 0),
    "mode/RGBA, a square": lambda: _square_in("RGBA"),
    "mode/LA, a square": lambda: _square_in("LA"),
    "mode/RGBA, opaque": lambda: in_mode("RGB").convert("RGBA"),
    **{
        f"size/{mode} {width}x{height}": (lambda size=(mode, width, height): in_mode(*size))
        for width, height in SIZES
        for mode in ("RGB", "L", "RGBA", "P", "1")
        if mode == "RGB" or max(width, height) <= 90
    },
    **{f"frame/{name}": (lambda name=name: _frame(name)) for name in FRAMES},
    **{f"exif/{tag}": (lambda tag=tag: _exif(tag)) for tag in range(1, 9)},
    **{f"array/{name}": build for name, build in ARRAYS.items()},
    **{f"tensor/{name}": build for name, build in _tensors().items()},
}
NAMES = tuple(_MADE)
"""Every picture there is."""


def names(*kinds: str) -> list[str]:
    """Give the names of these kinds: names("file", "mode")."""
    return [name for name in NAMES if name.partition("/")[0] in kinds]


PILLOW = tuple(names("file", "mode", "size", "frame", "exif"))
"""Those that are handed over as Pillow pictures."""


def make(name: str) -> Any:
    """Build the picture of this name: a Pillow picture, a path, an array or a tensor."""
    return _MADE[name]()
