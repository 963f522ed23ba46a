"""Profile open_clip equals open_clip 3.3.0's transform, exactly, in each of its resize modes."""

import image_pictures
import pytest
from image_judging import BY_DEFAULT, Case, disagreements, pictures_of

PROFILE = "open_clip"
MODES = ("shortest", "longest", "squash")
SOME = image_pictures.names("mode", "size", "frame")


def case(picture, edges=32, mode="shortest", *, fill=0, bilinear=False, until=None, **more):
    """Say the same to both; `edges` is the side of a square or (height, width)."""
    height, width = (edges, edges) if isinstance(edges, int) else edges
    ours = {"size": {"height": height, "width": width}, "crop_size": (height, width)}
    ours |= {"do_center_crop": mode == "shortest", "resize_mode": mode, "fill_color": fill}
    theirs = {"image_size": edges, "resize_mode": mode, "fill_color": fill}
    if bilinear:
        ours, theirs = {**ours, "resample": 2}, {**theirs, "interpolation": "bilinear"}
    return Case(picture, {**ours, **more}, theirs, until=until)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_every_pillow_picture(mode, engine):
    cases = [case(name, 32, mode) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine=engine)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("edges", [1, 33, (20, 31), (45, 17)])
def test_other_sizes(mode, edges):
    assert not disagreements(PROFILE, [case(name, edges, mode) for name in SOME])


@pytest.mark.parametrize("mode", MODES)
def test_bilinear(mode):
    assert not disagreements(PROFILE, [case(name, 32, mode, bilinear=True) for name in SOME])


@pytest.mark.parametrize("fill", [1, 128, 255])
def test_fill_color(fill):
    cases = [case(name, edges, "longest", fill=fill) for name in SOME for edges in (32, (20, 31))]
    assert not disagreements(PROFILE, cases)


def test_mean_and_std():
    numbers = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}
    plain = case("mode/RGB", 32, "squash", **numbers)
    theirs = {**plain.theirs, "mean": numbers["image_mean"], "std": numbers["image_std"]}
    assert not disagreements(PROFILE, [Case("mode/RGB", plain.ours, theirs)])


@pytest.mark.parametrize("mode", MODES)
def test_levels_before_they_are_floats(mode):
    off = {"do_rescale": False, "do_normalize": False}
    cases = [case(name, 32, mode, until="levels", **off) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases)


def test_with_no_option_it_is_openais():
    assert not disagreements(PROFILE, [Case(name, {}, {"image_size": 224}) for name in BY_DEFAULT])
    assert not disagreements(
        PROFILE, [Case(name, {}, {"image_size": 224}) for name in BY_DEFAULT], profile="openai"
    )


def test_another_resize_mode_is_noticed():
    for mode in MODES:
        for other in set(MODES) - {mode}:
            cases = [Case("size/RGB 33x50", case("x", 32, other).ours, case("x", 32, mode).theirs)]
            assert disagreements(PROFILE, cases), (mode, other)


@pytest.mark.parametrize(
    ("other", "pictures"),
    [
        ("transformers-4-slow", {"mode/P", "mode/1", "mode/RGBA", "size/RGB 640x427"}),
        ("transformers-5-pil", {"mode/P", "mode/RGBA", "size/RGB 640x427"}),
        ("transformers-5-torchvision", {"mode/P", "mode/RGBA", "size/RGB 640x427"}),
        ("cn_clip", {"mode/RGB", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    made = {"size": {"shortest_edge": 32}, "crop_size": 32}
    made = {"size": 32} if other in ("cn_clip", "big_vision") else made
    cases = [Case(name, made, {"image_size": 32}) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures
