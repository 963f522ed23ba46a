"""The other names of SentencePieceProcessor's calls, and arguments given by their place.

Upstream's package has each call under several names: `encode_as_ids`, `EncodeAsIds`, `tokenize`,
`vocab_size` ... They are made here, so that processor.py shows each call once. Upstream's arguments
may also be given without their names, as in `encode(text, True)`: for that, the orders below.

Source: google/sentencepiece 0.2.3, python/src/sentencepiece/__init__.py.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_EXTRAS = ("add_bos", "add_eos", "reverse", "emit_unk_piece")
_SAMPLING = ("enable_sampling", "nbest_size", "alpha")
_TYPES = ("return_type", "out_type")

# The names of the arguments after the text, or in the constructor after the model.
NEW = ("out_type", *_EXTRAS, *_SAMPLING, "num_threads", "return_type")
ENCODE = (*_EXTRAS, *_SAMPLING, "num_threads", "thread_pool", *_TYPES)
NBEST_ENCODE = (*_EXTRAS, "nbest_size", *_TYPES)
SAMPLE_ENCODE = ("nbest_size", "alpha")

_AS = {  # for encode_as_ids and so on
    "encode": (),
    "sample_encode": SAMPLE_ENCODE,
    "nbest_encode": ("nbest_size",),
}
_KINDS: dict[str, Any] = {"ids": int, "pieces": str}
_KINDS |= {name: name for name in ("numpy", "offset_mapping", "proto", "immutable_proto")}
_OTHERS = {"tokenize": "encode", "detokenize": "decode", "vocab_size": "get_piece_size"}
_OTHERS |= {"piece_size": "get_piece_size", "decode_ids": "decode", "decode_pieces": "decode"}


def by_name(
    order: Sequence[str], places: Sequence[Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Give arguments their names, as Python does for a function that is written out.

    >>> by_name(SAMPLE_ENCODE, [-1], {"alpha": 0.5})
    {'nbest_size': -1, 'alpha': 0.5}

    Raises:
        TypeError: There are too many, or one is there twice.
    """
    if len(places) > len(order):
        raise TypeError(f"{len(places)} arguments without names; at most {', '.join(order)}")
    named = dict(zip(order, places, strict=False))
    if twice := named.keys() & options.keys():
        raise TypeError(f"{min(twice)}: given twice, by its place and by its name")
    return {**named, **options}


def add_upstream_names(cls: type) -> None:
    """Give the calls upstream's other names: tokenize, encode_as_ids, EncodeAsIds, ..."""
    for name, order in _AS.items():
        for kind, out_type in _KINDS.items():
            setattr(cls, f"{name}_as_{kind}", _call_with_type(name, order, out_type))
    for name, other in _OTHERS.items():
        setattr(cls, name, getattr(cls, other))
    for name in [name for name in vars(cls) if re.match("[a-z]", name)]:
        capitals = "".join(word.capitalize() for word in name.split("_"))
        setattr(cls, capitals.replace("Nbest", "NBest"), getattr(cls, name))


def _call_with_type(name: str, order: Sequence[str], out_type: Any) -> Any:
    def call(self: Any, input: Any, *places: Any, **options: Any) -> Any:
        return getattr(self, name)(input, **by_name(order, places, options), out_type=out_type)

    return call
