"""The examples of upstream's VisionTextDualEncoder documentation, named after what they document.

Sources: the docstrings of models/vision_text_dual_encoder/ in Transformers 4.37.2 and 4.57.6
(Apache-2.0); the page model_doc/vision-text-dual-encoder.md has no example of its own. The two
releases differ in the name of one repository and in how a picture is fetched; the newer one stands
here. documented.py says what is changed before ours runs.
"""

import numpy as np
import pytest
import transformers
from documented import shapes_of_upstream

from refimpl import BertConfig, ViTConfig

SMALLER = {"num_hidden_layers": 1, "intermediate_size": 64}


def test_VisionTextDualEncoderModel_forward(run):
    """Projections and scale are drawn: upstream judges it on what ours saves."""
    with pytest.warns(UserWarning):
        left = run(
            """
            from PIL import Image
            import requests
            from transformers import (
                VisionTextDualEncoderModel,
                VisionTextDualEncoderProcessor,
                AutoImageProcessor,
                AutoTokenizer,
            )

            tokenizer = AutoTokenizer.from_pretrained("google-bert/bert-base-uncased")
            image_processor = AutoImageProcessor.from_pretrained("google/vit-base-patch16-224")
            processor = VisionTextDualEncoderProcessor(image_processor, tokenizer)
            model = VisionTextDualEncoderModel.from_vision_text_pretrained(
                "google/vit-base-patch16-224", "google-bert/bert-base-uncased"
            )

            # contrastive training
            urls = [
                "http://images.cocodataset.org/val2017/000000039769.jpg",
                "https://farm3.staticflickr.com/2674/5850229113_4fe05d5265_z.jpg",
            ]
            images = [Image.open(requests.get(url, stream=True).raw) for url in urls]
            inputs = processor(
                text=["a photo of a cat", "a photo of a dog"], images=images, return_tensors="pt", padding=True
            )
            outputs = model(
                input_ids=inputs.input_ids,
                attention_mask=inputs.attention_mask,
                pixel_values=inputs.pixel_values,
                return_loss=True,
            )
            loss, logits_per_image = outputs.loss, outputs.logits_per_image  # this is the image-text similarity score

            # save and load from pretrained
            model.save_pretrained("vit-bert")
            model = VisionTextDualEncoderModel.from_pretrained("vit-bert")

            # inference
            outputs = model(**inputs)
            logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
            probs = logits_per_image.softmax(dim=1)  # we can take the softmax to get the label probabilities
            """,
            judged="saved",
        )
    assert left["loss"].shape == ()
    logits = left["logits_per_image"]
    assert logits.shape == left["probs"].shape == (2, 2)
    both = [x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (logits, logits.T)]
    np.testing.assert_allclose(-np.mean([np.diag(x) for x in both]), left["loss"], rtol=1e-5)
    assert left["outputs"].image_embeds.shape == left["outputs"].text_embeds.shape == (2, 512)


def test_VisionTextDualEncoderModel_from_vision_text_pretrained(run):
    with pytest.warns(UserWarning):
        left = run(
            """
            from transformers import VisionTextDualEncoderModel

            # initialize a model from pretrained ViT and BERT models. Note that the projection layers will be randomly initialized.
            model = VisionTextDualEncoderModel.from_vision_text_pretrained(
                "google/vit-base-patch16-224", "google-bert/bert-base-uncased"
            )
            first = model.state_dict()
            # saving model after fine-tuning
            model.save_pretrained("./vit-bert")
            # load fine-tuned model
            model = VisionTextDualEncoderModel.from_pretrained("./vit-bert")
            """,
            judged=False,
        )
    second = left["model"].state_dict()
    assert left["first"].keys() == second.keys()
    for name, value in second.items():
        np.testing.assert_array_equal(left["first"][name], value, err_msg=name)


def test_VisionTextDualEncoderModel_get_text_features(run):
    left = run("""
        import torch
        from transformers import VisionTextDualEncoderModel, AutoTokenizer

        model = VisionTextDualEncoderModel.from_pretrained("clip-italian/clip-italian")
        tokenizer = AutoTokenizer.from_pretrained("clip-italian/clip-italian")

        inputs = tokenizer(["una foto di un gatto", "una foto di un cane"], padding=True, return_tensors="pt")
        with torch.inference_mode():
            text_features = model.get_text_features(**inputs)
    """)
    assert left["text_features"].shape == (2, 24)


