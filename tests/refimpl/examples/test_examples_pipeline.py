"""The examples of upstream's zero-shot-image-classification pipeline.

Sources: the docstring of pipelines/zero_shot_image_classification.py in Transformers 4.37.2 and
4.57.6, and docs/source/en/model_doc/clip.md of the 4.57 generation (Apache-2.0). SigLIP's page has
examples of its own (test_examples_siglip.py). documented.py says what is changed before ours runs.
"""

import pytest


@pytest.mark.parametrize(
    "name",
    ["openai/clip-vit-large-patch14", "google/siglip-so400m-patch14-384"],
    ids=["4.37", "4.57"],
)
def test_ZeroShotImageClassificationPipeline(run, name):
    left = run(
        f"""
        from transformers import pipeline

        classifier = pipeline(model="{name}")
        first = classifier(
            "https://huggingface.co/datasets/Narsil/image_dummy/raw/main/parrots.png",
            candidate_labels=["animals", "humans", "landscape"],
        )

        second = classifier(
            "https://huggingface.co/datasets/Narsil/image_dummy/raw/main/parrots.png",
            candidate_labels=["black and white", "photorealist", "painting"],
        )
        """
    )
    for name, labels in (
        ("first", {"animals", "humans", "landscape"}),
        ("second", {"black and white", "photorealist", "painting"}),
    ):
        found = left[name]
        assert {each["label"] for each in found} == labels
        scores = [each["score"] for each in found]
        assert scores == sorted(scores, reverse=True)


def test_CLIP_pipeline(run):
    """The page of 4.57."""
    left = run("""
        import torch
        from transformers import pipeline

        clip = pipeline(
           task="zero-shot-image-classification",
           model="openai/clip-vit-base-patch32",
           dtype=torch.bfloat16,
           device=0
        )
        labels = ["a photo of a cat", "a photo of a dog", "a photo of a car"]
        outputs = clip("http://images.cocodataset.org/val2017/000000039769.jpg", candidate_labels=labels)
    """)
    assert sum(each["score"] for each in left["outputs"]) == pytest.approx(1)


def test_zero_shot_image_classification_guide_pipeline(run):
    """Of the task guide that both pages lead to, tasks/zero_shot_image_classification.md."""
    left = run("""
        from transformers import pipeline
        from PIL import Image
        import requests

        checkpoint = "openai/clip-vit-large-patch14"
        detector = pipeline(model=checkpoint, task="zero-shot-image-classification")

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        predictions = detector(image, candidate_labels=["fox", "bear", "seagull", "owl"])
    """)
    labels = [each["label"] for each in left["predictions"]]
    assert sorted(labels) == ["bear", "fox", "owl", "seagull"]


def test_zero_shot_image_classification_guide_by_hand(run):
    left = run("""
        from transformers import AutoProcessor, AutoModelForZeroShotImageClassification
        from PIL import Image
        import requests
        import torch

        checkpoint = "openai/clip-vit-large-patch14"
        model = AutoModelForZeroShotImageClassification.from_pretrained(checkpoint)
        processor = AutoProcessor.from_pretrained(checkpoint)

        url = "http://images.cocodataset.org/val2017/000000039769.jpg"
        image = Image.open(requests.get(url, stream=True).raw)

        candidate_labels = ["tree", "car", "bike", "cat"]
        # follows the pipeline prompt template to get same results
        candidate_labels = [f'This is a photo of {label}.' for label in candidate_labels]
        inputs = processor(images=image, text=candidate_labels, return_tensors="pt", padding=True)

        with torch.no_grad():
            outputs = model(**inputs)

        logits = outputs.logits_per_image
        probs = logits.softmax(dim=1)
        scores = probs.tolist()

        result = [
            {"score": score, "label": candidate_label}
            for score, candidate_label in sorted(zip(scores[0], candidate_labels), key=lambda x: -x[0])
        ]
    """)
    assert len(left["result"]) == 4
    assert left["scores"] == left["probs"].tolist()
