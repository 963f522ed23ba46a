"""What the pickle machine of pickle_machine.py holds, and what each of its opcodes does there.

A stack with marks in it, a memo, and the values that a pickle may make: plain ones, what the listed
`Global`s make of their arguments, and `Record`s. Nothing here imports or calls anything of Python's
on behalf of the file. Each method checks what it takes from the stack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refimpl.errors import InputError

__all__ = ["MAX_NAME", "MAX_STEPS", "Global", "Machine", "Record", "check_key"]

MAX_STEPS = 2_000_000  # a tensor takes about 35; each step makes at most some 250 bytes
MAX_NAME = 256  # of a key, a module, a class or a storage; see check_key
_MAX_LINE = 80  # of a number written as digits
_MAX_INT_BYTES = 32  # the longest in a weight file is the 10 bytes of the old format's mark
_KEY_TYPES = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name that a pickle may use, and what stands for it here.

    Attributes:
        name: what it is called in messages.
        call: makes the value when the pickle calls it; takes one tuple, checks it itself, and
            raises InputError. None if it cannot be called.
        makes_records: whether the pickle may make an object of this class, as a `Record`.
    """

    name: str
    call: Callable[[tuple[Any, ...]], Any] | None = None
    makes_records: bool = False


@dataclass(slots=True, eq=False)
class Record:
    """An object of a class that is not looked up: its name, and the attributes the file gives."""

    class_name: str
    attributes: dict[Any, Any] | None = None


def check_key(key: Any) -> None:
    """Check that a value can be the key of a dict without a way to make the dict slow.

    The memo gives one long text back as often as the file likes, so two equal ones could be
    compared millions of times; and whole numbers whose hashes collide are easy to find once they
    may have more than 64 bits. To hash a tuple would recurse.

    Raises:
        InputError: it is not None, a bool, a float, a whole number of 64 bits, or a short text.
    """
    if type(key) not in _KEY_TYPES:
        raise InputError(f"{_kind(key)} as the key of a dict")
    if type(key) is str and len(key) > MAX_NAME:
        raise InputError(f"a text of {len(key):,} letters as the key of a dict")
    if type(key) is int and not -(2**63) <= key < 2**64:
        raise InputError("a whole number of more than 64 bits as the key of a dict")


