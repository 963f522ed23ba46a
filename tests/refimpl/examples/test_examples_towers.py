"""The examples of the towers that a VisionTextDualEncoder is made of, named as upstream's classes.

Sources: the docstrings of models/{vit,deit,beit,dinov2,bert,roberta}/ in Transformers 4.37.2 and
4.57.6 (Apache-2.0), those of the configs and of the bare models; heads for other tasks are out.
The widths are the released ones, so that the printed shapes hold. documented.py says what is
changed before ours runs.
"""

import pytest
import transformers
from documented import shapes_of_upstream

import refimpl

VISION = """
    from transformers import AutoImageProcessor, {kind}Model
    import torch
    from datasets import load_dataset

    dataset = load_dataset("huggingface/cats-image")
    image = dataset["test"]["image"][0]

    image_processor = AutoImageProcessor.from_pretrained("{name}")
    model = {kind}Model.from_pretrained("{name}")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
    print(list(last_hidden_states.shape))
"""
TEXT = """
    from transformers import AutoTokenizer, {kind}Model
    import torch

    tokenizer = AutoTokenizer.from_pretrained("{name}")
    model = {kind}Model.from_pretrained("{name}")

    inputs = tokenizer("Hello, my dog is cute", return_tensors="pt")
    outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
"""
CONFIG = """
    from transformers import {kind}Config, {kind}Model

    # Initializing a configuration in the style of the released model
    configuration = {kind}Config()

    # Initializing a model (with random weights) from that configuration
    model = {kind}Model(configuration)

    # Accessing the model configuration
    configuration = model.config
"""


def test_ViTModel_forward(run):
    left = run(VISION.format(kind="ViT", name="google/vit-base-patch16-224-in21k"))
    assert left["printed"] == "[1, 197, 768]\n"
    assert left["outputs"].pooler_output.shape == (1, 768)


def test_DeiTModel_forward(run):
    """A class token and a distillation token. The checkpoint has no pooler, so it is drawn."""
    with pytest.warns(UserWarning, match="pooler"):
        name = "facebook/deit-base-distilled-patch16-224"
        left = run(VISION.format(kind="DeiT", name=name), judged="saved")
    assert left["printed"] == "[1, 198, 768]\n"


def test_BeitModel_forward(run):
    """The checkpoint is a pre-training one, without the pooler's norm, so it is drawn."""
    with pytest.warns(UserWarning, match="pooler"):
        name = "microsoft/beit-base-patch16-224-pt22k"
        left = run(VISION.format(kind="Beit", name=name), judged="saved")
    assert left["printed"] == "[1, 197, 768]\n"


def test_Dinov2Model_forward(run):
    left = run(VISION.format(kind="Dinov2", name="facebook/dinov2-base"))
    assert left["printed"] == "[1, 257, 768]\n"


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-uncased"])
def test_BertModel_forward(run, name):
    left = run(TEXT.format(kind="Bert", name=name))
    assert left["inputs"]["input_ids"].tolist() == [[101, 7592, 1010, 2026, 3899, 2003, 10140, 102]]
    assert left["last_hidden_states"].shape == (1, 8, 32)


@pytest.mark.parametrize("name", ["roberta-base", "FacebookAI/roberta-base"])
def test_RobertaModel_forward(run, name):
    """The checkpoint has no pooler, so it is drawn."""
    with pytest.warns(UserWarning, match="pooler"):
        left = run(TEXT.format(kind="Roberta", name=name), judged="saved")
    assert left["last_hidden_states"].shape[::2] == (1, 32)


@pytest.mark.parametrize("kind", ["ViT", "DeiT", "Beit", "Dinov2", "Bert", "Roberta"])
def test_config(run, cheap_weights, kind):
    left = run(CONFIG.format(kind=kind), judged=False)
    assert left["configuration"] == getattr(refimpl, f"{kind}Config")()
    wanted = shapes_of_upstream(getattr(transformers, f"{kind}Model"))
    assert wanted == cheap_weights(left["model"])
