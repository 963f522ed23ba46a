"""Forward passes of ViT-B/32, numpy beside torch in one run: `make bench`.

Each case first checks that both sides give the same features, then times one of them. The judge
is Transformers' CLIPModel with its default attention on torch's CPU build: same weights, same
inputs, same number of threads (one, or REFIMPL_BENCH_THREADS). On a machine that does other
things too, count CPU time of one thread: add `--benchmark-timer=time.process_time`.
"""

import os

import numpy as np
import pytest
import torch
import transformers
from threadpoolctl import threadpool_limits

from refimpl.configs import CLIPConfig
from refimpl.models import CLIPModel
from refimpl.params import fill

THREADS = int(os.environ.get("REFIMPL_BENCH_THREADS", "1"))


@pytest.fixture(autouse=True)
def same_threads():
    """Hold both sides to the same number of threads."""
    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):
        yield


@pytest.fixture(scope="module")
def models():
    """Upstream's ViT-B/32 on random weights, and ours on the same."""
    torch.manual_seed(0)
    theirs = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    weights = {name: value.numpy() for name, value in theirs.state_dict().items()}
    config = CLIPConfig()
    return theirs, CLIPModel(config, params=fill(CLIPModel.spec(config), weights, np.float32))


def image_case(models, batch):
    """Callables for both sides on one batch of pictures."""
    theirs, ours = models
    pixels = np.random.default_rng(0).standard_normal((batch, 3, 224, 224)).astype(np.float32)
    as_torch = torch.tensor(pixels)
    return {
        "numpy": lambda: ours.get_image_features(pixels),
        "torch": lambda: theirs.get_image_features(pixel_values=as_torch).pooler_output.numpy(),
    }


def text_case(models, batch):
    """Callables for both sides on one batch of full-length texts."""
    theirs, ours = models
    ids = np.random.default_rng(0).integers(0, 49406, (batch, 77))
    ids[:, -1] = 49407
    as_torch = torch.tensor(ids)
    return {
        "numpy": lambda: ours.get_text_features(ids),
        "torch": lambda: theirs.get_text_features(input_ids=as_torch).pooler_output.numpy(),
    }


@pytest.mark.parametrize("side", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("tower", "batch"), [("image", 1), ("image", 8), ("image", 32), ("text", 8)]
)
def test_forward(benchmark, models, tower, batch, side):
    """Time one side of one case, after both sides agreed."""
    case = (image_case if tower == "image" else text_case)(models, batch)
    benchmark.group = f"{tower} tower, batch {batch}"
    with torch.inference_mode():
        found, wanted = case["numpy"](), case["torch"]()
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)
        benchmark.pedantic(case[side], rounds=7, warmup_rounds=1)
