"""Pillow's resize in numpy beside Pillow, in one run: `python -m pytest bench/bench_resize.py`.

Each case first checks that both sides give the same bytes, then times one of them (add
`--benchmark-enable`). "array" is `resize_like_pillow` on channels first; "picture" is
`resize_image_like_pillow`, which has a Pillow picture to take apart and to put together. One
thread on every side. On a machine that does other things too, count CPU time: add
`--benchmark-timer=time.process_time`.
"""

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from refimpl.images.filters import facts
from refimpl.images.resize_like_pillow import resize_image_like_pillow, resize_like_pillow

CASES = [  # mode, old (width, height), new, Pillow's number of the filter
    ("RGB", (640, 480), (298, 224), 3),
    ("RGB", (640, 480), (224, 224), 3),
    ("RGB", (640, 480), (298, 224), 2),
    ("RGB", (640, 480), (298, 224), 1),
    ("RGB", (480, 640), (224, 298), 3),
    ("RGB", (4000, 3000), (298, 224), 3),
    ("RGB", (224, 224), (640, 640), 3),
    ("RGBA", (640, 480), (298, 224), 3),
    ("L", (640, 480), (298, 224), 3),
]


@pytest.fixture(autouse=True)
def one_thread():
    """Pillow has one; BLAS could take more."""
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("side", ["pillow", "array", "picture"])
@pytest.mark.parametrize(("mode", "old", "new", "resample"), CASES)
def test_resize(benchmark, mode, old, new, resample, side):
    """Time one side of one case, after both sides agreed."""
    (width, height), bands = new, len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(0).integers(0, 256, (old[1], old[0], bands), np.uint8)
    image = Image.frombytes(mode, old, noise.tobytes())
    pixels = np.ascontiguousarray(noise.transpose(2, 0, 1))
    sides = {
        "pillow": lambda: image.resize(new, resample),
        "array": lambda: resize_like_pillow(pixels, height, width, resample),
        "picture": lambda: resize_image_like_pillow(image, height, width, resample),
    }
    assert sides["picture"]().tobytes() == sides["pillow"]().tobytes()
    name = facts(old[0], width, resample).name
    benchmark.group = f"{mode} {old[0]}x{old[1]} to {width}x{height}, {name}"
    benchmark.pedantic(sides[side], rounds=31, warmup_rounds=3)
