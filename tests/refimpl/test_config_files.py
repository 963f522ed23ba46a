"""A config.json that describes no model ends in one InputError that names the file.

The list is of what strangers' files get wrong or try. What a good config means is in
test_configs.py.
"""

import json
import warnings
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
import transformers

from refimpl.checkpoints.folder import read_config
from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.errors import InputError
from refimpl.models import CLIPModel

TEXT = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
        "vocab_size": 20, "max_position_embeddings": 6}  # fmt: skip
VISION = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
          "num_hidden_layers": 1, "image_size": 4, "patch_size": 2}  # fmt: skip


def config(text=(), vision=(), **changes):
    return {
        "model_type": "clip",
        "projection_dim": 4,
        "text_config": {**TEXT, **dict(text)},
        "vision_config": {**VISION, **dict(vision)},
        **changes,
    }


@dataclass
class Row:
    name: str
    content: str
    message: str


def row(name, message, **changes):
    return Row(name, json.dumps(config(**changes)), message)


HUGE = 10**9
ROWS = [
    # A config here describes a model that can be built, so that the message comes where the mistake
    # is. Transformers takes some of these; see test_upstream_takes_what_no_model_can_be.
    row("heads that do not divide the width", "hidden_size 8 is not a multiple",
        text={"num_attention_heads": 3}),
    row("heads that do not divide the picture's width", "hidden_size 8 is not a multiple",
        vision={"num_attention_heads": 3}),
    *(
        row(f"{name} is {value!r}", f"{name} must be a", **{part: {name: value}})
        for part, name in [("text", "hidden_size"), ("text", "vocab_size"),
                           ("vision", "patch_size"), ("vision", "num_hidden_layers"),
                           ("vision", "image_size"), ("text", "max_position_embeddings")]
        for value in (0, -1, HUGE, "8", 8.5, True, None, [8], {})
    ),
    row("projection_dim is 0", "projection_dim must be a whole number", projection_dim=0),
    row("patch larger than the picture", "patch_size 8 is larger than image_size 4",
        vision={"patch_size": 8}),
    row("unknown activation", "hidden_act 'selu2' is unknown; known are",
        text={"hidden_act": "selu2"}),
    row("activation that is code", "hidden_act .* is unknown",
        text={"hidden_act": "__import__('os').system('true')"}),
    row("activation that is a list", "hidden_act", text={"hidden_act": ["gelu"]}),
    row("eps is 0: a row of equal numbers would be divided by 0", "layer_norm_eps must be above 0",
        text={"layer_norm_eps": 0}),
    row("eps is negative", "layer_norm_eps must be above 0", text={"layer_norm_eps": -1e-5}),
    row("eps is a text", "layer_norm_eps must be a finite number",
        text={"layer_norm_eps": "1e-5"}),
    row("another model", "model_type 'bert', not 'clip'", model_type="bert"),
    row("a part that is a list", "must be an object", text_config=[1]),
    row("end token is a text", "eos_token_id must be a whole number",
        text={"eos_token_id": "2"}),
    # JSON itself
    Row("NaN", json.dumps(config(text={"layer_norm_eps": float("nan")})), "NaN is not JSON"),
    Row("infinity", json.dumps(config(projection_dim=float("inf"))), "Infinity is not JSON"),
    Row("number out of range", '{"projection_dim": 1e999}', "out of range"),
    Row("number of 10,000 digits", '{"projection_dim": ' + "9" * 10_000 + "}", "10000 digits"),
    Row("key twice: which is meant?", '{"projection_dim": 4, "projection_dim": 8}', "stands there twice"),
    Row("key twice in a part", '{"text_config": {"hidden_size": 8, "hidden_size": 16}}',
        "'hidden_size' stands there twice"),
    Row("nested 40 deep", '{"a":' * 40 + "1" + "}" * 40, "nested deeper than 32"),
    Row("nested 100,000 deep", '{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 32"),
    Row("lone surrogate", '{"a": "\\ud800"}', "not valid Unicode"),
    Row("larger than 16 MiB", '{"a": "' + "x" * 2**24 + '"}', "larger than"),
    Row("list", "[]", "must be a JSON object"),
    Row("empty", "", "not valid JSON"),
    Row("cut", json.dumps(config())[:-1], "not valid JSON"),
    Row("two documents", "{}{}", "not valid JSON"),
    Row("comment", "{} // x", "not valid JSON"),
    Row("byte order mark", "\ufeff{}", "not valid JSON"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row, tmp_path):
    (tmp_path / "config.json").write_text(row.content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"(?s)^{tmp_path}.*" + row.message):
        CLIPConfig.from_pretrained(tmp_path)


def test_upstream_takes_what_no_model_can_be(tmp_path):
    """Why we are stricter: these pass there, and only a forward pass or nothing at all tells."""
    for changes in ({"layer_norm_eps": 0.0}, {"layer_norm_eps": -1.0}, {"vocab_size": 10**9}):
        (tmp_path / "config.json").write_text(json.dumps(config(text=changes)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = transformers.CLIPConfig.from_pretrained(tmp_path)
        assert all(getattr(theirs.text_config, name) == x for name, x in changes.items())
        with pytest.raises(InputError):
            CLIPConfig.from_pretrained(tmp_path)


ODD = [None, True, -1, 1.5, 10**30, "", "gelu", [], [[1]], {}, {"a": 1}]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_any_value_in_any_field_ends_in_a_config_or_one_error(value, tmp_path):
    names = {
        f.name for each in (CLIPConfig, CLIPTextConfig, CLIPVisionConfig) for f in fields(each)
    }
    names |= {"num_labels", "label2id", "model_type", "text_config_dict", "vision_config_dict"}
    for name in sorted(names):
        for part in ("whole", "text", "vision"):
            content = config(**({name: value} if part == "whole" else {part: {name: value}}))
            (tmp_path / "config.json").write_text(json.dumps(content))
            try:
                CLIPConfig.from_pretrained(tmp_path)
            except InputError as error:
                assert str(tmp_path) in str(error)
            except Exception as error:
                pytest.fail(f"{part}: {name}: {error!r}")


def test_code_and_paths_in_a_config_are_plain_entries(tmp_path):
    changes = {
        "auto_map": {"AutoModel": "evil--modeling.Evil"},
        "_name_or_path": "/etc/passwd",
        "trust_remote_code": True,
        "custom_pipelines": {"x": {"impl": "evil.Pipeline"}},
    }
    CLIPModel(CLIPConfig(**config())).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config(**changes)))
    (tmp_path / "modeling.py").write_text("raise SystemExit('ran')")
    model = CLIPModel.from_pretrained(tmp_path)
    assert model.config.auto_map == changes["auto_map"]


def test_a_config_that_does_not_fit(tmp_path):
    """Every tensor that is missing, unknown or misshapen is named, in one error."""
    CLIPModel(CLIPConfig(**config())).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps(config(text={"vocab_size": 21, "num_hidden_layers": 2}))
    )
    with pytest.raises(InputError) as caught:
        CLIPModel.from_pretrained(tmp_path)
    message = str(caught.value)
    assert "text_model.embeddings.token_embedding.weight" in message
    assert "text_model.encoder.layers.1.mlp.fc1.weight" in message
    (tmp_path / "config.json").write_text(
        json.dumps(config(vision={"patch_size": 4, "hidden_size": 16}))
    )
    with pytest.raises(InputError, match="patch_embedding"):
        CLIPModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("eos", [2, 19, 49407])
def test_end_token_beyond_or_within_the_vocabulary(eos, tmp_path):
    """Old hub files say 2 and mean the largest id; 49407 of a vocabulary of 20 is no error upstream."""
    CLIPModel(CLIPConfig(**config())).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config(text={"eos_token_id": eos})))
    ours = CLIPModel.from_pretrained(tmp_path)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    ids = np.array([[1, 5, 2, 19, 0, 0]])
    with torch.no_grad():
        want = theirs.text_model(torch.from_numpy(ids)).pooler_output.numpy()
    pixels = np.zeros((1, 3, 4, 4), np.float32)
    got = ours(input_ids=ids, pixel_values=pixels).text_model_output.pooler_output
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_id_beyond_the_vocabulary(tmp_path):
    model = CLIPModel(CLIPConfig(**config()))
    with pytest.raises(InputError, match="20"):
        model.get_text_features(np.array([[1, 20]]))


def test_config_that_is_no_file(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InputError, match=r"config\.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").rmdir()
    (tmp_path / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(InputError):
        read_config(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "config.json").symlink_to("elsewhere")  # as in the hub's cache
    assert read_config(tmp_path) == {}
