"""RoBERTa: BERT whose positions begin behind the padding's. Nothing else differs.

The position table's row `pad_token_id` belongs to padding; the first real token gets the row after
it, and padding between tokens is not counted.

Source: Liu et al. 2019 (arXiv:1907.11692); fairseq, utils.make_positions; Transformers 4.37.2,
modeling_roberta.py, create_position_ids_from_input_ids.
Called by models/bert.py. Read before: bert.py.
"""

from dataclasses import replace

from refimpl.configs.bert import RobertaConfig
from refimpl.graph.bert import Text
from refimpl.graph.interface import Ops


def with_positions(ops: Ops, cfg: RobertaConfig, text: Text) -> Text:
    """Return the text with RoBERTa's positions, unless it came with its own.

    For ids, position = pad + (earlier tokens + real tokens so far) · [it is real]. Vectors do not
    tell which of them are padding, so they are counted one by one from pad + 1.

    Trap: Transformers 4.37.2 and 5.23 forget the earlier tokens when vectors come with a cache,
        and count from pad + 1 again; here each call goes on where the last one ended.
    """
    assert cfg.pad_token_id is not None  # the config has been checked
    pad = cfg.pad_token_id
    if text.position_ids is not None:
        return text
    if text.ids is None:
        return replace(text, start=text.start + pad + 1)
    real = text.ids != pad
    counted = (ops.cumulative_sum(real) + text.start) * real
    return replace(text, position_ids=counted + pad)
