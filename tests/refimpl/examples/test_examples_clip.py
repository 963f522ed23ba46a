"""The examples of upstream's CLIP documentation, named after the class and method they document.

Sources: docs/source/en/model_doc/clip.md and the docstrings of models/clip/ in Transformers 4.37.2
and 4.57.6 (Apache-2.0). Where both releases print the same example but for how the picture is
fetched, the newer one stands here. documented.py says what is changed before ours runs.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import transformers
from documented import ROCKET, shapes_of_upstream

from refimpl import CLIPConfig, CLIPTextConfig, CLIPVisionConfig


def test_CLIP(run):
    """The page of 4.37: CLIPProcessor and CLIPModel."""
    left = run("""
        from PIL import Image
        import requests

        from transformers import CLIPProcessor, CLIPModel

        model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")
        processor = CLIPProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        inputs = processor(text=["a photo of a cat", "a photo of a dog"], images=image, return_tensors="pt", padding=True)

        outputs = model(**inputs)
        logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
        probs = logits_per_image.softmax(dim=1)  # we can take the softmax to get the label probabilities
    """)
    assert list(left["inputs"]) == ["input_ids", "attention_mask", "pixel_values"]
    assert left["inputs"]["pixel_values"].shape == (1, 3, 224, 224)
    assert left["probs"].shape == (1, 2)


def test_CLIP_AutoModel(run):
    """The page of 4.57: AutoModel and AutoProcessor."""
    left = run("""
        import requests
        import torch
        from PIL import Image
        from transformers import AutoProcessor, AutoModel

        model = AutoModel.from_pretrained("openai/clip-vit-base-patch32", dtype=torch.bfloat16, attn_implementation="sdpa")
        processor = AutoProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)
        labels = ["a photo of a cat", "a photo of a dog", "a photo of a car"]

        inputs = processor(text=labels, images=image, return_tensors="pt", padding=True)

        outputs = model(**inputs)
        logits_per_image = outputs.logits_per_image
        probs = logits_per_image.softmax(dim=1)
        most_likely_idx = probs.argmax(dim=1).item()
        most_likely_label = labels[most_likely_idx]
        print(f"Most likely label: {most_likely_label} with probability: {probs[0][most_likely_idx].item():.3f}")
    """)
    assert type(left["model"]).__name__ == "CLIPModel"
    assert type(left["processor"]).__name__ == "CLIPProcessor"
    assert left["printed"].startswith("Most likely label: a photo of a ")


def test_CLIPModel_forward(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, CLIPModel
        from transformers.image_utils import load_image

        model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")
        processor = AutoProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = load_image(url)

        inputs = processor(
            text=["a photo of a cat", "a photo of a dog"], images=image, return_tensors="pt", padding=True
        )

        with torch.inference_mode():
            outputs = model(**inputs)
        logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
        probs = logits_per_image.softmax(dim=1)  # we can take the softmax to get the label probabilities
    """)
    outputs = left["outputs"]
    assert list(outputs.keys()) == [
        "logits_per_image",
        "logits_per_text",
        "text_embeds",
        "image_embeds",
        "text_model_output",
        "vision_model_output",
    ]
    assert outputs.logits_per_image.shape == (1, 2)
    assert outputs.logits_per_text.shape == (2, 1)
    assert outputs.text_embeds.shape == (2, 24)
    assert outputs.image_embeds.shape == (1, 24)
    np.testing.assert_allclose(left["probs"].sum(1), 1, rtol=1e-6)


def test_CLIPModel_get_text_features(run):
    left = run("""
        import torch
        from transformers import AutoTokenizer, CLIPModel

        model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")
        tokenizer = AutoTokenizer.from_pretrained("openai/clip-vit-base-patch32")

        inputs = tokenizer(["a photo of a cat", "a photo of a dog"], padding=True, return_tensors="pt")

        with torch.inference_mode():
            text_features = model.get_text_features(**inputs)
    """)
    assert left["text_features"].shape == (2, 24)
    assert left["inputs"]["input_ids"].tolist()[0] == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_CLIPModel_get_image_features(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, CLIPModel
        from transformers.image_utils import load_image

        model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")
        processor = AutoProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = load_image(url)

        inputs = processor(images=image, return_tensors="pt")

        with torch.inference_mode():
            image_features = model.get_image_features(**inputs)
    """)
    assert left["image_features"].shape == (1, 24)


def test_CLIPTextModel_forward(run):
    left = run("""
        from transformers import AutoTokenizer, CLIPTextModel

        model = CLIPTextModel.from_pretrained("openai/clip-vit-base-patch32")
        tokenizer = AutoTokenizer.from_pretrained("openai/clip-vit-base-patch32")

        inputs = tokenizer(["a photo of a cat", "a photo of a dog"], padding=True, return_tensors="pt")

        outputs = model(**inputs)
        last_hidden_state = outputs.last_hidden_state
        pooled_output = outputs.pooler_output  # pooled (EOS token) states
    """)
    assert left["last_hidden_state"].shape == (2, 7, 32)
    assert left["pooled_output"].shape == (2, 32)


def test_CLIPTextModelWithProjection_forward(run):
    left = run(
        """
        import torch
        from transformers import AutoTokenizer, CLIPTextModelWithProjection

        model = CLIPTextModelWithProjection.from_pretrained("openai/clip-vit-base-patch32")
        tokenizer = AutoTokenizer.from_pretrained("openai/clip-vit-base-patch32")

        inputs = tokenizer(["a photo of a cat", "a photo of a dog"], padding=True, return_tensors="pt")

        with torch.inference_mode():
            outputs = model(**inputs)
        text_embeds = outputs.text_embeds
        """
    )
    assert left["text_embeds"].shape == (2, 24)
    assert left["outputs"].last_hidden_state.shape == (2, 7, 32)


def test_CLIPVisionModel_forward(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import AutoProcessor, CLIPVisionModel

        model = CLIPVisionModel.from_pretrained("openai/clip-vit-base-patch32")
        processor = AutoProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        inputs = processor(images=image, return_tensors="pt")

        outputs = model(**inputs)
        last_hidden_state = outputs.last_hidden_state
        pooled_output = outputs.pooler_output  # pooled CLS states
    """)
    assert left["last_hidden_state"].shape == (1, 1 + 7 * 7, 48)
    assert left["pooled_output"].shape == (1, 48)


