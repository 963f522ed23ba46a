"""The pictures that an original model was evaluated on: a preprocessor_config.json for the hub.

Sizes come from the model's config; mean, deviation and the way of resizing from open_clip's
`preprocess_cfg` where there is one, else from the family. The field "profile" is ours: it names the
authors' own code, which images/ follows to the bit; Transformers does not look at it.

Source: openai/CLIP d05afc4, clip/clip.py (_transform); open_clip 3.3.0, transform.py
    (PreprocessCfg); cn-clip 1.6.0, clip/utils.py (image_transform); google-research/big_vision
    0127fb6, configs/proj/image_text/SigLIP_demo.ipynb.
"""

from collections.abc import Mapping
from typing import Any

from refimpl.errors import InputError

_CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
_CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
_RESAMPLE = {"bicubic": 3, "bilinear": 2}
_PROCESSOR = {
    "clip": "CLIPImageProcessor",
    "siglip": "SiglipImageProcessor",
    "chinese_clip": "ChineseCLIPImageProcessor",
}


def picture_settings(
    config: Mapping[str, Any], profile: str, preprocess: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Tell how pictures are prepared; None where the hub's processors cannot do it.

    Args:
        config: a hub config that a layout of this folder made.
        profile: whose code the model was evaluated with, by the names of images/profiles/.
        preprocess: open_clip's `preprocess_cfg`, if there is one.

    Raises:
        InputError: a mean or a deviation is not three numbers.
    """
    family = config["model_type"]
    siglip = family == "siglip"
    given = {
        "mean": [0.5] * 3 if siglip else _CLIP_MEAN,
        "std": [0.5] * 3 if siglip else _CLIP_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest" if family == "clip" else "squash",
        **{name: value for name, value in (preprocess or {}).items() if value is not None},
    }
    for name in ("mean", "std"):
        _check_colours(name, given[name])
    resample = _RESAMPLE.get(str(given["interpolation"]))
    crop = given["resize_mode"] == "shortest"
    if resample is None or given["resize_mode"] not in ("shortest", "squash") or (crop and siglip):
        return None
    side = config["vision_config"]["image_size"]
    square = {"height": side, "width": side}
    return {
        "image_processor_type": _PROCESSOR[family],
        "profile": profile,
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side} if crop else square,
        "resample": resample,
        **({} if siglip else {"do_center_crop": crop, "crop_size": square}),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(given["mean"]),
        "image_std": list(given["std"]),
    }


def _check_colours(name: str, value: Any) -> None:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 3 or any(
        isinstance(each, bool) or not isinstance(each, (int, float)) for each in numbers
    ):
        raise InputError(f"preprocess_cfg: {name} must be three numbers; got {value!r}")
