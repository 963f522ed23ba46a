"""The pickle format without pickle: a small machine that can only build plain values.

A pickle is a program for a machine with a stack: "push this text, push that dict, call this
function with those arguments". Python's own machine imports and calls whatever the program names,
which is why a pickle from a stranger can do anything. This one imports nothing and calls nothing
of Python's: a name is looked up in the caller's short list of `Global`s, and any other name ends
in an InputError at once, used or not. It makes None, bool, int, float, str, bytes, tuple, list,
dict, what the listed globals make of their arguments, and `Record`s: attributes without a class.

The opcodes are in the table below; what each does is in pickle_stack.py. Called by torch_file.py;
the list of names is torch_globals.py. Source: Lib/pickletools.py of Python 3.13, protocols
0 to 5. Opcodes that only protocol 0 writes, sets, buffers, and the roundabout ways to call
something (INST, OBJ, NEWOBJ_EX, EXT1, EXT2, EXT4) are refused; no weight file needs them.
The machine is a loop: no depth of nesting, cycle or length in the file makes it recurse, allocate
ahead of the bytes it has seen, or take more than MAX_STEPS steps.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from refimpl.checkpoints.pickle_stack import Global, Machine
from refimpl.errors import InputError

__all__ = ["run_pickle"]


def run_pickle(
    data: bytes,
    begin: int,
    where: str,
    find_global: Callable[[str, str], Global | None],
    load_persistent: Callable[[Any], Any],
) -> tuple[Any, int]:
    """Read the pickle that begins at byte `begin`.

    Args:
        data: the bytes; more may follow the pickle.
        begin: where it begins.
        where: names the file in error messages.
        find_global: the allow-list; None for a name that is not on it.
        load_persistent: turns a persistent id (PyTorch's way to name a storage) into a value.

    Returns:
        The value, and where the pickle ends.

    Raises:
        InputError: the pickle is cut short or damaged, names something that is not allowed, or
            breaks a limit. The message has the byte and the opcode.
    """
    machine = Machine(data, begin, find_global, load_persistent)
    try:
        return _run(machine), machine.position
    except InputError as error:
        opcode = _OPCODES.get(data[machine.at : machine.at + 1], ("unknown opcode",))[0]
        raise InputError(f"{where}: pickle, byte {machine.at} ({opcode}): {error}") from error


def _run(machine: Machine) -> Any:
    while True:
        machine.at = machine.position
        machine.charge(1)
        opcode = machine.take(1)
        if opcode == b".":
            return machine.pop()
        _, action = _OPCODES.get(opcode, ("", None))
        if action is None:
            raise InputError(f"{opcode!r} is not read here: no file of weights needs it")
        action(machine)


def _push(make: Callable[[], Any]) -> Callable[[Machine], object]:
    return lambda machine: machine.stack.append(make())


def _push_text(length_bytes: int) -> Callable[[Machine], object]:
    return lambda m: m.stack.append(m.text(m.take(m.unsigned(length_bytes))))


def _push_bytes(length_bytes: int) -> Callable[[Machine], object]:
    return lambda m: m.stack.append(m.take(m.unsigned(length_bytes)))


def _protocol(machine: Machine) -> None:
    protocol = machine.unsigned(1)
    if protocol > 5:
        raise InputError(f"protocol {protocol}; those up to 5 are known")


def _frame(machine: Machine) -> None:
    if machine.unsigned(8) > len(machine.data) - machine.position:
        raise InputError("a frame longer than the file")


_Action = Callable[[Machine], object]
_OPCODES: Mapping[bytes, tuple[str, _Action | None]] = {
    b"\x80": ("PROTO", _protocol),
    b"\x95": ("FRAME", _frame),
    b".": ("STOP", None),
    b"(": ("MARK", lambda m: m.marks.append(len(m.stack))),
    b"0": ("POP", Machine.pop),
    b"1": ("POP_MARK", Machine.pop_to_mark),
    b"2": ("DUP", lambda m: m.stack.append(m.top())),
    b"N": ("NONE", _push(lambda: None)),
    b"\x88": ("NEWTRUE", _push(lambda: True)),
    b"\x89": ("NEWFALSE", _push(lambda: False)),
    b"I": ("INT", lambda m: m.push_digits(long=False)),
    b"L": ("LONG", lambda m: m.push_digits(long=True)),
    b"J": ("BININT", lambda m: m.stack.append(int.from_bytes(m.take(4), "little", signed=True))),
    b"K": ("BININT1", lambda m: m.stack.append(m.unsigned(1))),
    b"M": ("BININT2", lambda m: m.stack.append(m.unsigned(2))),
    b"\x8a": ("LONG1", lambda m: m.push_long(1)),
    b"\x8b": ("LONG4", lambda m: m.push_long(4)),
    b"G": ("BINFLOAT", lambda m: m.stack.append(struct.unpack(">d", m.take(8))[0])),
    b"U": ("SHORT_BINSTRING", _push_text(1)),  # Python 2's text
    b"T": ("BINSTRING", _push_text(4)),
    b"\x8c": ("SHORT_BINUNICODE", _push_text(1)),
    b"X": ("BINUNICODE", _push_text(4)),
    b"\x8d": ("BINUNICODE8", _push_text(8)),
    b"C": ("SHORT_BINBYTES", _push_bytes(1)),
    b"B": ("BINBYTES", _push_bytes(4)),
    b"\x8e": ("BINBYTES8", _push_bytes(8)),
    b")": ("EMPTY_TUPLE", _push(tuple)),
    b"\x85": ("TUPLE1", lambda m: m.push_tuple(1)),
    b"\x86": ("TUPLE2", lambda m: m.push_tuple(2)),
    b"\x87": ("TUPLE3", lambda m: m.push_tuple(3)),
    b"t": ("TUPLE", lambda m: m.stack.append(tuple(m.pop_to_mark()))),
    b"]": ("EMPTY_LIST", _push(list)),
    b"l": ("LIST", lambda m: m.stack.append(m.pop_to_mark())),
    b"a": ("APPEND", Machine.append),
    b"e": ("APPENDS", Machine.extend),
    b"}": ("EMPTY_DICT", _push(dict)),
    b"d": ("DICT", Machine.push_dict),
    b"s": ("SETITEM", Machine.add_item),
    b"u": ("SETITEMS", Machine.add_items),
    b"q": ("BINPUT", lambda m: m.store(m.unsigned(1))),
    b"r": ("LONG_BINPUT", lambda m: m.store(m.unsigned(4))),
    b"\x94": ("MEMOIZE", lambda m: m.store(len(m.memo))),
    b"h": ("BINGET", lambda m: m.fetch(m.unsigned(1))),
    b"j": ("LONG_BINGET", lambda m: m.fetch(m.unsigned(4))),
    b"Q": ("BINPERSID", lambda m: m.stack.append(m.load_persistent(m.pop()))),
    b"c": ("GLOBAL", Machine.push_named_global),
    b"\x93": ("STACK_GLOBAL", Machine.push_global_from_stack),
    b"R": ("REDUCE", Machine.call),
    b"\x81": ("NEWOBJ", Machine.new_record),
    b"b": ("BUILD", Machine.build),
    # Known and refused.
    b"i": ("INST", None),
    b"o": ("OBJ", None),
    b"\x92": ("NEWOBJ_EX", None),
    b"\x82": ("EXT1", None),
    b"\x83": ("EXT2", None),
    b"\x84": ("EXT4", None),
    b"P": ("PERSID", None),
    b"p": ("PUT", None),
    b"g": ("GET", None),
    b"F": ("FLOAT", None),
    b"S": ("STRING", None),
    b"V": ("UNICODE", None),
    b"\x8f": ("EMPTY_SET", None),
    b"\x90": ("ADDITEMS", None),
    b"\x91": ("FROZENSET", None),
    b"\x96": ("BYTEARRAY8", None),
    b"\x97": ("NEXT_BUFFER", None),
    b"\x98": ("READONLY_BUFFER", None),
}
