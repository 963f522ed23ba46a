"""The Auto classes against Transformers' tables, and over checkpoints of every family."""

import json
import shutil

import numpy as np
import pytest
import tiny_checkpoints
import transformers
from hub_server import NAME, fill_cache
from transformers.models.auto import configuration_auto, modeling_auto

import refimpl
from refimpl import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForZeroShotImageClassification,
    AutoProcessor,
    InputError,
)
from refimpl.families import FAMILIES, class_for

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
CONFIG_OF = {"CLIP": "clip", "Siglip": "siglip", "ChineseCLIP": "chinese_clip"}
MODELS = {
    "clip": "CLIPModel",
    "siglip": "SiglipModel",
    "chinese_clip": "ChineseCLIPModel",
    "vit_bert": "VisionTextDualEncoderModel",
    "dinov2_roberta": "VisionTextDualEncoderModel",
}
TOWERS = sorted(set(FAMILIES) - {"clip", "siglip", "chinese_clip", "vision-text-dual-encoder"})


def small(model_type):
    """Make a small config of a tower."""
    values = dict(SMALL)
    if "vision" in model_type or model_type in ("vit", "deit", "beit", "dinov2"):
        values |= {"image_size": 8, "patch_size": 4}
    else:
        values |= {"vocab_size": 20, "max_position_embeddings": 12}
    if model_type != "dinov2":
        values["intermediate_size"] = 10
    return AutoConfig.for_model(model_type, **values)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_table_is_upstreams(model_type):
    row = FAMILIES[model_type]
    assert row.config == configuration_auto.CONFIG_MAPPING_NAMES[model_type]
    named = dict(modeling_auto.MODEL_MAPPING_NAMES).get(model_type)
    if named is None:  # upstream has no row for these two, though it has the classes
        assert model_type in ("siglip_text_model", "chinese_clip_text_model")
        assert hasattr(transformers, row.model)
    else:
        assert row.model == named
    zero_shot = modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES
    if model_type == "vision-text-dual-encoder":
        assert model_type not in zero_shot  # an addition of ours
    else:
        assert row.zero_shot == zero_shot.get(model_type)
    if row.image_classification:
        classifiers = modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        assert row.image_classification == classifiers[model_type]
    if row.processor:
        assert hasattr(transformers, row.processor)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_class_of_the_table_exists(model_type):
    for kind, name in FAMILIES[model_type]._asdict().items():
        if name is not None:
            found = class_for(model_type, kind, "here")
            assert found.__name__ == name and getattr(refimpl, name) is found
    config = getattr(refimpl, FAMILIES[model_type].config)
    assert config.model_type == model_type
    assert getattr(refimpl, FAMILIES[model_type].model).config_class is config


@pytest.mark.parametrize("model_type", TOWERS)
def test_towers_are_made_saved_and_found_again(model_type, tmp_path):
    config = small(model_type)
    model = AutoModel.from_config(config, seed=3)
    assert type(model).__name__ == FAMILIES[model_type].model
    model.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).hidden_size == 8
    again = AutoModel.from_pretrained(tmp_path, dtype="float64")
    assert type(again) is type(model) and again.dtype == np.float64
    for name, value in model.state_dict().items():
        assert np.array_equal(again.state_dict()[name], value), name


@pytest.mark.parametrize("kind", MODELS)
def test_whole_models_and_their_processors(kind):
    folder = tiny_checkpoints.folder(kind)
    config = AutoConfig.from_pretrained(folder)
    assert (
        config.projection_dim == 12 if kind != "siglip" else config.text_config.vocab_size == 1300
    )
    for auto in (AutoModel, AutoModelForZeroShotImageClassification):
        model = auto.from_pretrained(folder)
        assert type(model).__name__ == MODELS[kind]
    assert type(AutoModel.from_config(config, seed=1)) is type(model)
    processor = AutoProcessor.from_pretrained(str(folder))
    assert type(processor).__name__ == MODELS[kind].replace("Model", "Processor")
    batch = processor(
        text=["a cat", "two dogs"],
        images=tiny_checkpoints.DATA / "images/skimage/rocket.jpg",
        padding=True,
        return_tensors="np",
    )
    assert model(**batch).logits_per_image.shape == (1, 2)


