"""Fetch a picture file from the web: bounded in size and time, over http and https alone.

Called by any_source.py. Uses the library `requests` (the extra "web"), so that certificates,
proxies and connections are not our own work. What arrives is opened by load.py like any
stranger's file.
"""

import time
from typing import Any
from urllib.parse import urljoin, urlsplit

from refimpl.errors import InputError

MAX_BYTES = 64 * 2**20
"""The most that is fetched: a photograph of 89 million pixels as JPEG is about 40 MB."""

MAX_REDIRECTS = 5
DEFAULT_TIMEOUT = 60.0

_CHUNK = 65_536


def fetch(url: str, *, timeout: Any = None, max_bytes: int = MAX_BYTES) -> bytes:
    """Fetch one file.

    Args:
        url: an http or https address; so must be every address that it redirects to.
        timeout: seconds for each wait and for the whole; None is 60. (In upstream None waits for
            ever.)
        max_bytes: the most that is read.

    Raises:
        InputError: another kind of address, a server that cannot be reached or says no, too many
            redirects, too large or too slow a file, or the library is missing.
    """
    requests = _library()
    limit = _checked(timeout)
    deadline = time.monotonic() + limit
    here = url
    for _ in range(MAX_REDIRECTS + 1):
        _check_address(here, url)
        try:
            with requests.get(
                here,
                stream=True,
                allow_redirects=False,
                timeout=limit,
                headers={"Accept-Encoding": "identity", "User-Agent": "refimpl"},
            ) as answer:
                if answer.is_redirect:
                    here = urljoin(here, answer.headers["Location"])
                    continue
                _check_answer(answer, url, max_bytes)
                return _body(answer.raw, url, deadline, limit, max_bytes)
        except InputError:
            raise
        except requests.exceptions.Timeout as error:
            raise InputError(f"{_short(url)}: no answer within {limit:g} seconds") from error
        except (OSError, ValueError) as error:  # OSError: all that requests raises
            raise InputError(f"{_short(url)}: cannot be fetched: {_short(str(error))}") from error
    raise InputError(f"{_short(url)}: redirects more than {MAX_REDIRECTS} times")


def _check_address(here: str, url: str) -> None:
    try:
        scheme, host = urlsplit(here).scheme, urlsplit(here).hostname
    except ValueError as error:
        raise InputError(f"{_short(url)}: not an address: {_short(str(error))}") from error
    if scheme not in ("http", "https") or not host:
        via = "" if here == url else f", and this redirects to {_short(here)!r}"
        raise InputError(f"{_short(url)}: only http and https addresses are fetched{via}")


def _check_answer(answer: Any, url: str, max_bytes: int) -> None:
    if answer.status_code != 200:
        raise InputError(f"{_short(url)}: the server answers {answer.status_code} {answer.reason}")
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise InputError(f"{_short(url)}: the server sends {coding!r}, which was not asked for")
    length = answer.headers.get("Content-Length", "0")
    if length.isdecimal() and len(length) < 20 and int(length) > max_bytes:
        raise InputError(f"{_short(url)}: {length} bytes; at most {max_bytes} are fetched")


def _body(raw: Any, url: str, deadline: float, limit: float, max_bytes: int) -> bytes:
    """Read what comes, as it comes, so that a server that dribbles cannot hold us."""
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    found = bytearray()
    try:
        while chunk := raw.read1(_CHUNK, decode_content=False):
            found += chunk
            if len(found) > max_bytes:
                raise InputError(f"{_short(url)}: more than {max_bytes} bytes, the most fetched")
            if time.monotonic() > deadline:
                raise InputError(f"{_short(url)}: not there after {limit:g} seconds")
    except ReadTimeoutError as error:
        raise InputError(f"{_short(url)}: no answer within {limit:g} seconds") from error
    except HTTPError as error:
        raise InputError(f"{_short(url)}: broke off: {_short(str(error))}") from error
    return bytes(found)


def _checked(timeout: Any) -> float:
    if timeout is None:
        return DEFAULT_TIMEOUT
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not number or not 0 < timeout < 1e6:
        raise InputError(f"timeout must be seconds above 0, or None; got {timeout!r}")
    return float(timeout)


def _library() -> Any:
    try:
        import requests

        return requests
    except ImportError as error:
        raise InputError(
            "fetching a picture needs the library requests: pip install 'clip-refimpl[web]', or "
            "download the file and give its path"
        ) from error


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."