def test_CLIPVisionModelWithProjection_forward(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, CLIPVisionModelWithProjection
        from transformers.image_utils import load_image

        model = CLIPVisionModelWithProjection.from_pretrained("openai/clip-vit-base-patch32")
        processor = AutoProcessor.from_pretrained("openai/clip-vit-base-patch32")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = load_image(url)

        inputs = processor(images=image, return_tensors="pt")

        with torch.inference_mode():
            outputs = model(**inputs)
        image_embeds = outputs.image_embeds
    """)
    assert left["image_embeds"].shape == (1, 24)


def test_CLIPForImageClassification_forward(run):
    """The checkpoint has no head, so it is drawn: upstream judges it on what ours saves."""
    with pytest.warns(UserWarning, match="classifier"):
        left = run(
            """
            from transformers import AutoImageProcessor, CLIPForImageClassification
            import torch
            from datasets import load_dataset

            dataset = load_dataset("huggingface/cats-image")
            image = dataset["test"]["image"][0]

            image_processor = AutoImageProcessor.from_pretrained("openai/clip-vit-base-patch32")
            model = CLIPForImageClassification.from_pretrained("openai/clip-vit-base-patch32")

            inputs = image_processor(image, return_tensors="pt")

            with torch.no_grad():
                logits = model(**inputs).logits

            # model predicts one of the 1000 ImageNet classes
            predicted_label = logits.argmax(-1).item()
            print(model.config.id2label[predicted_label])
            """,
            judged="saved",
        )
    assert left["logits"].shape == (1, 2)
    assert left["printed"].strip() in ("LABEL_0", "LABEL_1")


def test_CLIPConfig(run, cheap_weights):
    left = run(
        """
        from transformers import CLIPConfig, CLIPModel

        # Initializing a CLIPConfig with openai/clip-vit-base-patch32 style configuration
        configuration = CLIPConfig()

        # Initializing a CLIPModel (with random weights) from the openai/clip-vit-base-patch32 style configuration
        model = CLIPModel(configuration)

        # Accessing the model configuration
        configuration = model.config

        # We can also initialize a CLIPConfig from a CLIPTextConfig and a CLIPVisionConfig
        from transformers import CLIPTextConfig, CLIPVisionConfig

        # Initializing a CLIPText and CLIPVision configuration
        config_text = CLIPTextConfig()
        config_vision = CLIPVisionConfig()

        config = CLIPConfig.from_text_vision_configs(config_text, config_vision)
        """,
        judged=False,
    )
    assert left["config"] == left["configuration"] == CLIPConfig()
    assert left["configuration"].projection_dim == 512
    assert shapes_of_upstream(transformers.CLIPModel) == cheap_weights(left["model"])


def test_CLIPTextConfig(run, cheap_weights):
    left = run(
        """
        from transformers import CLIPTextConfig, CLIPTextModel

        # Initializing a CLIPTextConfig with openai/clip-vit-base-patch32 style configuration
        configuration = CLIPTextConfig()

        # Initializing a CLIPTextModel (with random weights) from the openai/clip-vit-base-patch32 style configuration
        model = CLIPTextModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == CLIPTextConfig()
    assert shapes_of_upstream(transformers.CLIPTextModel) == cheap_weights(left["model"])


def test_CLIPVisionConfig(run, cheap_weights):
    left = run(
        """
        from transformers import CLIPVisionConfig, CLIPVisionModel

        # Initializing a CLIPVisionConfig with openai/clip-vit-base-patch32 style configuration
        configuration = CLIPVisionConfig()

        # Initializing a CLIPVisionModel (with random weights) from the openai/clip-vit-base-patch32 style configuration
        model = CLIPVisionModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == CLIPVisionConfig()
    assert shapes_of_upstream(transformers.CLIPVisionModel) == cheap_weights(left["model"])


def test_the_hub_is_found_by_its_environment_variables(hub, tmp_path):
    """The first example once more, in a process of its own that knows the hub by HF_HOME alone."""
    hub.need("openai/clip-vit-base-patch32")
    (tmp_path / "hub").symlink_to(hub.folder)
    code = f"""
from refimpl import CLIPProcessor, CLIPModel
model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")
processor = CLIPProcessor.from_pretrained("openai/clip-vit-base-patch32")
inputs = processor(text=["a photo of a cat", "a photo of a dog"], images={ROCKET!r}, return_tensors="np", padding=True)
print(model(**inputs).logits_per_image.shape)
"""
    env = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "(1, 2)\n", done.stderr
