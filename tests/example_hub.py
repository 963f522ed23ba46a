"""A hub cache with small random checkpoints under the names that upstream's examples use.

Upstream's own classes write the checkpoints, in the layout of the released ones: a classifier under
`google/vit-base-patch16-224`, so without a pooler, a pre-training BERT under `bert-base-uncased`,
and so on. Their widths are small, save where an example prints a shape. Nothing is fetched: both
libraries look into this cache alone, and are told that they are offline.
"""

import functools
import gzip
import json
from pathlib import Path

import huggingface_hub.constants
import torch
import transformers
from hub_server import COMMIT

import tokenizers_py

DATA = Path(__file__).parent / "data"
TEXT = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2}
TEXT |= {"num_attention_heads": 4}
VISION = {**TEXT, "hidden_size": 48}
WIDE = {"intermediate_size": 24, "num_hidden_layers": 1}  # as wide as the released ones
CLIP = {
    "text_config": {**TEXT, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407},
    "vision_config": {**VISION, "patch_size": 32, "projection_dim": 24},
    "projection_dim": 24,
}
CLIP["text_config"]["projection_dim"] = 24
SIGLIP = {
    "text_config": {**TEXT, "hidden_size": 48, "vocab_size": 1600, "pad_token_id": 0},
    "vision_config": VISION,
}
SIGLIP["text_config"] |= {"bos_token_id": 1, "eos_token_id": 1}
CHINESE = {
    "text_config": {**TEXT, "vocab_size": 21128},
    "vision_config": {**VISION, "patch_size": 16},
    "projection_dim": 24,
}
BERT = {**TEXT, "vocab_size": 30522}
NORMS = {
    "clip": ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
    "half": ([0.5] * 3, [0.5] * 3),
    "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}


@functools.cache
def vocabulary(name):
    file = DATA / "tokenizers" / "bert" / f"{name}.vocab.txt.gz"
    return gzip.decompress(file.read_bytes()).decode("utf-8")


def bert_tokenizer(folder, name="bert-base-uncased"):
    (folder / "vocab.txt").write_text(vocabulary(name), encoding="utf-8")
    settings(folder, tokenizer_class="BertTokenizer", do_lower_case=True, model_max_length=512)


def clip_tokenizer(folder):
    tokenizers_py.CLIPTokenizer().save_vocabulary(str(folder))
    settings(folder, tokenizer_class="CLIPTokenizer", model_max_length=77)


def siglip_tokenizer(folder):
    """Ours goes by the training code unless the files name a profile; upstream ignores the key."""
    model = (DATA / "tokenizers" / "siglip" / "tiny.model").read_bytes()
    (folder / "spiece.model").write_bytes(model)
    settings(
        folder,
        tokenizer_class="SiglipTokenizer",
        model_max_length=64,
        model_input_names=["input_ids"],
        profile="transformers",
    )


def roberta_tokenizer(folder):
    """Single bytes and a few merges: there is no free copy of the released vocabulary."""
    merges = ["h e", "l l", "Ġ d", "Ġd o", "Ġ i", "Ġi s", "c u", "t e"]
    symbols = tokenizers_py.CLIPTokenizer().convert_ids_to_tokens(range(256))
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *symbols, *(m.replace(" ", "") for m in merges)]
    ids = {token: i for i, token in enumerate([*tokens, "<mask>"])}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    settings(folder, tokenizer_class="RobertaTokenizer", model_max_length=512)


def settings(folder, **values):
    (folder / "tokenizer_config.json").write_text(json.dumps(values))


def pictures(folder, kind, norm, size, crop=None):
    mean, std = NORMS[norm]
    values = {"image_processor_type": kind, "do_resize": True, "size": size, "resample": 3}
    values |= {"do_rescale": True, "rescale_factor": 1 / 255}
    values |= {"do_normalize": True, "image_mean": mean, "image_std": std}
    if crop is not None:
        values |= {"do_center_crop": True, "crop_size": {"height": crop, "width": crop}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))


def square(size):
    return {"height": size, "width": size}


def clip(folder):
    build(folder, transformers.CLIPModel, transformers.CLIPConfig(**CLIP))
    clip_tokenizer(folder)
    pictures(folder, "CLIPImageProcessor", "clip", {"shortest_edge": 224}, crop=224)


def siglip(folder, size=224):
    vision = {**SIGLIP["vision_config"], "image_size": size}
    config = transformers.SiglipConfig(**{**SIGLIP, "vision_config": vision})
    build(folder, transformers.SiglipModel, config)
    siglip_tokenizer(folder)
    pictures(folder, "SiglipImageProcessor", "half", square(size))


