"""Replacement rules, judged by sentencepiece: read, written, broken; and the trie under them."""

import dataclasses
import struct
import time
import tracemalloc
import unicodedata

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from spm_models import released

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.charsmap import CharsMap, entries, precompile
from tokenizers_py.sentencepiece.messages import read_message, write_message
from tokenizers_py.sentencepiece.model_file import NormalizerSpec, read_model
from tokenizers_py.sentencepiece.unicode_rules import rules

SMALL = {
    "A": "a",
    "ﬁ": "fi",
    "e\u0301": "é",
    "e": "E",
    "\t": " ",
    "\x7f": "",
    "𝔄x": "b",
    "é日": "?",
}
BARE = NormalizerSpec(
    add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False
)


def upstream(blob):
    spec = dataclasses.replace(BARE, precompiled_charsmap=blob)
    return sentencepiece.SentencePieceNormalizer(normalizer_spec=write_message(spec))


def upstream_blob(**options):
    normalizer = sentencepiece.SentencePieceNormalizer(**options)
    return read_message(
        NormalizerSpec, normalizer.serialized_normalizer_spec()
    ).precompiled_charsmap


def replaced(blob, text):
    """Apply a map in the plainest way."""
    rules_of, out, place = CharsMap(blob), [], 0
    while place < len(text):
        end, target = rules_of.longest(text, place) or (place + 1, text[place])
        out.append(target)
        place = end
    return "".join(out)


