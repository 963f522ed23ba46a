"""What Python's own JSON parser lets through, and ours does not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.errors import InputError
from refimpl.strict_json import MAX_DEPTH, parse_json, read_json

REFUSED = {
    "empty": b"",
    "cut": b'{"a": 1',
    "two documents": b"{} {}",
    "trailing comma": b'{"a": 1,}',
    "comment": b'{"a": 1} // one',
    "single quotes": b"{'a': 1}",
    "key twice": b'{"a": 1, "a": 1}',
    "key twice, deep": b'{"x": [{"a": 1, "b": 2, "a": 1}]}',
    "NaN": b'{"a": NaN}',
    "-Infinity": b'{"a": -Infinity}',
    "float overflow": b'{"a": 1e999}',
    "10 000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate in a key": b'{"\\udfff": 1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "bad UTF-8": b'{"a": "\xff"}',
    "NUL after the end": b"{}\0",
    "raw newline in a string": b'{"a": "\n"}',
    "too deep": b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
    "far too deep": b'{"a":' * 200_000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refused(data):
    with pytest.raises(InputError, match=r"^config\.json: "):
        parse_json(data, "config.json")


def test_accepted_like_python():
    text = '{"a": [1, -2.5, 1e5, true, null, "\\ud83d\\ude00 é"], "b": {"a": 10000000000000000}}'
    assert parse_json(text.encode(), "x") == json.loads(text)
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deep.encode(), "x") == json.loads(deep)
    sentinel = 1000000000000000019884624838656  # "no limit" in tokenizer configs
    assert parse_json(str(sentinel).encode(), "x") == sentinel


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.booleans(),
)  # fmt: skip
def test_whatever_python_writes_comes_back(value, ascii_only):
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert parse_json(data, "x") == value


def test_file_above_the_limit(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert read_json(path, 8) == {"a": 1}
    with pytest.raises(InputError, match=r"a\.json: larger than 7 bytes"):
        read_json(path, 7)
