"""resize_like_tensorflow against TensorFlow itself, which runs in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_upstreams import FOLDERS

from refimpl.errors import InputError
from refimpl.images import resize_like_tensorflow as ours
from refimpl.images.resize_like_tensorflow import resize_like_tensorflow

# big_vision's get_resize in one function: resize, clip to the type's range, cast.
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, tensorflow as tf
assert tf.__version__ == "2.21.0", tf.__version__
out = {}
with np.load(sys.argv[2]) as given:
    for name in given.files:
        picture = tf.constant(given[name])
        size = [int(edge) for edge in name.split("_")[1:]]
        resized = tf.image.resize(picture, size, method="bilinear", antialias=False)
        kept = tf.clip_by_value(resized, picture.dtype.min, picture.dtype.max)
        out[name] = tf.cast(kept, picture.dtype).numpy()
np.savez(sys.argv[3], **out)
"""
_EDGES = [
    ((1, 1), (1, 1)),
    ((1, 1), (4, 6)),
    ((1, 9), (1, 4)),
    ((9, 1), (4, 7)),
    ((5, 7), (5, 3)),
    ((5, 7), (3, 7)),
    ((5, 7), (5, 7)),
    ((40, 41), (20, 82)),
    ((10000, 1), (3, 2)),
    ((480, 640), (224, 224)),
    ((700, 699), (699, 700)),
]


def sizes(count):
    """Shapes at the edge, then drawn ones from 1 to 700, half of them small."""
    rng = np.random.default_rng(11)
    for number in range(count):
        drawn = rng.integers(1, 701 if number % 2 else 40, 4).tolist()
        yield tuple(drawn[:2]), tuple(drawn[2:])


def cases(pairs, folder):
    """Pictures by name, and TensorFlow's answers; channels last, as TensorFlow has them."""
    rng = np.random.default_rng(0)
    given = {}
    for number, (old, new) in enumerate(pairs):
        levels = rng.integers(0, 256, (*old, 1 + number % 4), np.uint8)
        given[f"u{number}_{new[0]}_{new[1]}"] = levels
        given[f"f{number}_{new[0]}_{new[1]}"] = (levels / 255 * 3 - 1).astype(np.float32)
    where = Path(sys.prefix) / str(FOLDERS["big_vision"])
    assert where.is_dir(), f"{where} is not there; make test installs TensorFlow"
    paths = [folder / "given.npz", folder / "answers.npz"]
    np.savez(paths[0], **given)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(where), *map(str, paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(paths[1]) as answers:
        return [(given[name], answers[name]) for name in given]


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    return cases([*_EDGES, *sizes(100)], tmp_path_factory.mktemp("tensorflow"))


def differing(found):
    """How many of the cases differ from TensorFlow in any bit."""
    wrong = 0
    for picture, want in found:
        got = resize_like_tensorflow(np.moveaxis(picture, -1, 0), *want.shape[:2])
        assert got.dtype == want.dtype
        wrong += not np.array_equal(np.moveaxis(got, 0, -1), want)
    return wrong


class TestEqualsTensorFlow:
    def test_bit_for_bit(self, answered):
        assert differing(answered) == 0

    @pytest.mark.slow
    def test_bit_for_bit_widely(self, tmp_path):
        assert differing(cases(sizes(600), tmp_path)) == 0

    def test_any_layout_in_and_the_argument_stays(self):
        pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 31), np.uint8)
        want = np.stack([resize_like_tensorflow(one, 9, 40) for one in pixels])
        turned = pixels[..., ::-1].copy()[..., ::-1]
        turned.flags.writeable = False
        assert np.array_equal(resize_like_tensorflow(turned, 9, 40), want)
        swapped = resize_like_tensorflow(pixels.astype(">f4"), 9, 40)
        assert swapped.dtype.isnative
        assert np.array_equal(swapped.astype(np.uint8), want)
        same = resize_like_tensorflow(pixels, 20, 31)
        assert np.array_equal(same, pixels) and not np.shares_memory(same, pixels)


class TestWrongTwinsAreCaught:
    def test_rounding_instead_of_cutting(self, answered):
        for picture, want in answered:
            if picture.dtype == np.uint8 and want.shape[:2] == (224, 224):
                floats = picture.astype(np.float32)
                rounded = np.round(resize_like_tensorflow(np.moveaxis(floats, -1, 0), 224, 224))
                assert (np.moveaxis(rounded, 0, -1) != want).mean() > 0.3

    @pytest.mark.parametrize("wrong", ["corners", "float64", "no half pixel"])
    def test_other_places(self, answered, monkeypatch, wrong):
        def places(old, new):
            real = np.float64 if wrong == "float64" else np.float32
            step, half = real(old) / real(new), real(0.5)
            i = np.arange(new).astype(real)
            if wrong == "corners":
                place = i * real((old - 1) / max(new - 1, 1))
            else:
                place = i * step if wrong == "no half pixel" else (i + half) * step - half
            floor = np.floor(place)
            lower = np.clip(floor.astype(np.int64), 0, old - 1)
            upper = np.clip(np.ceil(place).astype(np.int64), 0, old - 1)
            return ours.Neighbours(lower, upper, place - floor)

        monkeypatch.setattr(ours, "neighbours", places)
        floats = [pair for pair in answered if pair[0].dtype == np.float32]
        wrong_ones = 0
        for picture, want in floats:
            got = resize_like_tensorflow(np.moveaxis(picture, -1, 0), *want.shape[:2])
            wrong_ones += not np.array_equal(np.moveaxis(got, 0, -1).astype(np.float32), want)
        assert wrong_ones > len(floats) / 2


class TestRefusals:
    @pytest.mark.parametrize("dtype", [np.float64, np.int32, np.bool_, np.uint16, "O"])
    def test_other_dtypes(self, dtype):
        with pytest.raises(InputError, match="uint8 or float32 wanted"):
            resize_like_tensorflow(np.zeros((1, 4, 4), dtype), 2, 2)

    @pytest.mark.parametrize(
        ("old", "new"), [((3, 4), (0, 2)), ((3, 4), (2, -1)), ((0, 4), (2, 2))]
    )
    def test_nothing_to_resize(self, old, new):
        with pytest.raises(InputError, match="cannot resize"):
            resize_like_tensorflow(np.zeros((1, *old), np.uint8), *new)