def slow(*names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", ["nmt_nfkc_cf", *slow("nfkc", "nmt_nfkc", "nfkc_cf")])
def test_every_rule_of_the_built_in_maps_is_read(name):
    theirs = sentencepiece.SentencePieceNormalizer(rule_name=name).decompile()
    assert entries(upstream_blob(rule_name=name)) == dict(theirs)


def test_the_released_maps_survive_being_written_anew():
    """Same rules, and upstream normalises every code point the same by our map as by its own."""
    blob = read_model(released("t5_base.spiece")).normalizer.precompiled_charsmap
    listed = entries(blob)
    again = precompile(listed)
    assert entries(again) == listed
    every = "".join(f"a{chr(c)}b" for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)
    every += "".join(listed)
    assert upstream(again).normalize(every) == upstream(blob).normalize(every)


def test_the_released_nfkc_map_is_read():
    blob = read_model(released("test_model")).normalizer.precompiled_charsmap
    assert entries(blob) == dict(upstream(blob).decompile())


@pytest.mark.parametrize("name", ["nmt_nfkc", *slow("nfkc")])
def test_unicode_rules_are_upstreams(name):
    """All but those about characters that Python's version of Unicode does not have yet."""
    theirs = dict(sentencepiece.SentencePieceNormalizer(rule_name=name).decompile())
    made = rules(name)
    assert made.items() <= theirs.items()
    newer = [source for source in theirs if source not in made]
    assert all("Cn" in map(unicodedata.category, source) for source in newer)


def test_no_rules_are_no_bytes():
    assert precompile(rules("identity")) == b"" and entries(b"") == {}
    with pytest.raises(TokenizerError, match="nfd"):
        rules("nfd")


sources = st.text(st.sampled_from("aeA\u0301\u0302日本𝔄ﬁ\x00 "), min_size=1, max_size=5)
texts = st.text(st.sampled_from("aeA\u0301\u0302日本𝔄ﬁ ")) | st.text(
    st.characters(exclude_categories=["Cs"])
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(sources.filter(lambda s: "\0" not in s), st.text("xy日é ", max_size=4)), texts
)
def test_any_rules_are_applied_as_upstream_applies_them(mapping, text):
    mapping = {source: target for source, target in mapping.items() if source != target}
    blob = precompile(mapping)
    assert entries(blob) == dict(sorted(mapping.items()))
    if mapping:
        text += "".join(mapping) * 2
        assert replaced(blob, text) == upstream(blob).normalize(text)
        theirs = upstream_blob(norm_map=list(mapping.items()))
        assert entries(theirs) == entries(blob)


@pytest.mark.parametrize(
    "mapping",
    [
        {"": "a"},
        {"a": "a"},
        {"a\0": "b"},
        {"a": "\0"},
        {"\ud800": "b"},
        {"a": "\ud800"},
        {"a" * n: "b" for n in range(1, 33)},
        {"a" * 300: "b"},
    ],
)
def test_rules_that_cannot_be_written(mapping):
    with pytest.raises(TokenizerError):
        precompile(mapping)


def test_31_rules_that_begin_one_another_can_and_a_32nd_never_matches():
    mapping = {"a" * n: chr(0x100 + n) for n in range(1, 32)}
    blob = precompile(mapping)
    for n in range(1, 70):
        assert replaced(blob, "a" * n) == upstream(blob).normalize("a" * n)


def with_unit(blob, place, unit):
    return blob[: 4 + 4 * place] + struct.pack("<I", unit) + blob[8 + 4 * place :]


def broken_maps():
    blob = precompile(SMALL)
    size = int.from_bytes(blob[:4], "little")
    yield "too short", blob[:3]
    yield "nothing but a size", blob[:4]
    yield "size of all", (len(blob) - 4).to_bytes(4, "little") + blob[4:]
    yield "huge size", b"\xff\xff\xff\xff" + blob[4:]
    yield "size 0", bytes(4) + blob[4:]
    yield "size 512", (512).to_bytes(4, "little") + blob[4:]
    yield "size + 1", (size + 1).to_bytes(4, "little") + blob[4:]
    yield "no last NUL", blob[:-1] + b"a"
    yield "root is a value", with_unit(blob, 0, 0x80000001)
    yield "root has a label", with_unit(blob, 0, 1 << 10 | 65)
    yield "root has a value", with_unit(blob, 0, 1 << 10 | 1 << 8)
    yield "root without offset", with_unit(blob, 0, 0)
    yield "root leads out", with_unit(blob, 0, 1 << 30)
    units = [int.from_bytes(blob[4 + 4 * i : 8 + 4 * i], "little") for i in range(size // 4)]
    node = next(i for i, unit in enumerate(units) if i and unit < 1 << 31)
    leaf = next(i for i, unit in enumerate(units) if unit >= 1 << 31)
    yield "node leads out", with_unit(blob, node, units[node] | 1 << 30)
    yield "value outside", with_unit(blob, leaf, 0xFFFFFFFF)
    yield "value of a node", with_unit(blob, node, (node ^ node) << 10 | 1 << 8)


@pytest.mark.parametrize(
    ("what", "blob"), list(broken_maps()), ids=lambda x: x if type(x) is str else ""
)
def test_what_upstream_refuses_we_refuse(what, blob):
    with pytest.raises(RuntimeError):
        upstream(blob)
    with pytest.raises(TokenizerError, match=r"charsmap|double array"):
        CharsMap(blob)


def hand_made(key, target=b"x\0"):
    """Make a map of one rule by hand, from any bytes: every node in a block of its own."""
    units = [0x80000000] * 256 * (len(key) + 2)
    node = 0
    for depth, byte in enumerate(key, 1):
        units[node] |= (node ^ depth * 256) << 10
        node = depth * 256 ^ byte
        units[node] = byte
    units[0] &= 0x7FFFFFFF
    leaf = (len(key) + 1) * 256
    units[node] |= (node ^ leaf) << 10 | 1 << 8
    units[leaf] = 0x80000000
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + target


def test_a_map_made_by_hand_works():
    assert entries(hand_made(b"ab")) == {"ab": "x"}
    assert upstream(hand_made(b"ab")).normalize("aabb") == "axb"


@pytest.mark.parametrize(
    ("why", "blob", "message"),
    [
        ("the rest of the character is no text", hand_made("é".encode()[:1]), "inside a char"),
        ("the result is no text", hand_made(b"a", b"\xff\0"), "not UTF-8"),
        (
            "looking it up could take the whole text at each place",
            hand_made(b"a" * 257),
            "over 256",
        ),
        ("one character would become a whole book", hand_made(b"a", b"x" * 1001 + b"\0"), "1000"),
    ],
)
def test_what_upstream_takes_and_we_refuse(why, blob, message):
    upstream(blob)
    with pytest.raises(TokenizerError, match=message):
        CharsMap(blob)


def test_a_loop_is_refused():
    """A trie in which a letter leads back to where it came from: rules without end."""
    blob = precompile({"aa": "x"})
    size = int.from_bytes(blob[:4], "little")
    units = list(struct.unpack(f"<{size // 4}I", blob[4 : 4 + size]))
    base = units[0] >> 10
    place = base ^ ord("a")
    units[place] = ord("a") | (place ^ base) << 10
    looped = blob[:4] + struct.pack(f"<{len(units)}I", *units) + blob[4 + size :]
    upstream(looped)
    with pytest.raises(TokenizerError, match="loop"):
        CharsMap(looped)


def test_more_rules_than_could_be_listed_are_applied():
    """Every string of 60 letters a and b is a rule: 2^60 of them, in 61 blocks."""
    units = [0x80000000] * 256 * 62
    units[0] = 256 << 10
    for depth in range(1, 61):
        for byte in b"ab":
            place, base = depth * 256 ^ byte, (depth + 1) * 256
            units[place] = byte | (place ^ base) << 10 | (depth == 60) << 8
    blob = struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + b"x\0"
    text = "ab" * 100
    assert replaced(blob, text) == upstream(blob).normalize(text)
    with pytest.raises(TokenizerError, match="more than"):
        entries(blob)


@pytest.mark.parametrize(("blocks", "message"), [(8, "loop|more than"), (200, "more than")])
def test_a_small_map_with_more_ways_than_memory_is_refused_soon(blocks, message):
    """Every node has all 256 children, and all nodes of a block have the same ones."""
    place = np.arange(blocks * 256)
    base = np.minimum(place // 256 + 1, blocks - 1) * 256
    units = ((place ^ base) << 10 | place & 0xFF).astype("<u4")
    units[-256:] = 2**31
    units[0] = 256 << 10
    blob = struct.pack("<I", units.nbytes) + units.tobytes() + b"a\0"
    upstream(blob)
    start = time.process_time()
    with pytest.raises(TokenizerError, match=message):
        CharsMap(blob)
    assert time.process_time() - start < 10


def test_a_large_map_takes_a_few_times_its_size_in_memory():
    blob = struct.pack("<2I", 2**24, 256 << 10) + struct.pack("<I", 2**31) * (2**22 - 1) + b"a\0"
    tracemalloc.start()
    try:
        CharsMap(blob)
        assert tracemalloc.get_traced_memory()[1] < 12 * len(blob)
    finally:
        tracemalloc.stop()


def test_bytes_that_are_no_utf8_are_rules_that_never_match():
    blob = hand_made(b"\xff\xfe")
    assert entries(blob) == {} and replaced(blob, "aé日𝔄") == upstream(blob).normalize("aé日𝔄")
