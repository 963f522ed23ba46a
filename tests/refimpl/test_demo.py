"""The embedded model: a plain checkpoint that upstream loads too, with equal outputs."""

import hashlib

import numpy as np
import pytest
import transformers
import upstream
from comparing import assert_close
from PIL import Image

from refimpl import CLIPModel, CLIPProcessor, CLIPTokenizer, pipeline
from refimpl.demo import model_folder

FOLDER = model_folder()
PICTURE = FOLDER.parent / "picture.png"
TEXTS = ["a fox", "pizza", "a drawing of a sailboat", "一只狐狸", "🦊 don't!", ""]


@pytest.fixture(scope="module")
def theirs():
    model, report = transformers.CLIPModel.from_pretrained(
        FOLDER, dtype="float32", attn_implementation="eager", output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[kind], kind
    return model.eval()


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12_000_000


def test_the_card_is_about_these_weights():
    digest = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert f"sha256 `{digest}`" in (FOLDER.parent / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_texts_and_pictures_become_the_same_numbers():
    image_processor = transformers.CLIPImageProcessorPil.from_pretrained(FOLDER)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(FOLDER)
    ours = CLIPProcessor.from_pretrained(FOLDER)
    picture = Image.open(PICTURE).convert("RGB")
    wanted = image_processor(picture, return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(ours(images=picture, return_tensors="np").pixel_values, wanted)
    assert (
        CLIPTokenizer.from_pretrained(FOLDER)(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    )


def test_outputs_equal_upstream(theirs):
    ours = CLIPModel.from_pretrained(FOLDER)
    batch = CLIPProcessor.from_pretrained(FOLDER)(
        text=TEXTS,
        images=[Image.open(PICTURE).convert("RGB")] * 2,
        padding=True,
        return_tensors="np",
    )
    watch = {"output_hidden_states": True}
    found, wanted = ours(**batch, **watch), upstream.run(theirs, **batch, **watch)
    for field in ("logits_per_image", "text_embeds", "image_embeds"):
        assert_close(found[field], wanted[field], 1e-5, field)
    for tower in ("text_model_output", "vision_model_output"):
        states = zip(found[tower].hidden_states, wanted[tower].hidden_states, strict=True)
        for index, (a, b) in enumerate(states):
            assert_close(a, b, 1e-5, f"{tower}[{index}]")


def test_the_end_token_is_the_tokenizers_own():
    """The demo model pools at its real end token; the legacy id 2 would pool elsewhere."""
    config, tokenizer = (
        CLIPModel.from_pretrained(FOLDER).config,
        CLIPTokenizer.from_pretrained(FOLDER),
    )
    assert config.text_config.eos_token_id == tokenizer.eos_token_id == len(tokenizer) - 1
    assert config.text_config.vocab_size == len(tokenizer)
    assert config.text_config.max_position_embeddings == tokenizer.model_max_length


def test_it_knows_the_shipped_picture():
    labels = ["a cat", "a dog", "a penguin", "a rose", "a sailboat"]
    best = pipeline("zero-shot-image-classification")(PICTURE, labels, "{}")[0]
    assert best["label"] == "a penguin" and best["score"] > 0.5


def test_it_reads_chinese():
    labels = {"自行车": "bicycle.png", "玫瑰": "rose.png", "帆船": "sailboat.png"}
    classify = pipeline("zero-shot-image-classification")
    for label, name in labels.items():
        found = classify(PICTURE.parent / "pictures" / name, [*labels, "企鹅"], "{}")
        assert found[0]["label"] == label