def chinese_clip(folder):
    config = transformers.ChineseCLIPConfig(**CHINESE)
    build(folder, transformers.ChineseCLIPModel, config, without_pad_row)
    bert_tokenizer(folder, "chinese-clip")
    pictures(folder, "ChineseCLIPImageProcessor", "clip", square(224), crop=224)


def clip_italian(folder):
    config = transformers.VisionTextDualEncoderConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION, patch_size=32).to_dict(),
        text_config=transformers.BertConfig(**BERT).to_dict(),
        projection_dim=24,
        logit_scale_init_value=1.0,
    )
    build(folder, transformers.VisionTextDualEncoderModel, config)
    bert_tokenizer(folder)
    pictures(folder, "ViTImageProcessor", "half", square(224))


def bert(folder):
    build(folder, transformers.BertForPreTraining, transformers.BertConfig(**BERT))
    bert_tokenizer(folder)


def roberta(folder):
    config = transformers.RobertaConfig(**TEXT, vocab_size=269, max_position_embeddings=514)
    build(folder, transformers.RobertaForMaskedLM, config)
    roberta_tokenizer(folder)


def vit(folder):
    config = transformers.ViTConfig(**VISION, num_labels=5)
    build(folder, transformers.ViTForImageClassification, config)
    pictures(folder, "ViTImageProcessor", "half", square(224))


def vit_in21k(folder):
    build(folder, transformers.ViTModel, transformers.ViTConfig(**WIDE))
    pictures(folder, "ViTImageProcessor", "half", square(224))


def dino(folder):
    config = transformers.ViTConfig(**VISION, patch_size=32)  # the released one's is 8
    build(folder, transformers.ViTModel, config)
    pictures(folder, "ViTImageProcessor", "imagenet", square(224))


def deit(folder):
    config = transformers.DeiTConfig(**WIDE)
    build(folder, transformers.DeiTForImageClassificationWithTeacher, config)
    pictures(folder, "DeiTImageProcessor", "imagenet", square(256), crop=224)


def beit(folder):
    config = transformers.BeitConfig(**WIDE, use_relative_position_bias=True)
    config.layer_scale_init_value = 0.1
    build(folder, transformers.BeitForMaskedImageModeling, config)
    pictures(folder, "BeitImageProcessor", "half", square(224))


def dinov2(folder):
    config = transformers.Dinov2Config(mlp_ratio=1, num_hidden_layers=1, image_size=224)
    build(folder, transformers.Dinov2Model, config)
    pictures(folder, "BitImageProcessor", "imagenet", {"shortest_edge": 256}, crop=224)


REPOSITORIES = {
    "openai/clip-vit-base-patch32": clip,
    "openai/clip-vit-large-patch14": clip,
    "google/siglip-base-patch16-224": siglip,
    "google/siglip-so400m-patch14-384": siglip,
    "OFA-Sys/chinese-clip-vit-base-patch16": chinese_clip,
    "clip-italian/clip-italian": clip_italian,
    "bert-base-uncased": bert,
    "google-bert/bert-base-uncased": bert,
    "roberta-base": roberta,
    "FacebookAI/roberta-base": roberta,
    "google/vit-base-patch16-224": vit,
    "google/vit-base-patch16-224-in21k": vit_in21k,
    "facebook/deit-base-distilled-patch16-224": deit,
    "microsoft/beit-base-patch16-224-pt22k": beit,
    "facebook/dinov2-base": dinov2,
    "facebook/dino-vits8": dino,
    "google/siglip-large-patch16-384": functools.partial(siglip, size=384),
    "google/siglip-base-patch16-256-multilingual": functools.partial(siglip, size=256),
}


def without_pad_row(model):
    """Upstream 5 sets this row to zero on loading, whatever the file holds; 4 and we do not."""
    model.text_model.embeddings.word_embeddings.weight[0] = 0


def build(folder, model_class, config, finish=lambda model: None):
    """Write an upstream model on random weights, random also in its norms and biases."""
    model = model_class(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in ("logit_scale", "logit_bias"):
                continue
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 16
            parameter.normal_(0, fan_in**-0.5, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.add_(1)
        finish(model)
    model.save_pretrained(folder)


class Hub:
    """The cache folder; a repository is written when an example first names it."""

    def __init__(self, folder):
        self.folder = folder

    def need(self, name):
        repository = self.folder / ("models--" + name.replace("/", "--"))
        if not repository.exists():
            snapshot = repository / "snapshots" / COMMIT
            snapshot.mkdir(parents=True)
            (repository / "refs").mkdir()
            (repository / "refs" / "main").write_text(COMMIT)
            REPOSITORIES[name](snapshot)


def point_at(hub, monkeypatch):
    """Make the hub's own library look into this cache alone, as if there were no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub.folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
