"""The arguments of every model class, in the order in which Transformers 4.57.6 documents them."""

import inspect

import pytest
from transformers4 import ask

import refimpl

CLASSES = [
    "CLIPModel",
    "CLIPTextModel",
    "CLIPVisionModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModelWithProjection",
    "CLIPForImageClassification",
    "ChineseCLIPModel",
    "ChineseCLIPVisionModel",
    "VisionTextDualEncoderModel",
    "ViTModel",
    "DeiTModel",
    "BeitModel",
    "Dinov2Model",
    "BertModel",
    "RobertaModel",
]  # SigLIP follows 4.49, whose order 4.57 lost: test_siglip_models.py
MACHINERY = {"cache_position"}  # where torch's static caches write; ours only grow
METHODS = ("__call__", "get_text_features", "get_image_features")


@pytest.fixture(scope="module")
def upstream():
    return ask(
        """
import inspect
answer = {}
for name in given:
    for method in ("forward", "get_text_features", "get_image_features"):
        function = getattr(getattr(transformers, name), method, None)
        if function is not None:
            names = inspect.signature(function).parameters.values()
            kinds = [p.name for p in names if p.kind is not inspect.Parameter.VAR_KEYWORD]
            answer[f"{name}.{method}"] = kinds
""",
        CLASSES,
    )


@pytest.mark.parametrize("name", CLASSES)
def test_the_order_of_arguments(name, upstream):
    for method in METHODS:
        function = getattr(getattr(refimpl, name), method, None)
        if function is None:
            continue
        ours = list(inspect.signature(inspect.unwrap(function)).parameters)
        wanted = upstream[f"{name}.{method.replace('__call__', 'forward')}"]
        # 4.37 documents switches where 4.57 collects keywords: ours may be more, in between or after
        assert [each for each in ours if each in wanted] == [x for x in wanted if x in ours]
        assert set(wanted) - set(ours) <= MACHINERY, f"{name}.{method}"
