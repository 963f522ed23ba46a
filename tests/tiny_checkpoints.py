"""Whole checkpoints of every family in the hub's layout: small random weights, real tokenizers.

Upstream's own classes write the weights; the rest are the files that released checkpoints have.
`folder(kind)` gives a folder that lives as long as this process; nothing may write into it.
"""

import functools
import gzip
import json
import tempfile
from pathlib import Path

import transformers
import upstream

import tokenizers_py

DATA = Path(__file__).parent / "data"
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**LAYERS, "hidden_size": 16, "intermediate_size": 20}
VISION = {**LAYERS, "hidden_size": 24, "intermediate_size": 30, "image_size": 32, "patch_size": 8}
SQUARE = {"size": {"height": 32, "width": 32}}
_kept = []


def clip(folder):
    ids = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
    config = transformers.CLIPConfig(
        text_config={**TEXT, **ids}, vision_config=VISION, projection_dim=12
    )
    _save(folder, transformers.CLIPModel, config)
    _clip_tokenizer(folder)
    _pictures(folder, "CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=32)


def siglip(folder, length=64):
    ids = {"vocab_size": 1300, "pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1}
    text = {**TEXT, **ids, "hidden_size": 24, "max_position_embeddings": length}
    config = transformers.SiglipConfig(text_config=text, vision_config=VISION)
    _save(folder, transformers.SiglipModel, config)
    (folder / "spiece.model").write_bytes((DATA / "tokenizers/siglip/tiny.model").read_bytes())
    names = {"model_input_names": ["input_ids"]}
    _tokenizer_config(folder, "SiglipTokenizer", model_max_length=length, **names)
    _pictures(folder, "SiglipImageProcessor", **SQUARE)


def siglip_16(folder):
    """As siglip-so400m-patch14-224: texts of 16 tokens."""
    siglip(folder, length=16)


def chinese_clip(folder):
    config = transformers.ChineseCLIPConfig(
        text_config={**TEXT, "vocab_size": 21128}, vision_config=VISION, projection_dim=12
    )
    _save(folder, transformers.ChineseCLIPModel, config)
    _bert_tokenizer(folder, "chinese-clip")
    _pictures(folder, "ChineseCLIPImageProcessor", **SQUARE, crop_size=32)


def vit_bert(folder):
    """A VisionTextDualEncoder whose tokenizer makes token_type_ids."""
    text = transformers.BertConfig(**TEXT, vocab_size=30522)
    _dual(folder, transformers.ViTConfig(**VISION), text)
    _bert_tokenizer(folder, "bert-base-uncased")
    _pictures(folder, "ViTImageProcessor", **SQUARE)


def dinov2_roberta(folder):
    """A VisionTextDualEncoder whose tokenizer makes none."""
    sizes = {name: value for name, value in VISION.items() if name != "intermediate_size"}
    text = transformers.RobertaConfig(**TEXT, vocab_size=261, max_position_embeddings=100)
    _dual(folder, transformers.Dinov2Config(**sizes), text)
    symbols = tokenizers_py.CLIPTokenizer().convert_ids_to_tokens(range(256))
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *symbols, "<mask>"]
    ids = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    _tokenizer_config(folder, "RobertaTokenizer", model_max_length=90)
    _pictures(folder, "BitImageProcessor", size={"shortest_edge": 32}, crop_size=32)


KINDS = {
    "clip": clip,
    "siglip": siglip,
    "siglip_16": siglip_16,
    "chinese_clip": chinese_clip,
    "vit_bert": vit_bert,
    "dinov2_roberta": dinov2_roberta,
}


@functools.cache
def folder(kind):
    """Give the checkpoint's folder, made when it is first asked for."""
    keeper = tempfile.TemporaryDirectory()
    _kept.append(keeper)
    path = Path(keeper.name)
    KINDS[kind](path)
    return path


def _save(path, model_class, config):
    upstream.build(model_class, config, "float32").save_pretrained(path)


def _dual(path, vision, text):
    config = transformers.VisionTextDualEncoderConfig(
        vision_config=vision.to_dict(), text_config=text.to_dict(), projection_dim=12
    )
    _save(path, transformers.VisionTextDualEncoderModel, config)


def _clip_tokenizer(path):
    tokenizers_py.CLIPTokenizer().save_vocabulary(str(path))
    _tokenizer_config(path, "CLIPTokenizer", model_max_length=77)


def _bert_tokenizer(path, name):
    packed = (DATA / "tokenizers" / "bert" / f"{name}.vocab.txt.gz").read_bytes()
    (path / "vocab.txt").write_bytes(gzip.decompress(packed))
    _tokenizer_config(path, "BertTokenizer", do_lower_case=True, model_max_length=512)


def _tokenizer_config(path, kind, **values):
    values = {"tokenizer_class": kind, **values}
    (path / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")


def _pictures(path, kind, **values):
    values = {"image_processor_type": kind, **values}
    (path / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
