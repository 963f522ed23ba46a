"""Checkpoints as their authors published them: other names, other axes, no config.json.

openai.py      OpenAI's CLIP, a TorchScript archive (.pt)
open_clip.py   open_clip's weights beside open_clip_config.json: CLIP, or SigLIP
timm.py        the timm image tower inside open_clip's SigLIP
cn_clip.py     Chinese-CLIP's training checkpoint (.pt)
big_vision.py  SigLIP as big_vision saved it (.npz)
flax.py        flax_model.msgpack of Transformers 4, beside a config.json

Each file has two pure functions: `hub_tensors` (the tensors under the names that Transformers 4
gives them) and `hub_config` (a config.json; sizes are read from the shapes, and what no shape
tells from the file beside the weights). The tables in them are the documentation of the layout:
old name on the left, new name on the right. renaming.py carries a table out.

Which of them a file needs is found out in refimpl/checkpoints/originals.py. Whether every tensor
has come is not judged here: a name without a row keeps itself, and names.compare_trees lists it.
"""
