"""The class-shaped face of BERT and RoBERTa, with the arguments and outputs upstream documents.

Both are `LoneBert`s (bert_towers.py), which documents the call. Chinese-CLIP's text tower is the
third: chinese_clip.py. Loading and saving come from pretrained.py.

The contract is Transformers 4.37.2's, with decoder mode, relative positions and head masks.

>>> from refimpl.configs import BertConfig
>>> config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
>>> BertModel(config)(input_ids=[[101, 7592, 102]]).pooler_output.shape
(1, 8)
"""

from refimpl.configs import BertConfig, RobertaConfig
from refimpl.models.bert_towers import LoneBert


class BertModel(LoneBert[BertConfig]):
    """BERT, as an encoder or (with `is_decoder` in the config) as a decoder."""

    config_class = BertConfig


class RobertaModel(LoneBert[RobertaConfig]):
    """RoBERTa: BERT whose positions begin behind the padding's (graph/roberta.py)."""

    config_class = RobertaConfig
