"""The examples of upstream's SigLIP documentation, named after the class and method they document.

Sources: docs/source/en/model_doc/siglip.md of the 4.49 and the 4.51 generation and the docstrings
of models/siglip/ in Transformers 4.37.2 and 4.57.6 (Apache-2.0). Where both releases print the
same example but for how the picture is fetched, the newer one stands here. documented.py says what
is changed before ours runs.

Out: the page's example of int4 weights with bitsandbytes (`BitsAndBytesConfig`).
"""

import numpy as np
import pytest
import transformers
from documented import shapes_of_upstream

from refimpl import InputError, SiglipConfig, SiglipModel, SiglipTextConfig, SiglipVisionConfig


def test_SigLIP_pipeline_4_49(run):
    left = run("""
        from transformers import pipeline
        from PIL import Image
        import requests

        # load pipe
        image_classifier = pipeline(task="zero-shot-image-classification", model="google/siglip-base-patch16-224")

        # load image
        url = 'http://images.cocodataset.org/val2017/000000039769.jpg'
        image = Image.open(requests.get(url, stream=True).raw)

        # inference
        candidate_labels = ["2 cats", "a plane", "a remote"]
        outputs = image_classifier(image, candidate_labels=candidate_labels)
        outputs = [{"score": round(output["score"], 4), "label": output["label"] } for output in outputs]
        print(outputs)
    """)
    assert sorted(each["label"] for each in left["outputs"]) == ["2 cats", "a plane", "a remote"]


