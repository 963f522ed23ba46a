"""Configurations of BERT and RoBERTa, and what every BERT tower has.

Fields and defaults only; towers.py says what towers share. Chinese-CLIP's text tower is the third
BERT: chinese_clip.py.

Source: Transformers 4.37.2 (decoder mode, relative positions) and 5.23.0, configuration_bert.py,
configuration_roberta.py. Read next: graph/bert.py for what each number does.
"""

from dataclasses import dataclass
from typing import ClassVar

from refimpl.configs.towers import TowerConfig

ABSOLUTE = "absolute"
"""Each position has a vector of its own, added to the tokens."""
RELATIVE_KEY = "relative_key"
"""Each distance has a vector; queries are scored against it (Shaw et al. 2018)."""
RELATIVE_KEY_QUERY = "relative_key_query"
"""Queries and keys are scored against the distance's vector (Huang et al. 2020, method 4)."""
POSITION_KINDS = (ABSOLUTE, RELATIVE_KEY, RELATIVE_KEY_QUERY)


@dataclass(frozen=True, init=False, repr=False, eq=False)
class BertTowerConfig(TowerConfig):
    """What every BERT tower has beside its sizes.

    Attributes:
        type_vocab_size: how many kinds of token there are: first and second sentence.
        position_embedding_type: "absolute", "relative_key" or "relative_key_query".
        is_decoder: read from left to right, and keep keys and values for the next call.
        add_cross_attention: let each layer also look at another model's states; needs
            `is_decoder`.
        use_cache: whether a decoder returns its keys and values by default.

    Trap: version 5 of Transformers knows no `position_embedding_type` and runs such a checkpoint
        with absolute positions.
    """

    part_of_whole: ClassVar[str] = "text_config"

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    position_embedding_type: str = ABSOLUTE
    use_cache: bool = True
    is_decoder: bool = False
    add_cross_attention: bool = False
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    def _problems(self) -> list[str]:
        problems = super()._problems()
        count = self.type_vocab_size
        if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= 2**24:
            problems.append(f"type_vocab_size must be a whole number above 0; got {count!r}")
        if self.position_embedding_type not in POSITION_KINDS:
            problems.append(
                f"position_embedding_type must be one of {', '.join(map(repr, POSITION_KINDS))}; "
                f"got {self.position_embedding_type!r}"
            )
        for name in ("use_cache", "is_decoder", "add_cross_attention"):
            if not isinstance(getattr(self, name), bool):
                problems.append(f"{name} must be true or false; got {getattr(self, name)!r}")
        if self.add_cross_attention is True and self.is_decoder is False:
            problems.append("add_cross_attention needs is_decoder: an encoder has none")
        return problems


@dataclass(frozen=True, init=False, repr=False, eq=False)
class BertConfig(BertTowerConfig):
    """BERT; the defaults are bert-base-uncased's.

    >>> BertConfig(num_hidden_layers=6).hidden_size
    768
    """

    model_type: ClassVar[str] = "bert"

    classifier_dropout: float | None = None


@dataclass(frozen=True, init=False, repr=False, eq=False)
class RobertaConfig(BertTowerConfig):
    """RoBERTa; upstream's defaults, BERT's but for the vocabulary and the special tokens.

    `pad_token_id` decides where positions begin: the first token's is `pad_token_id + 1`. So a
    table of 514 positions holds texts of 512 tokens.

    Trap: roberta-base itself has max_position_embeddings 514, type_vocab_size 1 and layer_norm_eps
        1e-5; none of them is the default.
    """

    model_type: ClassVar[str] = "roberta"

    vocab_size: int = 50265
    pad_token_id: int | None = 1
    bos_token_id: int | None = 0
    eos_token_id: int | None = 2
    classifier_dropout: float | None = None

    def _problems(self) -> list[str]:
        problems = super()._problems()
        pad = self.pad_token_id
        if not problems and (pad is None or not 0 <= pad < self.max_position_embeddings - 1):
            problems.append(
                "pad_token_id must lie from 0 to max_position_embeddings - 2, since positions "
                f"begin behind it; got {pad!r}"
            )
        return problems