class Machine:
    """The state of one run: where it reads, the stack, where the marks lie in it, the memo."""

    def __init__(
        self,
        data: bytes,
        begin: int,
        find_global: Callable[[str, str], Global | None],
        load_persistent: Callable[[Any], Any],
    ) -> None:
        self.data = data
        self.position = self.at = begin
        self.find_global = find_global
        self.load_persistent = load_persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0

    def charge(self, steps: int) -> None:
        """Count steps; a long list handed to a call counts as many."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise InputError(f"more than {MAX_STEPS:,} steps")

    # --- reading

    def take(self, count: int) -> bytes:
        """Read the next bytes."""
        end = self.position + count
        if end > len(self.data):
            raise InputError(f"the pickle ends here, but {count:,} more bytes must follow")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def unsigned(self, size: int) -> int:
        """Read a number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def line(self, longest: int) -> str:
        """Read text up to the end of the line, without it."""
        end = self.data.find(b"\n", self.position, self.position + longest + 1)
        if end < 0:
            raise InputError(f"a line of more than {longest} bytes, or without an end")
        return self.text(self.take(end + 1 - self.position)[:-1])

    @staticmethod
    def text(raw: bytes) -> str:
        """Decode text; a lone surrogate is none."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError("text that is not UTF-8") from error

    # --- the stack

    def pop(self) -> Any:
        """Take the top value; a mark hides what lies below it."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise InputError("takes a value from an empty stack")
        return self.stack.pop()

    def top(self, kind: type | None = None) -> Any:
        """Look at the top value, which must be of the type `kind` if that is given."""
        value = self.pop()
        self.stack.append(value)
        if kind is not None and type(value) is not kind:
            raise InputError(f"needs a {kind.__name__} on the stack, got {_kind(value)}")
        return value

    def pop_to_mark(self) -> list[Any]:
        """Take all values down to the last mark, and the mark."""
        if not self.marks:
            raise InputError("needs a mark on the stack")
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def push_tuple(self, length: int) -> None:
        """Make a tuple of the top values (TUPLE1, TUPLE2, TUPLE3)."""
        values = [self.pop() for _ in range(length)]
        self.stack.append(tuple(reversed(values)))

    # --- containers

    def set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        """Put keys and values, which lie in turn in `items`, into a dict."""
        if len(items) % 2:
            raise InputError("a key without a value")
        for key in items[::2]:
            check_key(key)
        target.update(zip(items[::2], items[1::2], strict=True))

    def push_dict(self) -> None:
        """Make a dict of the values down to the mark (DICT)."""
        items = self.pop_to_mark()
        self.stack.append({})
        self.set_items(self.stack[-1], items)

    def add_items(self) -> None:
        """Put the values down to the mark into the dict below it (SETITEMS)."""
        items = self.pop_to_mark()
        self.set_items(self.top(dict), items)

    def add_item(self) -> None:
        """Put one key and one value into the dict below them (SETITEM)."""
        value, key = self.pop(), self.pop()
        self.set_items(self.top(dict), [key, value])

    def append(self) -> None:
        """Put the top value into the list below it (APPEND)."""
        value = self.pop()
        self.top(list).append(value)

    def extend(self) -> None:
        """Put the values down to the mark into the list below it (APPENDS)."""
        values = self.pop_to_mark()
        self.top(list).extend(values)

    # --- the memo

    def store(self, index: int) -> None:
        """Remember the top value under a number (BINPUT, LONG_BINPUT, MEMOIZE)."""
        self.memo[index] = self.top()

    def fetch(self, index: int) -> None:
        """Push a value that was remembered (BINGET, LONG_BINGET)."""
        if index not in self.memo:
            raise InputError(f"there is no value number {index}")
        self.stack.append(self.memo[index])

    # --- numbers

    def push_digits(self, long: bool) -> None:
        """Push a whole number that is written as digits (INT, LONG)."""
        digits = self.line(_MAX_LINE)
        if not long and digits in ("00", "01"):  # how protocol 1 writes a bool
            self.stack.append(digits == "01")
            return
        digits = digits.removesuffix("L") if long else digits
        if not (digits.isascii() and digits.removeprefix("-").isdigit()):
            raise InputError(f"{digits!r} is not a whole number")
        self.stack.append(int(digits))

    def push_long(self, length_bytes: int) -> None:
        """Push a whole number of any length (LONG1, LONG4)."""
        length = self.unsigned(length_bytes)
        if length > _MAX_INT_BYTES:
            raise InputError(f"a whole number of {length:,} bytes")
        self.stack.append(int.from_bytes(self.take(length), "little", signed=True))

    # --- names, and what the file may do with them

    def push_named_global(self) -> None:
        """Push the global whose module and name follow in the file (GLOBAL)."""
        self.push_global(self.line(MAX_NAME), self.line(MAX_NAME))

    def push_global(self, module: str, name: str) -> None:
        """Push what stands for a name, which must be on the list."""
        if max(len(module), len(name)) > MAX_NAME:  # the memo could give it back without end
            raise InputError(f"a name of more than {MAX_NAME} letters")
        found = self.find_global(module, name)
        if found is None:
            raise InputError(
                f"names {module[:80]}.{name[:80]}, which is not on the short list of what a file "
                "of weights needs, and may be code; nothing was run. To get the weights "
                "alone, where you trust the file: torch.save(model.state_dict(), ...)"
            )
        self.stack.append(found)

    def push_global_from_stack(self) -> None:
        """Push the global whose module and name lie on the stack (STACK_GLOBAL)."""
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise InputError(f"a name must be text, got {_kind(module)} and {_kind(name)}")
        self.push_global(module, name)

    def arguments(self) -> tuple[Any, ...]:
        """Take the arguments of a call."""
        arguments = self.pop()
        if type(arguments) is not tuple:
            raise InputError(f"arguments must be a tuple, got {_kind(arguments)}")
        return arguments

    def call(self) -> None:
        """Call a global of the list (REDUCE)."""
        arguments, function = self.arguments(), self.pop()
        if type(function) is not Global or function.call is None:
            raise InputError(f"{_kind(function)} cannot be called")
        self.charge(sum(len(x) for x in arguments if type(x) in (list, tuple)))
        self.stack.append(function.call(arguments))

    def new_record(self) -> None:
        """Make an object of a class of the list, as a record (NEWOBJ)."""
        arguments, cls = self.arguments(), self.pop()
        if type(cls) is not Global or not cls.makes_records or arguments:
            raise InputError(f"no object can be made of {_kind(cls)}")
        self.stack.append(Record(cls.name))

    def build(self) -> None:
        """Give the top value its attributes (BUILD)."""
        state, target = self.pop(), self.top()
        if type(target) is dict:  # an OrderedDict's attributes: torch's notes on its versions
            return
        if type(target) is not Record or type(state) is not dict:
            raise InputError(f"{_kind(target)} cannot be given attributes by {_kind(state)}")
        target.attributes = state


def _kind(value: Any) -> str:
    return value.name if type(value) is Global else f"a {type(value).__name__}"
