"""Pickles that are data become that data; pickles that are programs end in one InputError.

The judge of the data is Python's own pickle. The programs are those that attack it: each runs there
(into a harmless file), and here none does.
"""

import collections
import os
import pickle
import pickletools
import struct
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refimpl.checkpoints import pickle_machine, pickle_stack
from refimpl.checkpoints.pickle_machine import run_pickle
from refimpl.checkpoints.pickle_stack import Global, Record
from refimpl.errors import InputError

GLOBALS = {
    ("collections", "OrderedDict"): Global("collections.OrderedDict", lambda arguments: {}),
    ("m", "Class"): Global("m.Class", makes_records=True),
    ("m", "constant"): Global("m.constant"),
}


def read(data):
    value, end = run_pickle(
        data, 0, "x.bin", lambda module, name: GLOBALS.get((module, name)), lambda key: ("id", key)
    )
    assert end <= len(data)
    return value


KEYS = st.integers(-(2**63), 2**64 - 1)  # longer ones are refused
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])) | KEYS, inner)
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(PLAIN, st.integers(1, 5))
def test_plain_values_as_pickle_reads_them(value, protocol):
    data = pickle.dumps(value, protocol)
    got = read(data)
    assert got == value and type(got) is type(value)


@given(st.binary(max_size=300), st.integers(3, 5))
def test_bytes(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(1, 6))
def test_sharing_and_cycles(protocol):
    shared = [1]
    cycle = [shared, shared, {"again": shared}]
    cycle.append(cycle)
    got = read(pickle.dumps(cycle, protocol))
    assert got[0] is got[1] is got[2]["again"] and got[3] is got
    long = [{"key": i} for i in range(2000)]  # memo numbers of four bytes; several frames
    assert read(pickle.dumps(long, protocol)) == long


def test_ordered_dict_and_its_attributes():
    value = collections.OrderedDict(b=1, a=2)
    value._metadata = {"version": 1}
    assert list(read(pickle.dumps(value, 2)).items()) == [("b", 1), ("a", 2)]


def test_text_of_python_2_and_numbers_of_protocol_1():
    assert read(b"U\x03abc.") == "abc"
    assert read(b"T\x03\0\0\0abc.") == "abc"
    assert read(b"(I01\nI00\nI-3\nL12L\nt.") == (True, False, -3, 12)


def test_an_object_is_a_record_of_attributes():
    got = read(b"cm\nClass\n)\x81}X\x01\0\0\0aK\x03sb.")
    assert type(got) is Record and got.class_name == "m.Class" and got.attributes == {"a": 3}


# --- programs

os_system = ("posix" if os.name == "posix" else "nt") + "\nsystem\n"


class Reduces:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


class NewObject:
    def __reduce_ex__(self, protocol):
        import copyreg

        return copyreg.__newobj__, (dict,)


def attacks(canary):
    """Name -> (a pickle that writes the file `canary` when pickle loads it, whether it really does)."""
    call = f"open({str(canary)!r}, 'w').close()"
    text = call.encode()
    unicode = b"X" + struct.pack("<I", len(text)) + text
    shell = b"touch " + os.fsencode(canary)
    return {
        **{
            f"reduce to os.system, protocol {protocol}": pickle.dumps(
                Reduces(os.system, (shell.decode(),)), protocol
            )
            for protocol in range(6)
        },
        "eval": pickle.dumps(Reduces(eval, (call,)), 2),
        "exec": pickle.dumps(Reduces(exec, (call,)), 4),
        "getattr of a module": b"\x80\x04cbuiltins\ngetattr\n(cos\npath\nX\2\0\0\0ostRX\6\0\0\0systemR.",
        "dotted name": b"\x80\x04\x8c\2os\x8c\x0bpath.exists\x93.",
        "import with STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + unicode + b"\x85R.",
        "name made of allowed halves": b"\x80\x04\x8c\x0bcollections\x8c\x0eOrderedDict.fromkeys\x93.",
        "module with a line break": b"\x80\x04\x8c\x14collections\nOrderedDi\x8c\x02ct\x93.",
        "INST": b"(" + unicode + b"ibuiltins\nexec\n.",
        "OBJ": b"(cbuiltins\nexec\n" + unicode + b"o.",
        "NEWOBJ": b"\x80\x02cbuiltins\nbytearray\n" + unicode + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04cbuiltins\ndict\n)}\x92.",
        "BUILD with __setstate__": b"\x80\x02cbuiltins\nexec\n}X\x0c\0\0\0__setstate__cos\nsystem\nsb.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT2": b"\x80\x02\x83\x01\0.",
        "EXT4": b"\x80\x02\x84\x01\0\0\0.",
        "a name that is never used": b"\x80\x02cos\nsystem\n0N.",
        "an allowed class with a forbidden method": b"ccollections\nOrderedDict.__init__\n.",
        "numpy's way back into pickle": b"\x80\x02cnumpy\nload\n.",
        "torch's way back into pickle": b"\x80\x02ctorch.storage\n_load_from_bytes\n(C\x01.tR.",
        "operator.attrgetter": b"\x80\x02coperator\nattrgetter\n(X\6\0\0\0systemtR.",
        "functools.partial": b"\x80\x02cfunctools\npartial\n(cos\nsystem\ntR.",
        "importlib": b"\x80\x02cimportlib\nimport_module\n(X\2\0\0\0ostR.",
    }  # fmt: skip


