"""Fetch a picture file from the web: bounded in size and time, over http and https alone.

Called by any_source.py. Uses the library `requests` (the extra "web"), so that certificates,
proxies and connections are not our own work. What arrives is opened by load.py like any
stranger's file.
"""

import queue
import re
import threading
import time
import traceback
from typing import Any
from urllib.parse import urljoin, urlsplit

from refimpl.errors import InputError

MAX_BYTES = 64 * 2**20
"""The most that is fetched: a photograph of 89 million pixels as JPEG is about 40 MB."""

MAX_REDIRECTS = 5
DEFAULT_TIMEOUT = 60.0

_CHUNK = 65_536
_LOGIN = re.compile(r"//[^/?#\s]*@")


def fetch(url: str, *, timeout: Any = None, max_bytes: int = MAX_BYTES) -> bytes:
    """Fetch one file.

    It is fetched by a thread of its own. `requests` bounds each wait and not their sum, so a
    server that sends its headers byte by byte could hold the caller for ever. When the time is
    over the caller gets the error, and the thread ends with its connection.

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
    _check_address(url, url)
    found: queue.Queue[bytes | Exception] = queue.Queue()

    def work() -> None:
        try:
            found.put(_fetched(requests, url, limit, max_bytes))
        except Exception as error:  # raised again where the caller waits
            found.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = found.get(timeout=limit)
    except queue.Empty as error:
        raise InputError(f"{shown(url)}: not there after {limit:g} seconds") from error
    if isinstance(answer, bytes):
        return answer
    try:
        raise answer
    finally:
        del answer  # else it would hold this frame, and this frame it, with an open socket


def _fetched(requests: Any, url: str, limit: float, max_bytes: int) -> bytes:
    deadline = time.monotonic() + limit
    here = url
    try:
        for _ in range(MAX_REDIRECTS + 1):
            _check_address(here, url)
            _check_time(url, deadline, limit)
            with requests.Session() as session, _sent(session, requests, here, limit) as answer:
                if answer.is_redirect:
                    here = urljoin(here, answer.headers["Location"])
                    continue
                _check_answer(answer, url, max_bytes)
                return _body(answer.raw, url, deadline, limit, max_bytes)
    except InputError:
        raise
    except requests.exceptions.Timeout as error:
        _let_go(error)
        raise InputError(f"{shown(url)}: no answer within {limit:g} seconds") from error
    except (OSError, ValueError) as error:  # OSError: all that requests raises
        _let_go(error)
        raise InputError(f"{shown(url)}: cannot be fetched: {shown(str(error))}") from error
    raise InputError(f"{shown(url)}: redirects more than {MAX_REDIRECTS} times")


def _let_go(error: BaseException | None) -> None:
    """Empty the frames behind an error: urllib3's hold themselves, and with them an open socket."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _sent(session: Any, requests: Any, url: str, limit: float) -> Any:
    """Ask for one address, and read no more than the headers of the answer.

    `requests.get` will not do: it reads the body of a redirect, without an end, even where it is
    told not to follow.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "refimpl"}
    request = session.prepare_request(requests.Request("GET", url, headers=headers))
    options = session.merge_environment_settings(request.url, {}, True, None, None)
    return session.get_adapter(request.url).send(request, timeout=limit, **options)


def _check_address(here: str, url: str) -> None:
    try:
        scheme, host = urlsplit(here).scheme, urlsplit(here).hostname
    except ValueError as error:
        raise InputError(f"{shown(url)}: not an address: {shown(str(error))}") from error
    if scheme not in ("http", "https") or not host:
        via = "" if here == url else f", and this redirects to {shown(here)!r}"
        raise InputError(f"{shown(url)}: only http and https addresses are fetched{via}")


def _check_answer(answer: Any, url: str, max_bytes: int) -> None:
    if answer.status_code != 200:
        raise InputError(f"{shown(url)}: the server answers {answer.status_code} {answer.reason}")
    coding = answer.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if coding != "identity":
        raise InputError(f"{shown(url)}: the server sends {coding!r}, which was not asked for")
    length = answer.headers.get("Content-Length", "0")
    if length.isdecimal() and len(length) < 20 and int(length) > max_bytes:
        raise InputError(f"{shown(url)}: {length} bytes; at most {max_bytes} are fetched")


def _body(raw: Any, url: str, deadline: float, limit: float, max_bytes: int) -> bytes:
    """Read what comes, as it comes, so that a server that dribbles cannot hold us."""
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    found = bytearray()
    try:
        while chunk := raw.read1(_CHUNK, decode_content=False):
            found += chunk
            if len(found) > max_bytes:
                raise InputError(f"{shown(url)}: more than {max_bytes} bytes, the most fetched")
            _check_time(url, deadline, limit)
    except ReadTimeoutError as error:
        raise InputError(f"{shown(url)}: no answer within {limit:g} seconds") from error
    except HTTPError as error:
        raise InputError(f"{shown(url)}: broke off: {shown(str(error))}") from error
    return bytes(found)


def _check_time(url: str, deadline: float, limit: float) -> None:
    if time.monotonic() > deadline:
        raise InputError(f"{shown(url)}: not there after {limit:g} seconds")


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


def shown(text: str) -> str:
    """Shorten an address, or a message with one in it, and hide any password, for a message.

    >>> shown("http://me:secret@host/x.png")
    'http://***@host/x.png'
    """
    text = _LOGIN.sub("//***@", text[:2000])
    return text if len(text) <= 300 else f"{text[:300]}..."