def test_image_classifiers(tmp_path):
    for kind in ("clip", "siglip"):
        shutil.copytree(tiny_checkpoints.folder(kind), tmp_path / kind)
        config = AutoConfig.from_pretrained(tmp_path / kind, num_labels=3)
        model = AutoModelForImageClassification.from_config(config)
        model.save_pretrained(tmp_path / f"{kind}-3")
        again = AutoModelForImageClassification.from_pretrained(tmp_path / f"{kind}-3")
        assert type(again).__name__.endswith("ForImageClassification")
        assert again(np.zeros((1, 3, 32, 32))).logits.shape == (1, 3)
    with pytest.raises(InputError, match="'bert'.*image-classification class for clip, siglip"):
        AutoModelForImageClassification.from_config(small("bert"))
    with pytest.raises(InputError, match="'vit'.*zero-shot class for chinese_clip, clip"):
        AutoModelForZeroShotImageClassification.from_config(small("vit"))


def test_a_given_config_decides(tmp_path):
    small("bert").save_pretrained(tmp_path)
    AutoModel.from_config(small("bert")).save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path, output_hidden_states=True)
    model = AutoModel.from_pretrained(tmp_path, config=config)
    assert model([[1, 2]]).hidden_states is not None


def test_architectures_do_not_decide(tmp_path):
    AutoModel.from_config(small("vit")).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for architectures in (["SomethingElse"], [], None):
        (tmp_path / "config.json").write_text(
            json.dumps({**config, "architectures": architectures})
        )
        assert type(AutoModel.from_pretrained(tmp_path)).__name__ == "ViTModel"


