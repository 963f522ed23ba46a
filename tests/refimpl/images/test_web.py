"""Pictures from the web: what is fetched from a server on this machine, and what never is."""

import contextlib
import gc
import gzip
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from refimpl import load_image
from refimpl.errors import InputError
from refimpl.images import web
from refimpl.images.web import fetch

PICTURES = Path(__file__).parents[2] / "data" / "images"
ROCKET = PICTURES / "skimage/rocket.jpg"
TURNED = PICTURES / "pillow/hopper_orientation_6.jpg"


class Server(BaseHTTPRequestHandler):
    """Each path behaves in its own way; `secret` is what no redirect may lead to."""

    def do_GET(self):
        self.server.asked.append(self.path)
        name = self.path.strip("/").partition("/")[0]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, name, self.nothing)()

    def nothing(self):
        self.send_error(404, "Gone fishing")

    def rocket(self):
        self.body(ROCKET.read_bytes())

    def turned(self):
        self.body(TURNED.read_bytes())

    def text(self):
        self.body(b"<html>no picture</html>")

    def half(self):
        self.body(ROCKET.read_bytes()[:5000])

    def short(self):
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"x" * 100)

    def chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = ROCKET.read_bytes()
        for start in range(0, len(data), 7000):
            part = data[start : start + 7000]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def endless(self):
        """No length is told, and it never ends."""
        self.send_response(200)
        self.end_headers()
        for _ in range(10_000):
            self.wfile.write(bytes(100_000))

    def large(self):
        self.send_response(200)
        self.send_header("Content-Length", "1" + "0" * 15)
        self.end_headers()

    def zipped(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()

    def silent(self):
        self.server.end.wait(20)

    def dribble(self):
        """A byte at a time: no single wait is long."""
        self.send_response(200)
        self.end_headers()
        for _ in range(300):
            if not self.server.end.wait(0.02):
                self.wfile.write(b"x")

    def slow_headers(self):
        """As above, but what comes so slowly are the headers."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        for _ in range(300):
            if not self.server.end.wait(0.02):
                self.wfile.write(b"x")

    def long_header(self):
        self.raw(b"X-Long: " + b"x" * 1_000_000)

    def many_headers(self):
        self.raw(b"\r\n".join(b"X-%d: x" % number for number in range(10_000)))

    def no_http(self):
        self.wfile.write(b"\x89PNG" * 1000)

    def two_lengths(self):
        self.raw(b"Content-Length: 5\r\nContent-Length: 6")

    def wrong_length(self):
        self.raw(b"Content-Length: -3")

    def less(self):
        """Says that it sends less than it does."""
        self.raw(b"Content-Length: 100", ROCKET.read_bytes())

    def bomb(self):
        """Ten megabytes of nothing, in ten thousand bytes."""
        self.raw(b"Content-Encoding: gzip", gzip.compress(bytes(10_000_000)))

    def no_coding(self):
        self.raw(b"Content-Encoding: Identity", ROCKET.read_bytes())

    def endless_redirect(self):
        """Goes somewhere else, and never ends to say so."""
        self.raw(b"Location: /rocket", status=b"302 Found")
        for _ in range(200):
            self.server.blocks += 1
            self.wfile.write(bytes(1_000_000))

    def nowhere(self):
        self.redirect("http://[::1/x")

    def foreign(self):
        self.raw(b"Location: /\xff\xfe/\xe7\x8b\x90", status=b"302 Found")

    def raw(self, headers, body=b"", status=b"200 OK"):
        self.wfile.write(b"HTTP/1.0 " + status + b"\r\n" + headers + b"\r\n\r\n" + body)

    def error(self):
        self.send_error(500)

    def empty(self):
        self.body(b"")

    def again(self):
        self.redirect("/rocket/by/redirect")

    def round(self):
        self.redirect("/round")

    def file(self):
        self.redirect(ROCKET.resolve().as_uri())

    def ftp(self):
        self.redirect("ftp://127.0.0.1/rocket.jpg")

    def data(self):
        self.redirect("data:image/png;base64,AAAA")

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def body(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    server.asked, server.end, server.blocks = [], threading.Event(), 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.end.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def at(server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server.asked.clear()
    return f"http://127.0.0.1:{server.server_port}"


def test_a_picture_arrives_as_it_is(at):
    assert fetch(f"{at}/rocket/cat.png") == ROCKET.read_bytes()
    with Image.open(ROCKET) as picture:
        assert load_image(f"{at}/rocket").tobytes() == picture.convert("RGB").tobytes()
    assert load_image(f"{at}/turned").tobytes() == load_image(TURNED).tobytes()


def test_chunks_and_redirects(at, server):
    assert fetch(f"{at}/chunked") == ROCKET.read_bytes()
    assert fetch(f"{at}/again") == ROCKET.read_bytes()
    assert server.asked == ["/chunked", "/again", "/rocket/by/redirect"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "the server answers 404 Gone fishing"),
        ("error", "the server answers 500"),
        ("text", "not a picture in one of the formats"),
        ("empty", "not a picture in one of the formats"),
        ("half", "broken or truncated"),
        ("short", "broke off|not a picture"),
        ("large", "1000000000000000 bytes; at most 67108864 are fetched"),
        ("zipped", "'gzip', which was not asked for"),
        ("round", "redirects more than 5 times"),
        ("file", "only http and https.*redirects to 'file:///"),
        ("ftp", "only http and https.*redirects to 'ftp://127"),
        ("data", "only http and https.*redirects to 'data:image"),
        ("wrong_length", "cannot be fetched|not a picture"),
        ("less", "broken or truncated|cannot be read as a picture"),
        ("bomb", "'gzip', which was not asked for"),
        ("nowhere", "cannot be fetched|not an address"),
        ("foreign", "the server answers 404"),
    ],
)
def test_what_is_no_picture_is_one_error_with_the_address(at, path, message):
    with pytest.raises(InputError, match=message) as caught:
        load_image(f"{at}/{path}")
    assert f"{at}/{path}" in str(caught.value)


@pytest.mark.parametrize("path", ["long_header", "many_headers", "no_http", "two_lengths"])
def test_what_is_no_http(at, path):
    with pytest.raises(InputError, match="cannot be fetched") as caught:
        load_image(f"{at}/{path}")
    assert f"{at}/{path}" in str(caught.value)
    del caught
    gc.collect()  # warns, which is an error, of a socket that was left to it


def test_too_much(at, server):
    size = len(ROCKET.read_bytes())
    assert len(fetch(f"{at}/rocket", max_bytes=size)) == size
    server.blocks = 0
    assert len(fetch(f"{at}/endless_redirect", max_bytes=size)) == size
    assert server.blocks < 50  # what was not read soon stops being sent
    for path in ("rocket", "chunked", "endless"):
        with pytest.raises(InputError, match="at most|the most"):
            fetch(f"{at}/{path}", max_bytes=size - 1)


@pytest.mark.parametrize("path", ["silent", "dribble", "slow_headers"])
def test_too_slow(at, path):
    start = time.monotonic()
    with pytest.raises(InputError, match=r"(no answer within|not there after) 0.3 seconds"):
        load_image(f"{at}/{path}", timeout=0.3)
    assert time.monotonic() - start < 3


def test_the_whole_time_is_bounded_over_redirects_too(at, monkeypatch):
    """Each step takes less than the limit, all together take more."""
    sent = web._sent

    def slowly(*given):
        time.sleep(0.1)
        return sent(*given)

    monkeypatch.setattr(web, "_sent", slowly)
    with pytest.raises(InputError, match="not there after 0.25 seconds"):
        fetch(f"{at}/round", timeout=0.25)


def test_addresses_of_every_alphabet(at, server):
    assert fetch(f"{at}/rocket/一只狐狸.jpg?q=ä#b") == ROCKET.read_bytes()
    assert fetch(f"{at}/no_coding") == ROCKET.read_bytes()
    assert "/rocket/%E4%B8%80%E5%8F%AA%E7%8B%90%E7%8B%B8.jpg?q=%C3%A4" in server.asked


@pytest.mark.parametrize("path", ["missing", "text", "round", "bomb"])
def test_a_password_is_used_and_never_shown(at, path):
    address = at.replace("//", "//me:secret@")
    assert fetch(f"{address}/rocket") == ROCKET.read_bytes()
    with pytest.raises(InputError) as caught:
        load_image(f"{address}/{path}")
    assert "secret" not in str(caught.value)
    assert f"{at.replace('//', '//***@')}/{path}" in str(caught.value)


def test_a_server_that_is_not_there(at):
    with pytest.raises(InputError, match="http://127.0.0.1:9/x.png: cannot be fetched"):
        load_image("http://127.0.0.1:9/x.png", timeout=1)
    with pytest.raises(InputError, match="nowhere.invalid"):
        load_image("http://nowhere.invalid/x.png", timeout=5)


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///x.png",
        "https://[::1/x.png",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1:x/",
        "http://\udc80/",
        "http://a\x00b/",
        "http://" + "a" * 5000,
        "http://" + "." * 100,
    ],
)
def test_addresses_that_are_none(address):
    with pytest.raises(InputError) as caught:
        load_image(address, timeout=1)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://x/y.png", "//x/y.png", "HTTP://x"]
)
def test_other_kinds_of_address_are_never_fetched(address, monkeypatch):
    monkeypatch.setattr(web, "_library", lambda: pytest.fail("asked the web"))
    with pytest.raises(InputError, match="no such picture file"):
        load_image(address)


def test_fetch_itself_takes_only_the_web():
    for address in ("file:///etc/passwd", "ftp://x/y", "x.png", ""):
        with pytest.raises(InputError, match="only http and https"):
            fetch(address)


@pytest.mark.parametrize("timeout", [0, -1, "3", True, float("nan"), float("inf")])
def test_timeouts_that_are_none(timeout):
    with pytest.raises(InputError, match="timeout must be seconds above 0"):
        load_image("http://127.0.0.1:9/", timeout=timeout)


def test_without_the_library():
    code = (
        "import sys; sys.modules['requests'] = None\n"
        "from refimpl import load_image\n"
        "try: load_image('http://127.0.0.1/x.png')\n"
        "except ValueError as error: print(type(error).__name__, error)\n"
        f"print(load_image({str(ROCKET)!r}).mode)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("InputError fetching a picture needs the library requests: pip install")
    assert second == "RGB"


def test_a_processor_fetches_nothing(at, server):
    import refimpl

    with pytest.raises(InputError, match="nothing is downloaded"):
        refimpl.CLIPImageProcessor()(f"{at}/rocket")
    assert server.asked == []
