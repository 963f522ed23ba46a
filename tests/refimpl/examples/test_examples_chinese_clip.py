"""The examples of upstream's Chinese-CLIP documentation, named after what they document.

Sources: docs/source/en/model_doc/chinese_clip.md and the docstrings of models/chinese_clip/ in
Transformers 4.37.2 and 4.57.6 (Apache-2.0). Where both releases print the same example but for how
the picture is fetched, the newer one stands here. documented.py says what is changed before ours
runs.
"""

import numpy as np
import pytest
import transformers
from documented import shapes_of_upstream

from refimpl import ChineseCLIPConfig, ChineseCLIPTextConfig, ChineseCLIPVisionConfig


def test_ChineseCLIP(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import ChineseCLIPProcessor, ChineseCLIPModel

        model = ChineseCLIPModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
        processor = ChineseCLIPProcessor.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

        url = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/pokemon.jpeg"
        image = Image.open(requests.get(url, stream=True).raw)
        # Squirtle, Bulbasaur, Charmander, Pikachu in English
        texts = ["杰尼龟", "妙蛙种子", "小火龙", "皮卡丘"]

        # compute image feature
        inputs = processor(images=image, return_tensors="pt")
        image_features = model.get_image_features(**inputs)
        image_features = image_features / image_features.norm(p=2, dim=-1, keepdim=True)  # normalize

        # compute text features
        inputs = processor(text=texts, padding=True, return_tensors="pt")
        text_features = model.get_text_features(**inputs)
        text_features = text_features / text_features.norm(p=2, dim=-1, keepdim=True)  # normalize

        # compute image-text similarity scores
        inputs = processor(text=texts, images=image, return_tensors="pt", padding=True)
        outputs = model(**inputs)
        logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
        probs = logits_per_image.softmax(dim=1)  # probs: [[1.2686e-03, 5.4499e-02, 6.7968e-04, 9.4355e-01]]
    """)
    assert left["probs"].shape == (1, 4)
    scale = np.exp(left["model"].params.logit_scale)
    scores = scale * left["image_features"] @ left["text_features"].T
    np.testing.assert_allclose(scores, left["logits_per_image"], rtol=1e-5)


def test_ChineseCLIPModel_forward(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, ChineseCLIPModel
        from transformers.image_utils import load_image

        model = ChineseCLIPModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
        processor = AutoProcessor.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

        url = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/pokemon.jpeg"
        image = load_image(url)

        inputs = processor(text=["杰尼龟", "妙蛙种子", "小火龙", "皮卡丘"], images=image, return_tensors="pt", padding=True)

        with torch.inference_mode():
            outputs = model(**inputs)
        logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
        probs = logits_per_image.softmax(dim=1)  # we can take the softmax to get the label probabilities
    """)
    outputs = left["outputs"]
    assert type(left["processor"]).__name__ == "ChineseCLIPProcessor"
    assert outputs.logits_per_image.shape == (1, 4)
    assert outputs.logits_per_text.shape == (4, 1)
    assert outputs.text_embeds.shape == (4, 24)
    assert outputs.image_embeds.shape == (1, 24)
    assert outputs.text_model_output.pooler_output is None


def test_ChineseCLIPModel_get_text_features(run):
    left = run("""
        import torch
        from transformers import AutoTokenizer, ChineseCLIPModel

        model = ChineseCLIPModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
        tokenizer = AutoTokenizer.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

        inputs = tokenizer(["杰尼龟", "妙蛙种子", "小火龙", "皮卡丘"], padding=True, return_tensors="pt")
        with torch.inference_mode():
            text_features = model.get_text_features(**inputs)
        text_features = text_features / text_features.norm(p=2, dim=-1, keepdim=True)
    """)
    assert list(left["inputs"]) == ["input_ids", "token_type_ids", "attention_mask"]
    assert left["inputs"]["input_ids"].shape == (4, 6)
    assert left["text_features"].shape == (4, 24)