def test_no_code_of_a_checkpoint_is_run(tmp_path):
    AutoModel.from_config(small("vit")).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    names = ("AutoConfig", "AutoModel", "AutoProcessor", "AutoImageProcessor")
    config["auto_map"] = {name: "evil.Evil" for name in names}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('was run')")
    assert type(AutoModel.from_pretrained(tmp_path)).__name__ == "ViTModel"
    for trusting in (AutoModel, AutoConfig):
        with pytest.warns(UserWarning, match="trust_remote_code=True changes nothing"):
            trusting.from_pretrained(tmp_path, trust_remote_code=True)
    config["model_type"] = "evil"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with (
        pytest.warns(UserWarning, match="no code of a checkpoint"),
        pytest.raises(InputError, match="model_type 'evil'"),
    ):
        AutoModel.from_pretrained(tmp_path, trust_remote_code=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "names no model_type; there is a config class for beit, bert, .*vit$"),
        ('{"model_type": null}', "names no model_type"),
        ('{"model_type": "gpt2"}', "model_type 'gpt2'; there is a"),
        ('{"model_type": ["clip"]}', r"model_type \['clip'\]"),
        ('{"model_type": 7}', "model_type 7"),
        ('{"model_type": {"a": 1}}', "model_type {'a': 1}"),
        ('{"model_type": "clip", "text_config": 3}', "must be an object"),
        ("[]", "must be a JSON object"),
        ("{", "not valid JSON"),
    ],
)
def test_configs_that_are_none(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    for auto in (AutoConfig, AutoModel):
        with pytest.raises(
            InputError, match=message.replace("config class", r"\S+ class")
        ) as found:
            auto.from_pretrained(tmp_path)
        assert str(tmp_path) in str(found.value)
    if "model_type" in message:
        with pytest.raises(InputError, match=message.split(";")[0]):
            AutoProcessor.from_pretrained(tmp_path)


def test_places_that_are_none(tmp_path):
    for auto in (AutoConfig, AutoModel, AutoProcessor):
        with pytest.raises(InputError, match="config.json|nowhere"):
            auto.from_pretrained(tmp_path)
        with pytest.raises(InputError, match="nowhere"):
            auto.from_pretrained(tmp_path / "nowhere")
        with pytest.raises(InputError, match=rf"call {auto.__name__}.from_pretrained"):
            auto()


def test_processors_are_found_by_their_own_word(tmp_path):
    shutil.copytree(tiny_checkpoints.folder("vit_bert"), tmp_path, dirs_exist_ok=True)
    config = tmp_path / "config.json"
    processor = AutoProcessor.from_pretrained(tmp_path)
    processor.save_pretrained(tmp_path / "new")  # without a config
    again = AutoProcessor.from_pretrained(tmp_path / "new")
    assert type(again) is refimpl.VisionTextDualEncoderProcessor
    assert type(again.image_processor) is refimpl.ViTImageProcessor
    assert type(again.tokenizer) is refimpl.BertTokenizer
    their = transformers.AutoProcessor.from_pretrained(tmp_path / "new")
    assert type(their).__name__ == "VisionTextDualEncoderProcessor"
    their.save_pretrained(tmp_path / "theirs")
    assert type(AutoProcessor.from_pretrained(tmp_path / "theirs")) is type(again)
    config.write_text('{"model_type": "gpt2"}')
    with pytest.raises(InputError, match="'gpt2'; there is a processor class for chinese_clip"):
        AutoProcessor.from_pretrained(tmp_path)
    for named in ("Wav2Vec2Processor", 3, ["x"]):
        (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": named}))
        with pytest.raises(
            InputError, match="processor_config.json: processor_class .* is not supp"
        ):
            AutoProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize("model_type", TOWERS)
def test_a_lone_tower_has_one_part_which_is_its_processor(model_type, tmp_path):
    """Upstream's AutoProcessor gives the tokenizer where there is one, else the image processor."""
    small(model_type).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no image processor, and no tokenizer| missing"):
        AutoProcessor.from_pretrained(tmp_path)
    if "image_size" in json.loads((tmp_path / "config.json").read_text()):
        refimpl.ViTImageProcessor(size=9).save_pretrained(tmp_path)
        assert AutoProcessor.from_pretrained(tmp_path).size == {"height": 9, "width": 9}
        assert AutoProcessor.from_pretrained(tmp_path, resample=3).resample == 3
    for name in ("tokenizer_config.json", "vocab.txt"):
        shutil.copy(tiny_checkpoints.folder("vit_bert") / name, tmp_path)
    kinds = [auto.from_pretrained(tmp_path) for auto in (AutoProcessor, transformers.AutoProcessor)]
    assert {type(kind).__name__ for kind in kinds} == {"BertTokenizer"}
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(InputError, match=str(tmp_path)):
        AutoProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize("config", [3, {}, "clip", refimpl.CLIPModel])
def test_a_config_that_is_none(config):
    with pytest.raises(InputError, match="config must be a config, such as AutoConfig"):
        AutoModel.from_pretrained(tiny_checkpoints.folder("clip"), config=config)


def test_from_the_hubs_cache(tmp_path):
    """A config and a processor need no weights; a model does."""
    files = {path.name: path.read_bytes() for path in tiny_checkpoints.folder("clip").iterdir()}
    weights = files.pop("model.safetensors")
    hub = {"cache_dir": tmp_path / "few", "local_files_only": True}
    snapshot = fill_cache(hub["cache_dir"], files)
    assert type(AutoConfig.from_pretrained(NAME, **hub)) is refimpl.CLIPConfig
    assert type(AutoProcessor.from_pretrained(NAME, **hub)) is refimpl.CLIPProcessor
    assert type(refimpl.AutoImageProcessor.from_pretrained(NAME, **hub)).__name__.startswith("CLIP")
    with pytest.raises(InputError, match=r"no weights|model.safetensors"):
        AutoModel.from_pretrained(NAME, **hub)
    hub["cache_dir"] = tmp_path / "all"
    fill_cache(hub["cache_dir"], {**files, "model.safetensors": weights})
    assert type(AutoModel.from_pretrained(NAME, **hub)) is refimpl.CLIPModel
    classify = refimpl.pipeline(model=NAME, revision="main", **hub)
    assert len(classify(tiny_checkpoints.DATA / "images/skimage/rocket.jpg", ["a", "b"])) == 2
    assert snapshot.is_dir()
    for auto in (AutoConfig, AutoModel, AutoProcessor):
        with pytest.raises(InputError, match="other-branch"):
            auto.from_pretrained(NAME, revision="other-branch", **hub)


def test_overrides_reach_the_parts():
    folder = tiny_checkpoints.folder("clip")
    processor = AutoProcessor.from_pretrained(
        folder, size=20, profile="transformers", use_fast=True, model_max_length=9
    )
    assert processor.image_processor.size == {"shortest_edge": 20}
    assert processor.tokenizer.profile == "transformers"
    assert processor.tokenizer.model_max_length == 9
    with pytest.raises(InputError, match="no such keyword: sise"):
        AutoProcessor.from_pretrained(folder, sise=20)


def test_configs_by_name():
    assert AutoConfig.for_model("clip").projection_dim == 512
    assert AutoConfig.for_model("roberta", num_hidden_layers=3).num_hidden_layers == 3
    with pytest.raises(InputError, match="AutoConfig.for_model: the config is of model_type 'x'"):
        AutoConfig.for_model("x")