def test_VisionTextDualEncoderModel_get_image_features(run):
    left = run("""
        import torch
        from transformers import VisionTextDualEncoderModel, AutoImageProcessor
        from transformers.image_utils import load_image

        model = VisionTextDualEncoderModel.from_pretrained("clip-italian/clip-italian")
        image_processor = AutoImageProcessor.from_pretrained("google/vit-base-patch16-224")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = load_image(url)

        inputs = image_processor(images=image, return_tensors="pt")

        with torch.inference_mode():
            image_features = model.get_image_features(**inputs)
    """)
    assert left["image_features"].shape == (1, 24)


def test_VisionTextDualEncoderConfig(run, cheap_weights):
    """With one narrow layer in each tower: the released sizes are 800 MB to save and to load."""
    left = run(
        """
        from transformers import ViTConfig, BertConfig, VisionTextDualEncoderConfig, VisionTextDualEncoderModel

        # Initializing a BERT and ViT configuration
        config_vision = ViTConfig()
        config_text = BertConfig()

        config = VisionTextDualEncoderConfig.from_vision_text_configs(config_vision, config_text, projection_dim=512)

        # Initializing a BERT and ViT model (with random weights)
        model = VisionTextDualEncoderModel(config=config)

        # Accessing the model configuration
        config_vision = model.config.vision_config
        config_text = model.config.text_config

        # Saving the model, including its configuration
        model.save_pretrained("vit-bert")

        # loading model and config from pretrained folder
        vision_text_config = VisionTextDualEncoderConfig.from_pretrained("vit-bert")
        model = VisionTextDualEncoderModel.from_pretrained("vit-bert", config=vision_text_config)
        """,
        judged=False,
        also=[(r"(ViT|Bert)Config\(\)", f"\\1Config(**{SMALLER})")],
    )
    assert isinstance(left["config_vision"], ViTConfig)
    assert isinstance(left["config_text"], BertConfig)
    assert left["config"].projection_dim == 512
    config = transformers.VisionTextDualEncoderConfig(
        vision_config=transformers.ViTConfig(**SMALLER).to_dict(),
        text_config=transformers.BertConfig(**SMALLER).to_dict(),
        projection_dim=512,
    )
    wanted = shapes_of_upstream(transformers.VisionTextDualEncoderModel, config)
    assert wanted == cheap_weights(left["model"])


def test_contrastive_image_text(run):
    """Of the training script's README, examples/pytorch/contrastive-image-text, 4.37 and 4.57."""
    with pytest.warns(UserWarning):
        left = run(
            """
            from transformers import (
                VisionTextDualEncoderModel,
                VisionTextDualEncoderProcessor,
                AutoTokenizer,
                AutoImageProcessor
            )

            model = VisionTextDualEncoderModel.from_vision_text_pretrained(
                "openai/clip-vit-base-patch32", "FacebookAI/roberta-base"
            )

            tokenizer = AutoTokenizer.from_pretrained("FacebookAI/roberta-base")
            image_processor = AutoImageProcessor.from_pretrained("openai/clip-vit-base-patch32")
            processor = VisionTextDualEncoderProcessor(image_processor, tokenizer)

            # save the model and processor
            model.save_pretrained("clip-roberta")
            processor.save_pretrained("clip-roberta")

            # not of the README: what was saved is read back
            from transformers import AutoModel, AutoProcessor
            again = AutoModel.from_pretrained("clip-roberta"), AutoProcessor.from_pretrained("clip-roberta")
            inputs = processor(text=["a cat", "two dogs"], return_tensors="pt", padding=True)
            inputs |= image_processor(np.zeros((2, 64, 48, 3), np.uint8), return_tensors="pt")
            """,
            judged="saved",
        )
    model, processor = left["again"]
    assert type(model) is type(left["model"])
    assert type(processor) is type(left["processor"])
    first, second = (m(**left["inputs"]).logits_per_image for m in (left["model"], model))
    np.testing.assert_array_equal(first, second)
