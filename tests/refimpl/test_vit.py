"""ViT and its kin: making, saving and loading them, and their errors."""

import numpy as np
import pytest
import transformers
import upstream
from vit_cases import (
    BEIT,
    DINO,
    DINOV2,
    SMALL,
    WATCH,
    assert_outputs_equal,
    make_mask,
    make_pixels,
    on_random_weights,
)

import refimpl
from refimpl import configs, models
from refimpl.errors import InputError

TOWERS = {
    "ViT": SMALL,
    "DeiT": SMALL,
    "Beit": {**SMALL, **BEIT["all_positions"]},
    "Dinov2": {**DINO, **DINOV2["gated"]},
}
STRICT = ("ViT", "DeiT")


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(level)


def make(family, **options):
    config = getattr(configs, f"{family}Config")(**TOWERS[family])
    return on_random_weights(getattr(models, f"{family}Model"), config, **options)


@pytest.mark.parametrize("family", TOWERS)
def test_upstream_loads_what_we_save(family, tmp_path):
    ours = make(family)
    ours.save_pretrained(tmp_path)
    kind = getattr(transformers, f"{family}Model")
    theirs, info = kind.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(info.values()), info
    pixels = make_pixels(ours.config)
    wanted = upstream.run(theirs.eval(), pixel_values=pixels, **WATCH)
    assert_outputs_equal(ours(pixels, **WATCH), wanted, 1e-5, family)
    again = type(ours).from_pretrained(tmp_path)
    assert np.array_equal(again(pixels).pooler_output, ours(pixels).pooler_output)


@pytest.mark.parametrize("family", TOWERS)
def test_fresh_weights(family):
    config = getattr(configs, f"{family}Config")(**TOWERS[family])
    kind = getattr(models, f"{family}Model")
    a, b, c = (kind(config, seed=seed).state_dict() for seed in (0, 0, 1))
    name = "encoder.layer.0.attention.attention.query.weight"
    assert np.array_equal(a[name], b[name]) and not np.array_equal(a[name], c[name])
    assert a[name].std() == pytest.approx(config.initializer_range, rel=0.2)
    assert kind(config, dtype="float64")(make_pixels(config))[0].dtype == np.float64
    scales = [x for n, x in a.items() if "lambda" in n]
    first = {"Beit": 0.1, "Dinov2": 1.0}.get(family)
    assert bool(scales) == (first is not None)
    assert all((x == np.float32(first)).all() for x in scales)


@pytest.mark.parametrize("family", TOWERS)
def test_parts_that_are_there_by_choice(family):
    if family != "Dinov2":
        kind = getattr(models, f"{family}Model")
        config = getattr(configs, f"{family}Config")(**TOWERS[family])
        names = kind(config, add_pooling_layer=False).state_dict()
        assert not any(name.startswith("pooler") for name in names)
        assert any(name.startswith("pooler") for name in kind(config).state_dict())
    if family in STRICT:
        assert "embeddings.mask_token" in kind(config, use_mask_token=True).state_dict()
        assert "embeddings.mask_token" not in kind(config).state_dict()


BAD_INPUTS = {
    "none": (lambda x: {"pixel_values": None}, "pixel_values are missing"),
    "three axes": (lambda x: {"pixel_values": x[0]}, "shape"),
    "channels last": (lambda x: {"pixel_values": x.transpose(0, 2, 3, 1)}, "Channels seem"),
    "less than a patch": (lambda x: {"pixel_values": x[:, :, :7]}, "7×32"),
    "NaN": (lambda x: {"pixel_values": x * np.nan}, "NaN"),
    "text": (lambda x: {"pixel_values": "picture"}, "pixel_values"),
    "heads": (lambda x: {"head_mask": [1, 1, 1]}, r"head_mask must have shape \(4,\) or \(2, 4\)"),
    "layers of heads": (lambda x: {"head_mask": np.ones((3, 4))}, r"got \(3, 4\)"),
    "heads of NaN": (lambda x: {"head_mask": [1, 1, 1, np.nan]}, "head_mask hold NaN"),
    "heads of text": (lambda x: {"head_mask": "all"}, "head_mask"),
    "masked shape": (lambda x: {"bool_masked_pos": [[True] * 15]}, r"each patch, \(2, 16\)"),
    "masked halves": (lambda x: {"bool_masked_pos": np.full((2, 16), 0.5)}, "true or false"),
    "masked text": (lambda x: {"bool_masked_pos": "most"}, "bool_masked_pos"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
@pytest.mark.parametrize("family", TOWERS)
def test_inputs_that_cannot_be(family, case):
    model = make(family)
    pixels = make_pixels(model.config, 2)
    change, message = BAD_INPUTS[case]
    with pytest.raises(InputError, match=message):
        model(**{"pixel_values": pixels, **change(pixels)})


@pytest.mark.parametrize("family", ["ViT", "DeiT", "Beit"])
def test_masked_patches_need_a_mask_token(family):
    model = make(family)
    with pytest.raises(InputError, match=r"no mask token \(use_mask_token=True\)"):
        model(make_pixels(model.config, 2), make_mask(model.config, 2))


@pytest.mark.parametrize("family", TOWERS)
def test_a_wrong_config_or_argument(family, tmp_path):
    kind = getattr(models, f"{family}Model")
    with pytest.raises(InputError, match=f"{family}Model needs a {family}Config; got CLIPConfig"):
        kind(configs.CLIPConfig())
    make(family).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no_such_field is neither an argument nor a field"):
        kind.from_pretrained(tmp_path, no_such_field=1)
    other = models.DeiTModel if family == "ViT" else models.ViTModel
    with pytest.raises(InputError, match="model_type"):
        other.from_pretrained(tmp_path)


@pytest.mark.parametrize("family", TOWERS)
def test_output_settings_of_the_config(family):
    model = make(family)
    config = model.config.replace(output_hidden_states=True, return_dict=False)
    found = type(model)(config, params=model.params)(make_pixels(config))
    assert isinstance(found, tuple) and len(found) == 3 and len(found[2]) == 3


def test_beit_has_its_own_output_class():
    out = make("Beit")(make_pixels(configs.BeitConfig(**SMALL)))
    assert type(out).__name__ == "BeitModelOutputWithPooling"
    assert isinstance(out, type(make("ViT")(make_pixels(configs.ViTConfig(**SMALL)))))


def test_dinov2_has_no_mlp_width_of_its_own(tmp_path):
    config = configs.Dinov2Config(hidden_size=12, num_attention_heads=2, mlp_ratio=3)
    assert "intermediate_size" not in config.to_dict()
    assert config.intermediate_size == 36 and config.replace(mlp_ratio=2).intermediate_size == 24
    for width in (24, 33, 384, 1536):
        heads = 3 if width == 33 else 4
        gated = configs.Dinov2Config(
            hidden_size=width, num_attention_heads=heads, use_swiglu_ffn=True
        )
        theirs = transformers.models.dinov2.modeling_dinov2.Dinov2SwiGLUFFN(
            transformers.Dinov2Config(hidden_size=width)
        )
        assert gated.intermediate_size == theirs.gate_proj.out_features
    kept = configs.Dinov2Config(intermediate_size=5)  # upstream keeps it, and does not use it
    kept.save_pretrained(tmp_path)
    assert configs.Dinov2Config.from_pretrained(tmp_path).to_dict()["intermediate_size"] == 5
    assert kept.intermediate_size == 3072


def test_public_names():
    for family in TOWERS:
        assert getattr(refimpl, f"{family}Model") is getattr(models, f"{family}Model")
        assert getattr(refimpl, f"{family}Config") is getattr(configs, f"{family}Config")