def test_SigLIP_AutoModel_4_49(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import AutoProcessor, AutoModel
        import torch

        model = AutoModel.from_pretrained("google/siglip-base-patch16-224")
        processor = AutoProcessor.from_pretrained("google/siglip-base-patch16-224")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        candidate_labels = ["2 cats", "2 dogs"]
        # follows the pipeline prompt template to get same results
        texts = [f'This is a photo of {label}.' for label in candidate_labels]
        # important: we pass `padding=max_length` since the model was trained with this
        inputs = processor(text=texts, images=image, padding="max_length", return_tensors="pt")

        with torch.no_grad():
            outputs = model(**inputs)

        logits_per_image = outputs.logits_per_image
        probs = torch.sigmoid(logits_per_image) # these are the probabilities
        print(f"{probs[0][0]:.1%} that image 0 is '{candidate_labels[0]}'")
    """)
    assert left["inputs"]["input_ids"].shape == (2, 64)


def test_SigLIP_pipeline_4_51(run):
    left = run("""
        import torch
        from transformers import pipeline

        image = "https://huggingface.co/datasets/huggingface/documentation-images/resolve/main/pipeline-cat-chonk.jpeg"
        candidate_labels = ["a Pallas cat", "a lion", "a Siberian tiger"]

        pipeline = pipeline(task="zero-shot-image-classification", model="google/siglip-base-patch16-224", device=0, torch_dtype=torch.bfloat16)
        outputs = pipeline(image, candidate_labels=candidate_labels)
    """)
    assert [set(each) for each in left["outputs"]] == [{"score", "label"}] * 3


def test_SigLIP_AutoModel_4_51(run):
    left = run("""
        import torch
        import requests
        from PIL import Image
        from transformers import AutoProcessor, AutoModel

        model = AutoModel.from_pretrained("google/siglip-base-patch16-224", torch_dtype=torch.float16, device_map="auto", attn_implementation="sdpa")
        processor = AutoProcessor.from_pretrained("google/siglip-base-patch16-224")

        url = "https://huggingface.co/datasets/huggingface/documentation-images/resolve/main/pipeline-cat-chonk.jpeg"
        image = Image.open(requests.get(url, stream=True).raw)
        candidate_labels = ["a Pallas cat", "a lion", "a Siberian tiger"]
        texts = [f'This is a photo of {label}.' for label in candidate_labels]
        inputs = processor(text=texts, images=image, padding="max_length", return_tensors="pt").to(model.device)

        with torch.no_grad():
            outputs = model(**inputs)

        logits_per_image = outputs.logits_per_image
        probs = torch.sigmoid(logits_per_image)
        print(f"{probs[0][0]:.1%} that image 0 is '{candidate_labels[0]}'")
    """)
    assert type(left["model"]).__name__ == "SiglipModel"
    assert type(left["processor"]).__name__ == "SiglipProcessor"


def test_SigLIP_notes(run):
    """Of the page's notes: which attention is asked for. Upstream's choice there is a GPU's."""
    left = run(
        """
        from transformers import SiglipModel

        model = SiglipModel.from_pretrained(
            "google/siglip-so400m-patch14-384",
            attn_implementation="flash_attention_2",
            torch_dtype=torch.float16,
            device_map="auto",
        )
        """,
        judged=False,
    )
    assert type(left["model"]).__name__ == "SiglipModel"


@pytest.mark.parametrize(
    "asked", [{"attn_implementation": "paged"}, {"device_map": "cuda"}, {"device_map": {"": 0}}]
)
def test_another_machine_than_this_is_refused(offline_hub, asked):
    offline_hub.need("google/siglip-so400m-patch14-384")
    with pytest.raises(InputError, match=rf"{next(iter(asked))} must be one of None, "):
        SiglipModel.from_pretrained("google/siglip-so400m-patch14-384", **asked)


def test_SiglipModel_forward(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import AutoProcessor, AutoModel
        import torch

        model = AutoModel.from_pretrained("google/siglip-base-patch16-224")
        processor = AutoProcessor.from_pretrained("google/siglip-base-patch16-224")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        texts = ["a photo of 2 cats", "a photo of 2 dogs"]
        # important: we pass `padding=max_length` since the model was trained with this
        inputs = processor(text=texts, images=image, padding="max_length", return_tensors="pt")

        with torch.no_grad():
            outputs = model(**inputs)

        logits_per_image = outputs.logits_per_image
        probs = torch.sigmoid(logits_per_image) # these are the probabilities
        print(f"{probs[0][0]:.1%} that image 0 is '{texts[0]}'")
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
    np.testing.assert_allclose(np.linalg.norm(outputs.image_embeds, axis=-1), 1, rtol=1e-6)
    assert left["printed"].endswith("that image 0 is 'a photo of 2 cats'\n")


def test_SiglipModel_get_text_features(run):
    left = run("""
        from transformers import AutoTokenizer, AutoModel
        import torch

        model = AutoModel.from_pretrained("google/siglip-base-patch16-224")
        tokenizer = AutoTokenizer.from_pretrained("google/siglip-base-patch16-224")

        # important: make sure to set padding="max_length" as that's how the model was trained
        inputs = tokenizer(["a photo of a cat", "a photo of a dog"], padding="max_length", return_tensors="pt")
        with torch.no_grad():
            text_features = model.get_text_features(**inputs)
    """)
    assert left["inputs"]["input_ids"].shape == (2, 64)
    assert left["text_features"].shape == (2, 48)


def test_SiglipModel_get_image_features(run):
    left = run("""
        import torch
        from transformers import AutoProcessor, AutoModel
        from transformers.image_utils import load_image

        model = AutoModel.from_pretrained("google/siglip-base-patch16-224")
        processor = AutoProcessor.from_pretrained("google/siglip-base-patch16-224")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = load_image(url)

        inputs = processor(images=image, return_tensors="pt")

        with torch.no_grad():
            image_features = model.get_image_features(**inputs)
    """)
    assert left["image_features"].shape == (1, 48)


def test_SiglipTextModel_forward(run):
    left = run("""
        from transformers import AutoTokenizer, SiglipTextModel

        model = SiglipTextModel.from_pretrained("google/siglip-base-patch16-224")
        tokenizer = AutoTokenizer.from_pretrained("google/siglip-base-patch16-224")

        # important: make sure to set padding="max_length" as that's how the model was trained
        inputs = tokenizer(["a photo of a cat", "a photo of a dog"], padding="max_length", return_tensors="pt")

        outputs = model(**inputs)
        last_hidden_state = outputs.last_hidden_state
        pooled_output = outputs.pooler_output  # pooled (EOS token) states
    """)
    assert left["last_hidden_state"].shape == (2, 64, 48)
    assert left["pooled_output"].shape == (2, 48)


def test_SiglipVisionModel_forward(run):
    left = run("""
        from PIL import Image
        import requests
        from transformers import AutoProcessor, SiglipVisionModel

        model = SiglipVisionModel.from_pretrained("google/siglip-base-patch16-224")
        processor = AutoProcessor.from_pretrained("google/siglip-base-patch16-224")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        inputs = processor(images=image, return_tensors="pt")

        outputs = model(**inputs)
        last_hidden_state = outputs.last_hidden_state
        pooled_output = outputs.pooler_output  # pooled features
    """)
    assert left["last_hidden_state"].shape == (1, 14 * 14, 48)
    assert left["pooled_output"].shape == (1, 48)


def test_SiglipForImageClassification_forward(run):
    """The checkpoint has no head, so it is drawn: upstream judges it on what ours saves."""
    with pytest.warns(UserWarning, match="classifier"):
        left = run(
            """
            from transformers import AutoImageProcessor, SiglipForImageClassification
            import torch
            from PIL import Image
            import requests

            torch.manual_seed(3)  # doctest: +IGNORE_RESULT
            url = "http://images.cocodataset.org/val2017/000000039769.jpg"
            image = Image.open(requests.get(url, stream=True).raw)

            # note: we are loading a `SiglipModel` from the hub here,
            # so the head will be randomly initialized, hence the predictions will be random if seed is not set above.
            image_processor = AutoImageProcessor.from_pretrained("google/siglip-base-patch16-224")
            model = SiglipForImageClassification.from_pretrained("google/siglip-base-patch16-224")

            inputs = image_processor(images=image, return_tensors="pt")
            outputs = model(**inputs)
            logits = outputs.logits
            # model predicts one of the two classes
            predicted_class_idx = logits.argmax(-1).item()
            print("Predicted class:", model.config.id2label[predicted_class_idx])
            """,
            judged="saved",
        )
    assert left["logits"].shape == (1, 2)
    assert left["printed"] in ("Predicted class: LABEL_0\n", "Predicted class: LABEL_1\n")


def test_SiglipConfig(run, cheap_weights):
    left = run(
        """
        from transformers import SiglipConfig, SiglipModel

        # Initializing a SiglipConfig with google/siglip-base-patch16-224 style configuration
        configuration = SiglipConfig()

        # Initializing a SiglipModel (with random weights) from the google/siglip-base-patch16-224 style configuration
        model = SiglipModel(configuration)

        # Accessing the model configuration
        configuration = model.config

        # We can also initialize a SiglipConfig from a SiglipTextConfig and a SiglipVisionConfig
        from transformers import SiglipTextConfig, SiglipVisionConfig

        # Initializing a SiglipText and SiglipVision configuration
        config_text = SiglipTextConfig()
        config_vision = SiglipVisionConfig()

        config = SiglipConfig.from_text_vision_configs(config_text, config_vision)
        """,
        judged=False,
    )
    assert left["config"] == left["configuration"] == SiglipConfig()
    assert shapes_of_upstream(transformers.SiglipModel) == cheap_weights(left["model"])


def test_SiglipTextConfig(run, cheap_weights):
    left = run(
        """
        from transformers import SiglipTextConfig, SiglipTextModel

        # Initializing a SiglipTextConfig with google/siglip-base-patch16-224 style configuration
        configuration = SiglipTextConfig()

        # Initializing a SiglipTextModel (with random weights) from the google/siglip-base-patch16-224 style configuration
        model = SiglipTextModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == SiglipTextConfig()
    assert shapes_of_upstream(transformers.SiglipTextModel) == cheap_weights(left["model"])


def test_SiglipVisionConfig(run, cheap_weights):
    left = run(
        """
        from transformers import SiglipVisionConfig, SiglipVisionModel

        # Initializing a SiglipVisionConfig with google/siglip-base-patch16-224 style configuration
        configuration = SiglipVisionConfig()

        # Initializing a SiglipVisionModel (with random weights) from the google/siglip-base-patch16-224 style configuration
        model = SiglipVisionModel(configuration)

        # Accessing the model configuration
        configuration = model.config
        """,
        judged=False,
    )
    assert left["configuration"] == SiglipVisionConfig()
    assert shapes_of_upstream(transformers.SiglipVisionModel) == cheap_weights(left["model"])