def test_ChineseCLIPModel_get_image_features(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, ChineseCLIPModel
        from transformers.image_utils import load_image

        model = ChineseCLIPModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
        processor = AutoProcessor.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

        url = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/pokemon.jpeg"
        image = load_image(url)

        inputs = processor(images=image, return_tensors="pt")

        with torch.inference_mode():
            image_features = model.get_image_features(**inputs)
        image_features = image_features / image_features.norm(p=2, dim=-1, keepdim=True)
    """)
    assert left["image_features"].shape == (1, 24)


def test_ChineseCLIPTextModel_forward(run):
    """The released checkpoint has no pooler, so it is drawn: upstream judges what ours saves."""
    with pytest.warns(UserWarning, match="pooler"):
        left = run(
            """
            from transformers import AutoTokenizer, ChineseCLIPTextModel
            import torch

            tokenizer = AutoTokenizer.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
            model = ChineseCLIPTextModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

            inputs = tokenizer("Hello, my dog is cute", return_tensors="pt")
            outputs = model(**inputs)

            last_hidden_states = outputs.last_hidden_state
            """,
            judged="saved",
        )
    assert left["last_hidden_states"].shape == (1, left["inputs"]["input_ids"].shape[1], 32)
    assert left["outputs"].pooler_output.shape == (1, 32)


def test_ChineseCLIPVisionModel_forward(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import CLIPProcessor, ChineseCLIPVisionModel

        model = ChineseCLIPVisionModel.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")
        processor = CLIPProcessor.from_pretrained("OFA-Sys/chinese-clip-vit-base-patch16")

        url = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/pokemon.jpeg"
        image = Image.open(requests.get(url, stream=True).raw)

        inputs = processor(images=image, return_tensors="pt")

        outputs = model(**inputs)
        last_hidden_state = outputs.last_hidden_state
        pooled_output = outputs.pooler_output  # pooled CLS states
    """)
    assert left["last_hidden_state"].shape == (1, 1 + 14 * 14, 48)
    assert left["pooled_output"].shape == (1, 48)


def test_ChineseCLIPConfig(run, cheap_weights):
    left = run(
        """
        from transformers import ChineseCLIPConfig, ChineseCLIPModel

        # Initializing a ChineseCLIPConfig with OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        configuration = ChineseCLIPConfig()

        # Initializing a ChineseCLIPModel (with random weights) from the OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        model = ChineseCLIPModel(configuration)

        # Accessing the model configuration
        configuration = model.config

        # We can also initialize a ChineseCLIPConfig from a ChineseCLIPTextConfig and a ChineseCLIPVisionConfig
        from transformers import ChineseCLIPTextConfig, ChineseCLIPVisionConfig

        # Initializing a ChineseCLIPTextConfig and ChineseCLIPVisionConfig configuration
        config_text = ChineseCLIPTextConfig()
        config_vision = ChineseCLIPVisionConfig()

        config = ChineseCLIPConfig.from_text_vision_configs(config_text, config_vision)
        """,
        judged=False,
    )
    assert left["config"] == left["configuration"] == ChineseCLIPConfig()
    assert shapes_of_upstream(transformers.ChineseCLIPModel) == cheap_weights(left["model"])


def test_ChineseCLIPTextConfig(run, cheap_weights):
    left = run(
        """
        from transformers import ChineseCLIPTextConfig, ChineseCLIPTextModel

        # Initializing a ChineseCLIPTextConfig with OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        configuration = ChineseCLIPTextConfig()

        # Initializing a ChineseCLIPTextModel (with random weights) from the OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        model = ChineseCLIPTextModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == ChineseCLIPTextConfig()
    assert shapes_of_upstream(transformers.ChineseCLIPTextModel) == cheap_weights(left["model"])


def test_ChineseCLIPVisionConfig(run, cheap_weights):
    left = run(
        """
        from transformers import ChineseCLIPVisionConfig, ChineseCLIPVisionModel

        # Initializing a ChineseCLIPVisionConfig with OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        configuration = ChineseCLIPVisionConfig()

        # Initializing a ChineseCLIPVisionModel (with random weights) from the OFA-Sys/chinese-clip-vit-base-patch16 style configuration
        model = ChineseCLIPVisionModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == ChineseCLIPVisionConfig()
    assert shapes_of_upstream(transformers.ChineseCLIPVisionModel) == cheap_weights(left["model"])