NAMES = list(attacks(Path("x")))


@pytest.mark.parametrize("name", NAMES)
def test_program_is_refused_and_did_not_run(name, tmp_path):
    canary = tmp_path / "ran"
    with pytest.raises(InputError, match=r"^x\.bin: pickle, byte \d+ \([A-Z0-9_]+\): "):
        read(attacks(canary)[name])
    assert not canary.exists()


@pytest.mark.parametrize("name", ["eval", "exec", "INST", "OBJ", "import with STACK_GLOBAL"])
def test_the_programs_are_real(name, tmp_path):
    """A test of the tests: Python's own pickle runs them."""
    pickle.loads(attacks(tmp_path / "ran")[name])
    assert (tmp_path / "ran").exists()


def test_the_message_names_what_and_where():
    with pytest.raises(
        InputError, match=r"byte 3 \(GLOBAL\): names os\.system, which is not on .*nothing was run"
    ):
        read(b"\x80\x02Ncos\nsystem\n.")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"byte 0 .*the pickle ends here"),
        (b"N", "byte 1 .*ends here"),
        (b".", "empty stack"),
        (b"K", "ends here, but 1 more"),
        (b"(.", "empty stack"),
        (b"K\x01(0.", "empty stack"),  # a mark hides what is below it
        (b"t.", "needs a mark"),
        (b"\x85.", "empty stack"),
        (b"s.", "empty stack"),
        (b"]K\1K\2s.", "needs a dict on the stack, got a list"),
        (b"}K\1a.", "needs a list on the stack, got a dict"),
        (b"})K\1s.", "a tuple as the key of a dict"),
        (b"}]K\1s.", "a list as the key of a dict"),
        (b"}(K\1u.", "a key without a value"),
        (b"(K\1d.", "a key without a value"),
        (b"h\x05.", "no value number 5"),
        (b"j\xff\xff\xff\xff.", "no value number 4294967295"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "a frame longer than the file"),
        (b"\x8b\x00\xca\x9a\x3b", "a whole number of 1,000,000,000 bytes"),
        (b"\x8a\xff" + b"1" * 255 + b".", "a whole number of 255 bytes"),
        (b"X\xff\xff\xff\x7fabc.", "ends here, but 2,147,483,647 more"),
        (b"\x8d" + b"\xff" * 8 + b"abc.", "ends here, but 18,446,744,073,709,551,615 more"),
        (b"\x8e" + b"\0" * 7 + b"\x80abc.", "ends here"),
        (b"X\x01\0\0\0\xff.", "not UTF-8"),
        (b"X\x03\0\0\0\xed\xa0\x80.", "not UTF-8"),  # a lone surrogate
        (b"I12", "a line of more than"),
        (b"I" + b"9" * 5000 + b"\n.", "a line of more than 80 bytes"),
        (b"I1_0\n.", "not a whole number"),
        (b"I\n.", "not a whole number"),
        (b"L\xc2\xb2L\n.", "not a whole number"),  # a digit to Python, not to int()
        (b"c" + b"a" * 5000 + b"\nb\n.", "a line of more than 256 bytes"),
        (b"K\1K\2\x93.", "a name must be text"),
        (b"K\1)R.", "a int cannot be called"),
        (b"cm\nconstant\n)R.", "m.constant cannot be called"),
        (b"ccollections\nOrderedDict\nK\1R.", "arguments must be a tuple"),
        (b"ccollections\nOrderedDict\n)\x81.", "no object can be made of collections.OrderedDict"),
        (b"cm\nClass\nK\1\x85\x81.", "no object can be made of m.Class"),
        (b"cm\nClass\n)\x81K\1b.", "cannot be given attributes by a int"),
        (b"]}b.", "a list cannot be given attributes"),
        (b"\x8f.", r"EMPTY_SET\): .*is not read"),
        (b"\x96" + b"\0" * 8 + b".", r"BYTEARRAY8\): .*is not read"),
        (b"\x97.", r"NEXT_BUFFER\): .*is not read"),
        (b"F1.5\n.", r"FLOAT\): .*is not read"),
        (b"Pabc\n.", r"PERSID\): .*is not read"),
        (b"\xfe.", "unknown opcode"),
    ],
)
def test_broken_pickle(data, message):
    with pytest.raises(InputError, match=message):
        read(data)


