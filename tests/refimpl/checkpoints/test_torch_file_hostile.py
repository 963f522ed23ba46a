"""PyTorch files that lie: each ends in one InputError, or in what torch itself reads.

The archives are made by Python's zipfile, the pickles by hand. `torch_reads` says where torch 2.13
(with weights_only=True) is more generous than we are; the row says why we are not.
"""

import io
import pickle
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_files_by_hand import (
    FOUR,
    archive,
    legacy,
    legacy_tensor,
    module,
    patched,
    push,
    saved,
    script,
    tensor,
    with_crc,
    zipped,
)

from refimpl.checkpoints.torch_file import read_torch_file
from refimpl.errors import InputError


def nested(depth):
    content = archive(saved(x=tensor()))
    for _ in range(depth):
        content = zipped([("m/data.pkl", content)])
    return content


def overlapping():
    """Two entries in one place: the directory's second begin is set to the first's."""
    content = bytearray(archive(saved(x=tensor())))
    second = content.rfind(b"m/data/0") - 4  # the field before the name in the directory
    content[second : second + 4] = b"\0\0\0\0"
    return bytes(content)


OK = archive(saved(x=tensor()))
WIDE = tensor(
    b"ctorch.storage\nUntypedStorage\n", size=16, function=b"ctorch._utils\n_rebuild_tensor_v3\n",
    end=b"\x89}ctorch\nuint32\n",
)  # fmt: skip


@dataclass
class Row:
    name: str
    content: bytes
    message: str | None  # None where it is read
    torch_reads: bool = False
    want: dict = field(default_factory=lambda: {"x": FOUR})


