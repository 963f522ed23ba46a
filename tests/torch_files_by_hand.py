"""PyTorch files byte by byte: pickles by hand, archives by Python's zipfile.

For the tests of files that lie, which torch itself would not write.
"""

import io
import pickle
import pickletools
import struct
import warnings
import zipfile

import numpy as np

FOUR = np.arange(1, 5, dtype=np.float32)
FOUR_BYTES = FOUR.tobytes()


def push(value):
    """The opcodes that push a plain value."""
    return pickletools.optimize(pickle.dumps(value, 2))[2:-1]  # no traffic with the memo


def tensor(
    storage=b"ctorch\nFloatStorage\n", key="0", size=4, offset=0, shape=(4,), strides=(1,),
    function=b"ctorch._utils\n_rebuild_tensor_v2\n", end=b"\x89ccollections\nOrderedDict\n)R",
    persistent=None,
):  # fmt: skip
    """The opcodes that push a tensor."""
    name = b"(" + push("storage") + storage + push(key) + push("cpu") + push(size) + b"t"
    place = (name if persistent is None else persistent) + b"Q"
    return function + b"(" + place + push(offset) + push(shape) + push(strides) + end + b"tR"


def saved(**tensors):
    """A pickle of a dict of tensors."""
    items = b"".join(push(name) + opcodes for name, opcodes in tensors.items())
    return b"\x80\x02}(" + items + b"u."


def archive(pkl, more=None, data=FOUR_BYTES, **options):
    entries = {"m/data.pkl": pkl, "m/data/0": data, "m/version": b"3\n", **(more or {})}
    return zipped([(name, raw) for name, raw in entries.items() if raw is not None], **options)


def zipped(entries, packed=(), comment=b""):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        for name, raw in entries:
            method = zipfile.ZIP_DEFLATED if name in packed else zipfile.ZIP_STORED
            file.writestr(zipfile.ZipInfo(name), raw, method)
        file.comment = comment
    return made.getvalue()


def patched(content, old, new, which=None):
    """Replace bytes: everywhere, or only the first or the last place."""
    assert old in content and len(old) == len(new)
    if which is None:
        return content.replace(old, new)
    place = content.find(old) if which == "first" else content.rfind(old)
    return content[:place] + new + content[place + len(old) :]


def legacy(pkl, storages=(("0", FOUR),), keys=None, mark=0x1950A86A20F9469CFC6C, version=1001):
    keys = [key for key, _ in storages] if keys is None else keys
    parts = [pickle.dumps(mark, 2), pickle.dumps(version, 2), pickle.dumps({}, 2), pkl]
    parts.append(pickle.dumps(keys, 2))
    for _, data in storages:
        parts += [struct.pack("<q", len(data)), data.tobytes()]
    return b"".join(parts)


def legacy_tensor(view=None, **changes):
    name = b"(" + push("storage") + b"ctorch\nFloatStorage\n" + push(changes.pop("key", "0"))
    persistent = name + push("cpu") + push(changes.pop("size", 4)) + push(view) + b"t"
    return tensor(persistent=persistent, **changes)


def with_crc(content, name, crc):
    """Overwrite the CRC of an entry in both places where it stands."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        old = struct.pack("<L", file.getinfo(name).CRC)
    return patched(content, old, struct.pack("<L", crc))


def script(pkl, **more):
    entries = {"m/constants.pkl": b"\x80\x02).", "m/code/__torch__.py": b"raise SystemExit"}
    return archive(pkl, {**entries, **more})


def module(attributes):
    """A pickle of a TorchScript module with these attributes."""
    items = b"".join(push(name) + opcodes for name, opcodes in attributes.items())
    return b"c__torch__.a\nB\n)\x81}(" + items + b"ub"
