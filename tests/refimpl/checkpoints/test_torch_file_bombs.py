"""PyTorch files that are small and ask for time or memory without end: each is answered at once.

Each of these once took minutes or all memory, or ended in another error than InputError.
"""

import struct
import time

import numpy as np
import pytest
from torch_files_by_hand import (
    FOUR,
    archive,
    legacy,
    legacy_tensor,
    module,
    push,
    saved,
    script,
    tensor,
)

from refimpl.checkpoints.torch_file import read_torch_file
from refimpl.errors import InputError

MANY = 20_000
LONG = b"X" + struct.pack("<I", 10 + 2**20) + b"__torch__." + b"a" * 2**20
UNTYPED = b"ctorch.storage\nUntypedStorage\n"


def times(opcodes, count=MANY):
    return b"".join(push(f"{number:05}") + opcodes for number in range(count))


def keys_of_one_hash():
    """Whole numbers that all have the hash 0."""
    numbers = (number * (2**61 - 1) for number in range(1, MANY))
    return b"".join(b"\x8a\x20" + n.to_bytes(32, "little") + b"N" for n in numbers)


def strides_of_one_hash(count):
    """Pairs of whole numbers whose tuples all have one hash, by CPython's own sums."""
    size, first, second, third = (
        2**64,
        11400714785074694791,
        14029467366897019727,
        2870177450012600261,
    )
    inverse, found, wanted, x = pow(second, -1, size), [], None, 1
    while len(found) < count:
        sum_ = (third + x * second) % size
        sum_ = ((sum_ << 31 | sum_ >> 33) * first) % size
        wanted = sum_ + 12345 * second if wanted is None else wanted
        y = (wanted - sum_) * inverse % size
        if y < 2**60:
            found.append((x, y))
        x += 1
    return found


def wide(**changes):
    """A tensor of two-byte numbers in a storage without a type."""
    end = b"\x89ccollections\nOrderedDict\n)Rctorch\nuint16\n"
    return tensor(UNTYPED, function=b"ctorch._utils\n_rebuild_tensor_v3\n", end=end, **changes)


BOMBS = {
    "a long name made again and again": (
        script(b"\x80\x02" + LONG + b"q\0" + b"0h\0h\0\x93" * MANY + b"."),
        "a name of more than 256 letters",
    ),
    "equal long keys": (
        archive(b"\x80\x02" + LONG + b"q\0" + LONG + b"q\1}h\0Ns" + b"h\1Ns" * MANY + b"."),
        "a text of 1,048,586 letters as the key",
    ),
    "equal long keys of an OrderedDict": (
        archive(b"\x80\x02ccollections\nOrderedDict\n](" + LONG + b"N\x86e\x85R."),
        "a text of 1,048,586 letters as the key",
    ),
    "keys of one hash": (
        archive(b"\x80\x02}(" + keys_of_one_hash() + b"u."),
        "more than 64 bits as the key",
    ),
    "a long name of a storage": (
        archive(saved(x=tensor(key="0" * 1000))),
        "a storage needs a key and a size",
    ),
    "modules times attributes": (
        script(
            b"\x80\x02c__torch__\nA\n)\x81}(" + times(b"N") + b"ubq\0"
            + b"0c__torch__\nB\n)\x81}(" + times(b"h\0") + b"ub."
        ),
        "too many modules",
    ),
    "paths that grow": (
        script(b"\x80\x02" + b"".join(
            b"c__torch__\nA\n)\x81}" + push("a" * 200) for _ in range(60)
        ) + tensor() + b"sb" * 60 + b"."),
        "a module within itself",
    ),
    "one long text many times in the list of storages": (
        legacy(saved(x=legacy_tensor()), keys=["a" * 2**20] * MANY),
        "does not fit what was saved",
    ),
    "no numbers in a storage without a type": (
        archive(saved(x=tensor(UNTYPED, shape=(0,), strides=(1,)))),
        "a storage without a type",
    ),
    "a view of a storage without a type": (
        archive(saved(x=wide(persistent=b"(" + push("storage") + UNTYPED + push("0") + push("cpu")
                             + push(16) + push(("v", 3, 9)) + b"t"))),
        "a view of a storage without a type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_at_once(name, tmp_path):
    content, message = BOMBS[name]
    (tmp_path / "m.pt").write_bytes(content)
    start = time.process_time()
    with pytest.raises(InputError, match=r"m\.pt: .*" + message) as caught:
        read_torch_file(tmp_path / "m.pt")
    assert time.process_time() - start < 5 and len(str(caught.value)) < 1000


def test_tensors_of_one_hash(tmp_path):
    """Their strides mean nothing, so they are one tensor; and no hash of numbers is used."""
    pairs = strides_of_one_hash(MANY)
    assert len({hash(pair) for pair in pairs}) == 1
    parts = b"ctorch._utils\n_rebuild_tensor_v2\nq\0(" + push("storage") + b"ctorch\nFloatStorage\n"
    parts += push("0") + push("cpu") + push(4) + b"tQq\1" + push((2, 0)) + b"q\2}q\3"
    tensors = b"".join(
        push(f"{number:05}") + b"h\0(h\1K\0h\2" + push(pair) + b"\x89h\3tR"
        for number, pair in enumerate(pairs)
    )
    (tmp_path / "m.pt").write_bytes(archive(b"\x80\x02" + parts + b"}(" + tensors + b"u."))
    start = time.process_time()
    assert len(read_torch_file(tmp_path / "m.pt")) == MANY
    assert time.process_time() - start < 10


@pytest.mark.parametrize("stride", [2**62, 2**63 - 1])
def test_strides_that_mean_nothing_may_be_any(stride, tmp_path):
    (tmp_path / "m.pt").write_bytes(archive(saved(x=tensor(shape=(1, 4), strides=(stride, 1)))))
    np.testing.assert_array_equal(read_torch_file(tmp_path / "m.pt")["x"], FOUR[None])


def test_a_storage_without_a_type_may_end_within_a_number(tmp_path):
    """As torch reads it: the odd byte belongs to no tensor."""
    content = archive(saved(x=wide(size=7, shape=(3,))), data=bytes(range(7)))
    (tmp_path / "m.pt").write_bytes(content)
    assert read_torch_file(tmp_path / "m.pt")["x"].tolist() == [0x0100, 0x0302, 0x0504]


def test_an_ordinary_script_is_far_from_the_limits(tmp_path):
    deep = tensor()
    for _ in range(30):
        deep = module({"child": deep})
    (tmp_path / "m.pt").write_bytes(script(b"\x80\x02" + deep + b"."))
    assert list(read_torch_file(tmp_path / "m.pt")) == [".".join(["child"] * 30)]