def within(seconds, data):
    start = time.process_time()
    try:
        read(data)
    except InputError:
        pass
    assert time.process_time() - start < seconds


COUNT = 30_000
BOMBS = {
    "marks": b"(" * COUNT,
    "nested lists": b"(" * COUNT + b"l" * COUNT + b".",
    "nested tuples": b")" + b"\x85" * COUNT + b".",
    "nested dicts": b"(K\1" * COUNT + b"N" + b"d" * COUNT + b".",
    "a list many times in itself": b"]q\0(" + b"h\0" * COUNT + b"e.",
    "memo": b"N" + b"".join(b"r" + struct.pack("<I", 2**32 - 1 - i) for i in range(COUNT)) + b".",
    "duplicates of a long text": b"(X\0\0\1\0" + b"a" * 65536 + b"2" * COUNT + b"t.",
    "one long list as the argument of many calls":
        b"](" + b"N" * COUNT + b"e\x85q\0" + b"0ccollections\nOrderedDict\nh\0R" * COUNT + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(name):
    within(5, BOMBS[name])


def test_limit_of_steps(monkeypatch):
    monkeypatch.setattr(pickle_stack, "MAX_STEPS", 1000)
    with pytest.raises(InputError, match="more than 1,000 steps"):
        read(b"N" * 2000 + b".")
    many = b"](" + b"N" * 400 + b"e\x85q\0"  # the calls go through the list again and again
    with pytest.raises(InputError, match="more than 1,000 steps"):
        read(many + b"ccollections\nOrderedDict\nh\0R" * 5 + b".")


# --- anything

ARGUMENTS = {
    "uint1": st.binary(min_size=1, max_size=1),
    "uint2": st.binary(min_size=2, max_size=2),
    "int4": st.binary(min_size=4, max_size=4),
    "uint4": st.sampled_from([b"\0\0\0\0", b"\1\0\0\0", b"\xff\xff\xff\xff"]),
    "uint8": st.sampled_from([b"\0" * 8, b"\1" + b"\0" * 7, b"\xff" * 8]),
    "float8": st.binary(min_size=8, max_size=8),
}
KNOWN_NAMES = st.sampled_from(
    [b"collections\nOrderedDict\n", b"m\nClass\n", b"m\nconstant\n", b"os\nsystem\n", b"a\nb"]
)


def draw_argument(draw, opcode):
    name = opcode.arg.name if opcode.arg else None
    if name is None:
        return b""
    if name in ARGUMENTS:
        return draw(ARGUMENTS[name])
    if opcode.name in ("GLOBAL", "INST"):
        return draw(KNOWN_NAMES)
    if name in ("unicodestring1", "bytes1", "string1", "long1"):
        text = draw(st.sampled_from([b"", b"m", b"Class", b"\xff"]))
        return bytes([len(text)]) + text
    return draw(st.sampled_from([b"1\n", b"00\n", b"1L\n", b"\0\0\0\0", b"\1\0\0\0a", b""]))


@st.composite
def programs(draw):
    opcodes = draw(st.lists(st.sampled_from(pickletools.opcodes), max_size=30))
    parts = [each.code.encode("latin-1") + draw_argument(draw, each) for each in opcodes]
    return b"".join(parts) + b"."


@settings(max_examples=300, deadline=None)
@given(programs())
@example(b"(((()ttt.")
def test_any_program_ends_in_a_value_or_in_one_error(data):
    try:
        read(data)
    except InputError as error:
        assert str(error).startswith("x.bin: pickle, byte ")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_value_or_in_one_error(data):
    try:
        read(data)
    except InputError:
        pass


def test_every_opcode_is_known():
    """Refused or read, none is forgotten: the message can name each."""
    table = {each.code.encode("latin-1") for each in pickletools.opcodes}
    assert table == set(pickle_machine._OPCODES)
