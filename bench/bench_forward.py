"""Forward passes of real sizes, numpy beside torch in one run: `make bench`.

CLIP ViT-B/32, SigLIP base-patch16-224 and bert-base-uncased. Each case first checks that both sides
give the same features, then times one of them. The judge is Transformers' model of the same name
with its default attention on torch's CPU build: same random weights, same inputs, same number of
threads (one, or REFIMPL_BENCH_THREADS). On a machine that does other
things too, count CPU time of one thread: add `--benchmark-timer=time.process_time`.
"""

import functools
import os

import numpy as np
import pytest
import torch
import transformers
from threadpoolctl import threadpool_limits

import refimpl
from refimpl.params import fill

THREADS = int(os.environ.get("REFIMPL_BENCH_THREADS", "1"))


@pytest.fixture(autouse=True)
def same_threads():
    """Hold both sides to the same number of threads."""
    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):
        yield


@functools.cache
def models(name):
    """Upstream's model of the default sizes on random weights, and ours on the same."""
    kind = {"clip": "CLIP", "siglip": "Siglip", "bert": "Bert"}[name]
    torch.manual_seed(0)
    theirs = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")()).eval()
    weights = {key: value.numpy() for key, value in theirs.state_dict().items()}
    ours, config = getattr(refimpl, f"{kind}Model"), getattr(refimpl, f"{kind}Config")()
    return theirs, ours(config, params=fill(ours.spec(config), weights, np.float32))


def image_case(name, batch):
    """Callables for both sides on one batch of pictures."""
    theirs, ours = models(name)
    pixels = np.random.default_rng(0).standard_normal((batch, 3, 224, 224)).astype(np.float32)
    as_torch = torch.tensor(pixels)
    return {
        "numpy": lambda: ours.get_image_features(pixels),
        "torch": lambda: theirs.get_image_features(pixel_values=as_torch).pooler_output.numpy(),
    }


def text_case(name, batch):
    """Callables for both sides on one batch of full-length texts; BERT's are of 128 tokens."""
    theirs, ours = models(name)
    length = {"clip": 77, "siglip": 64, "bert": 128}[name]
    ids = np.random.default_rng(0).integers(0, 30000, (batch, length))
    ids[:, -1] = 49407 if name == "clip" else 1
    as_torch = torch.tensor(ids)
    if name == "bert":
        return {
            "numpy": lambda: ours(ids).pooler_output,
            "torch": lambda: theirs(input_ids=as_torch).pooler_output.numpy(),
        }
    return {
        "numpy": lambda: ours.get_text_features(ids),
        "torch": lambda: theirs.get_text_features(input_ids=as_torch).pooler_output.numpy(),
    }


CASES = [
    ("clip", "image", 1),
    ("clip", "image", 8),
    ("clip", "image", 32),
    ("clip", "text", 8),
    ("siglip", "image", 1),
    ("siglip", "image", 8),
    ("siglip", "text", 8),
    ("bert", "text", 1),
    ("bert", "text", 8),
]


@pytest.mark.parametrize("side", ["numpy", "torch"])
@pytest.mark.parametrize(("name", "tower", "batch"), CASES)
def test_forward(benchmark, name, tower, batch, side):
    """Time one side of one case, after both sides agreed."""
    case = (image_case if tower == "image" else text_case)(name, batch)
    benchmark.group = f"{name}, {tower} tower, batch {batch}"
    with torch.inference_mode():
        found, wanted = case["numpy"](), case["torch"]()
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)
        benchmark.pedantic(case[side], rounds=7, warmup_rounds=1)