ROWS = [
    Row("plain", OK, None, True),
    Row("legacy", legacy(saved(x=legacy_tensor())), None, True),
    # tensors and storages
    Row("storage entry too short", archive(saved(x=tensor()), data=b"123"), "must be an entry of 16"),
    Row("storage entry too long",
        archive(saved(x=tensor()), data=bytes(20)), "must be an entry of 16 bytes.* it has 20"),
    Row("no storage entry", archive(saved(x=tensor()), data=None), "there is none"),
    Row("storage shorter than the tensor", archive(saved(x=tensor(shape=(5,)))),
        r"shape \(5,\) and strides \(1,\) needs 5 numbers; its storage has 4"),
    Row("offset beyond the storage", archive(saved(x=tensor(offset=1))), "needs 5 numbers"),
    Row("strides beyond the storage", archive(saved(x=tensor(shape=(2, 2), strides=(3, 1)))),
        "needs 5 numbers"),
    Row("overlapping strides", archive(saved(x=tensor(shape=(3, 2), strides=(1, 1)))), None, True,
        {"x": FOUR[[[0, 1], [1, 2], [2, 3]]]}),
    Row("negative stride", archive(saved(x=tensor(offset=3, strides=(-1,)))), "whole numbers >= 0"),
    Row("negative size", archive(saved(x=tensor(shape=(-4,)))), "whole numbers >= 0"),
    Row("negative offset", archive(saved(x=tensor(offset=-1))), "whole numbers >= 0"),
    Row("size of the storage is negative", archive(saved(x=tensor(size=-4))), "a key and a size"),
    Row("bool as a size", archive(saved(x=tensor(shape=(True,)))), "whole numbers >= 0"),
    Row("float as a size", archive(saved(x=tensor(shape=(4.0,)))), "whole numbers >= 0"),
    Row("list as a shape: torch writes none", archive(saved(x=tensor(shape=[4]))), "whole numbers >= 0", True),
    Row("more axes than strides", archive(saved(x=tensor(shape=(2, 2)))), "2 axes and 1 strides"),
    Row("rank 100: numpy cannot", archive(saved(x=tensor(shape=(1,) * 100, strides=(1,) * 100))), "100 axes", True),
    Row("huge by stride 0: torch does not copy, we would", archive(saved(x=tensor(shape=(2**40,), strides=(0,)))),
        "need 4,398,046,511,104 bytes, but the file has", True),
    Row("huge by stride 0, many times",
        archive(saved(**{f"x{i}": tensor(shape=(2**16 + i,), strides=(0,)) for i in range(20)})),
        "need 5,2..,... bytes, but the file has", True),
    Row("product overflows", archive(saved(x=tensor(shape=(2**40, 2**40), strides=(0, 0)))),
        "too large for any memory"),
    Row("product overflows beside a 0", archive(saved(x=tensor(shape=(2**62, 0, 4), strides=(0,) * 3))),
        "too large for any memory", True),
    Row("2^64", archive(saved(x=tensor(shape=(2**64,)))), "whole numbers >= 0"),
    Row("one storage with two sizes",
        archive(saved(x=tensor(), y=tensor(size=8))), "two types or two sizes", True),
    Row("one storage with two types", archive(
        saved(x=tensor(), y=tensor(storage=b"ctorch\nIntStorage\n"))), "two types or two sizes", True),
    Row("key that is a path", archive(saved(x=tensor(key="../../etc/passwd"))), "there is none"),
    Row("key of another entry", archive(saved(x=tensor(key="../version"))), "there is none"),
    Row("key that is a number: torch writes text", archive(saved(x=tensor(key=0))), "a key and a size", True),
    Row("bool 2", archive(saved(x=tensor(storage=b"ctorch\nBoolStorage\n")), data=b"\0\1\2\1"),
        "must be 0 or 1, got 2", True),
    Row("storage is a module", archive(saved(x=tensor(persistent=b"(" + push("module") + b"Nt"))),
        "not a storage"),
    Row("persistent id is a number", archive(saved(x=tensor(persistent=b"K\1"))), "not a storage"),
    Row("type of the storage is a function",
        archive(saved(x=tensor(storage=b"ccollections\nOrderedDict\n"))), "not a type of storage"),
    Row("tensor without a storage", archive(saved(x=b"ctorch._utils\n_rebuild_tensor_v2\n(NK\0))N)tR")),
        "does not lie in a storage"),
    Row("tensor of too few arguments", archive(saved(x=b"ctorch._utils\n_rebuild_tensor_v2\n(NtR")),
        "1 arguments"),
    Row("negated view", archive(saved(x=tensor(end=b"\x89)}" + push("neg") + b"\x88s"))), "with notes",
        True),
    Row("parameter of no tensor", archive(saved(x=b"ctorch._utils\n_rebuild_parameter\n(N\x88)tR")),
        "must be made of a tensor", True),
    Row("unsigned numbers", archive(saved(x=WIDE), data=np.uint32([7, 8, 9, 10]).tobytes()), None,
        True, {"x": np.uint32([7, 8, 9, 10])}),
    Row("unsigned numbers beyond the storage", archive(saved(x=WIDE.replace(b"K\x04", b"K\x05"))),
        "needs 5 numbers; its storage has 4"),
    Row("untyped storage without a type",
        archive(saved(x=tensor(b"ctorch.storage\nUntypedStorage\n", size=16))), "without a type", True),
    Row("OrderedDict of no pairs",
        archive(b"\x80\x02ccollections\nOrderedDict\n]]K\1aa\x85R."), "an OrderedDict must be"),
    # the pickle
    Row("forbidden name", archive(b"\x80\x02cos\nsystem\n" + push("x") + b"\x85R."), "os.system"),
    Row("forbidden name that is never used", archive(b"\x80\x02cos\nsystem\n0" + saved(x=tensor())[2:]),
        "os.system"),
    Row("forbidden name in the optimizer's part",
        archive(b"\x80\x02}(" + push("state_dict") + saved(x=tensor())[2:-1] + push("optimizer")
                + b"cos\nsystem\nu."), "os.system"),
    Row("whole module", archive(b"\x80\x02cclip.model\nCLIP\n)\x81."), "clip.model.CLIP"),
    Row("class of a script outside a script", archive(b"\x80\x02c__torch__\nM\n)\x81."), "__torch__.M"),
    Row("name with a lone surrogate", archive(b"\x80\x02}X\3\0\0\0\xed\xa0\x80" + tensor() + b"s."),
        "not UTF-8", True),
    Row("bytes after the pickle", archive(saved(x=tensor()) + b"cos\nsystem\n."), "follow the end",
        True),
    Row("cut pickle", archive(saved(x=tensor())[:-1]), "the pickle ends here"),
    Row("empty pickle", archive(b""), "the pickle ends here"),
    # the archive
    Row("no pickle", zipped([("m/version", b"3")]), "needs one entry data.pkl"),
    Row("two pickles", archive(saved(x=tensor()), {"n/data.pkl": b"N."}), "and has 2"),
    Row("pickle in a deeper folder", zipped([("a/b/data.pkl", b"N.")]), "needs one entry data.pkl"),
    Row("empty archive", zipped([]), "not a file of torch.save"),
    Row("two entries of one name: which is read?",
        zipped([("m/data.pkl", saved(x=tensor())), ("m/data/0", FOUR.tobytes()),
                ("m/data/0", bytes(16))]), "two zip entries have one name"),
    Row("name that leads out", archive(saved(x=tensor()), {"m/../../x": b""}), "leads out", True),
    Row("absolute name", archive(saved(x=tensor()), {"/etc/passwd": b""}), "leads out"),
    Row("name of a drive", archive(saved(x=tensor()), {"C:\\x": b""}), "leads out"),
    Row("packed storage: torch never writes one",
        archive(saved(x=tensor()), packed=["m/data/0"]), "not packed", True),
    Row("packed pickle", archive(saved(x=tensor()), packed=["m/data.pkl"]), None, True),
    Row("bomb", archive(saved(x=tensor()), {"m/bomb": bytes(10**8)}, packed=["m/bomb"]),
        "unpack to 100,000,", True),
    Row("pickle that is a bomb", archive(bytes(10**8), packed=["m/data.pkl"]), "unpack to 100,000,"),
    Row("archive in an archive", nested(1), r"byte 0 \(unknown opcode\)|byte 0 "),
    Row("archive in archives", nested(20), r"byte 0 "),
    Row("wrong CRC of a storage: torch does not look", with_crc(OK, "m/data/0", 1),
        "entry 'm/data/0': its bytes do not match their CRC-32", True),
    Row("wrong CRC of the pickle: torch does not look", with_crc(OK, "m/data.pkl", 1),
        "entry 'm/data.pkl': its bytes do not match", True),
    Row("bytes before the archive", b"#!/bin/sh\n" + OK, "not a file of torch.save"),
    Row("bytes before the first entry", b"PK\3\4" + OK, "does not fit its directory"),
    Row("bytes after the archive", OK + b"x", "cut short, or that something was added", True),
    Row("a comment", archive(saved(x=tensor()), comment=b"x"), "something was added", True),
    Row("entries that overlap", overlapping(), "overlaps what comes after it", True),
    Row("two names of one entry", patched(OK, b"m/data/0", b"m/data/1", "first"),
        "header does not fit the zip directory", True),
    Row("encrypted", patched(patched(OK, b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0"),
                             b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"), "encrypted"),
    Row("unknown method", patched(OK, b"PK\1\2\x14\3\x14\0\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0\x63\0"),
        "packed by method 99"),
    Row("more entries than there are", patched(OK, b"\3\0\3\0", b"\4\0\4\0", "last"),
        "directory is cut short"),
    Row("fewer entries than there are", patched(OK, b"\3\0\3\0", b"\2\0\2\0", "last"),
        "more bytes than entries"),
    # byte order
    Row("little-endian", archive(saved(x=tensor()), {"m/byteorder": b"little"}), None, True),
    Row("big-endian", archive(saved(x=tensor()), {"m/byteorder": b"big"},
                              data=FOUR.astype(">f4").tobytes()), None, True),
    Row("no such byte order", archive(saved(x=tensor()), {"m/byteorder": b"middle"}),
        "must be little or big"),
    Row("long byte order", archive(saved(x=tensor()), {"m/byteorder": b"little" * 9}),
        "must be little or big"),
    # TorchScript
    Row("script", script(b"\x80\x02" + module({"x": tensor(), "n": b"K\1"}) + b"."), None),
    Row("module within itself", script(b"\x80\x02c__torch__\nA\n)\x81q\0}" + push("a") + b"h\0sb."),
        "a module within itself"),
    Row("2^100 paths through shared modules", script(
        b"\x80\x02" + module({}) + b"q\0" + b"0" + b"".join(
            b"c__torch__\nA\n)\x81}(" + push("a") + b"h\0" + push("b") + b"h\0ubq\0" for _ in range(60)
        ) + b"."), "too many modules"),
    Row("attribute with a dot", script(b"\x80\x02" + module({"a.x": tensor()}) + b"."),
        "not the name of an attribute"),
    Row("module with other state", script(b"\x80\x02c__torch__\nA\n)\x81)b."), "cannot be given"),
    Row("script of no module", script(b"\x80\x02K\1."), "does not hold a module"),
    Row("script that calls its class", script(b"\x80\x02c__torch__\nA\n)R."), "cannot be called"),
    # legacy
    Row("legacy, another mark", legacy(saved(x=legacy_tensor()), mark=5), "not a file of torch.save"),
    Row("legacy, another version", legacy(saved(x=legacy_tensor()), version=1000),
        "not a file that torch.save wrote"),
    Row("legacy, view", legacy(saved(x=legacy_tensor(view=("v", 1, 2), shape=(2,)))), None, True,
        {"x": FOUR[1:3]}),
    Row("legacy, beyond a view", legacy(saved(x=legacy_tensor(view=("v", 1, 2), shape=(3,)))),
        "needs 3 numbers; its storage has 2"),
    Row("legacy, view beyond the storage", legacy(saved(x=legacy_tensor(view=("v", 3, 2), shape=(1,)))),
        "a view of 2 numbers at 3 of a storage of 4", True),
    Row("legacy, storage not in the list",
        legacy(saved(x=legacy_tensor()), storages=(), keys=[]), "does not fit what was saved", True),
    Row("legacy, storage twice in the list", legacy(saved(x=legacy_tensor()), keys=["0", "0"]),
        "does not fit what was saved"),
    Row("legacy, list is no list", legacy(saved(x=legacy_tensor()), keys={"0": 1}), "is damaged", True),
    Row("legacy, another size", legacy(saved(x=legacy_tensor()), storages=(("0", FOUR[:3]),)),
        "should have 4 numbers; the file says 3"),
    Row("legacy, bytes after the end: torch does not look", legacy(saved(x=legacy_tensor())) + b"x",
        "1 bytes follow", True),
    Row("legacy, forbidden name", legacy(b"\x80\x02cos\nsystem\n0N."), "os.system"),
    Row("legacy, whole module", legacy(b"\x80\x02(" + push("module") + b"cM\nM\nNNtQ."), "M.M"),
    # other files
    Row("empty file", b"", "not a file of torch.save"),
    Row("bare pickle", pickle.dumps({"x": 1}), "not a file of torch.save"),
    Row("tar-era file", bytes(257) + b"ustar" + bytes(500), "before 2017"),
    Row("HTML", b"<!DOCTYPE html>", "not a file of torch.save"),
]  # fmt: skip


def with_torch(path):
    try:
        return torch.load(path, weights_only=True)
    except Exception:
        return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row, tmp_path):
    path = tmp_path / "m.bin"
    path.write_bytes(row.content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = with_torch(path)
    assert (theirs is not None) == row.torch_reads
    if row.message is not None:
        with pytest.raises(InputError, match=r"m\.bin: .*" + row.message):
            read_torch_file(path)
        return
    got = read_torch_file(path)
    assert got.keys() == row.want.keys()
    np.testing.assert_array_equal(got["x"], row.want["x"], strict=True)
    if theirs is not None:
        np.testing.assert_array_equal(got["x"], theirs["x"].numpy(), strict=True)


def read_or_refuse(path, content):
    path.write_bytes(content)
    try:
        return read_torch_file(path)
    except InputError as error:
        assert str(path) in str(error)
        return None


TINY = {
    "zip": archive(saved(a=tensor(), b=tensor(shape=(2,)))),
    "legacy": legacy(saved(a=legacy_tensor(), b=legacy_tensor(shape=(2,)))),
}


@pytest.mark.parametrize("form", TINY)
def test_every_truncation_is_refused(form, tmp_path):
    assert read_or_refuse(tmp_path / "whole", TINY[form]).keys() == {"a", "b"}
    for length in range(len(TINY[form])):
        assert read_or_refuse(tmp_path / "cut", TINY[form][:length]) is None, length


def flips(content, masks):
    for place in range(len(content)):
        for mask in masks:
            damaged = bytearray(content)
            damaged[place] ^= mask
            yield place, bytes(damaged)


def assert_flips_change_nothing_or_are_refused(content, masks, path):
    want = read_or_refuse(path, content)
    read = 0
    for place, damaged in flips(content, masks):
        got = read_or_refuse(path, damaged)
        if got is not None:
            read += 1
            assert got.keys() == want.keys(), place
            for name, x in want.items():
                np.testing.assert_array_equal(got[name], x, strict=True)
    assert read > 0  # padding, dates, and what nobody needs


def test_every_byte_flip_of_an_archive_changes_nothing_or_is_refused(tmp_path):
    """The check sums see to it: torch, which does not look at them, reads other numbers."""
    assert_flips_change_nothing_or_are_refused(TINY["zip"], [255], tmp_path / "m.pt")


def test_every_byte_flip_of_an_old_file_ends_in_a_result_or_one_error(tmp_path):
    assert any(
        read_or_refuse(tmp_path / "m.pt", damaged) for _, damaged in flips(TINY["legacy"], [1, 255])
    )


@pytest.mark.slow
def test_every_flip_and_truncation_of_files_that_torch_wrote(tmp_path):
    tensors = {"a": torch.arange(3.0), "b": torch.ones(1, dtype=torch.bool)}
    for zip_format in (True, False):
        torch.save(tensors, tmp_path / "m.pt", _use_new_zipfile_serialization=zip_format)
        content = (tmp_path / "m.pt").read_bytes()
        for length in range(len(content)):
            assert read_or_refuse(tmp_path / "cut.pt", content[:length]) is None
        if zip_format:
            assert_flips_change_nothing_or_are_refused(content, [1, 128, 255], tmp_path / "m.pt")
            continue
        for _, damaged in flips(content, [1 << bit for bit in range(8)]):
            read_or_refuse(tmp_path / "m.pt", damaged)


def test_every_byte_flip_of_a_script(tmp_path):
    content = script(b"\x80\x02" + module({"x": tensor(), "n": module({"y": tensor()})}) + b".")
    for length in range(0, len(content), 5):
        assert read_or_refuse(tmp_path / "cut", content[:length]) is None
    for _, damaged in flips(content, [32]):
        read_or_refuse(tmp_path / "file", damaged)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_random_descriptions_of_tensors(tmp_path_factory, data):
    """Any numbers in a tensor's description: an error, or what numpy's own indexing gives."""
    number = st.sampled_from([0, 1, 2, 3, 4, 2**31, 2**63, -1])
    shape = tuple(data.draw(st.lists(number, max_size=3)))
    strides = tuple(data.draw(st.lists(number, min_size=len(shape), max_size=len(shape))))
    offset = data.draw(number)
    path = tmp_path_factory.mktemp("random") / "m.bin"
    got = read_or_refuse(
        path, archive(saved(x=tensor(offset=offset, shape=shape, strides=strides)))
    )
    fits = min((0, offset, *shape, *strides)) >= 0
    places = [offset + sum(i * s for i, s in zip(index, strides, strict=True))
              for index in np.ndindex(shape)] if fits and max(shape, default=0) < 5 else []  # fmt: skip
    if got is None:
        assert not fits or 2**31 in shape or 2**63 in (*shape, *strides, offset) or max(places) > 3
    else:
        assert got["x"].shape == shape
        np.testing.assert_array_equal(got["x"].ravel(), FOUR[places])


def test_file_that_is_no_file(tmp_path):
    (tmp_path / "link.pt").symlink_to(tmp_path / "m.pt")
    for name in ("missing.pt", "link.pt", "a\0b"):
        with pytest.raises(InputError):
            read_torch_file(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file"):
        read_torch_file(tmp_path)
    (tmp_path / "m.pt").write_bytes(OK)
    assert read_torch_file(tmp_path / "link.pt").keys() == {"x"}


def test_crc_of_the_sweep_is_real():
    with zipfile.ZipFile(io.BytesIO(OK)) as file:
        assert file.getinfo("m/data/0").CRC == zlib.crc32(FOUR.tobytes())
