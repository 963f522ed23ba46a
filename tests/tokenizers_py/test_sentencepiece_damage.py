"""Damaged `.model` files: cut short, or with changed bytes, they end as upstream says, or in our error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spm_files import agree, part, small, trained

KNOWN_REFUSALS = (
    "charsmap: the replacement",
    "charsmap: a rule ends inside",
    "charsmap: a rule has",
)


def change_and_compare(data, changes):
    """Agree everywhere but for charsmaps that would turn text into what is no text (or loops)."""
    refused = 0
    for changed in changes:
        reason = agree(changed)
        if reason is not None:
            assert any(known in reason for known in KNOWN_REFUSALS), reason
            refused += 1
    assert refused <= len(data) // 20


def truncations(data, step=1):
    return (data[:end] for end in range(1, len(data), step))


def single_byte_changes(data, values):
    for place, byte in enumerate(data):
        for value in sorted({value & 0xFF for value in values(place, byte)} - {byte}):
            yield data[:place] + bytes([value]) + data[place + 1 :]


def without_empty_units(data):
    """Where the bytes are that mean something: not the unused units of the trie."""
    return [
        place for place in range(len(data)) if data[max(0, place - 3) : place + 4].strip(b"\x80\0")
    ]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_every_truncation_and_a_change_of_every_byte(model_type):
    data = trained(model_type)
    change_and_compare(data, truncations(data, 5))
    one = [1, 0x80, 0x08, 0xFF]
    busy = set(without_empty_units(data))
    changes = single_byte_changes(data, lambda i, b: [b ^ one[i % 4]] if i in busy else [])
    change_and_compare(data, changes)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_every_truncation_and_eight_changes_of_every_byte(model_type):
    data = trained(model_type)
    change_and_compare(data, truncations(data))
    changes = single_byte_changes(
        data, lambda _, b: [0, 255, b + 1, b - 1, b ^ 128, b ^ 32, b ^ 8, b ^ 4]
    )
    change_and_compare(data, changes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=40))
def test_any_bytes_end_in_upstreams_result(data, more):
    agree(small() + data)
    agree(small() + part(2, data) + part(3, more))
    agree(small() + part(1, data + more))
