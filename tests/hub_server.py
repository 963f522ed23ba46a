"""A hub on this machine, for the tests that fetch: the real one is never asked."""

import contextlib
import hashlib
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "someone/tiny-clip"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fill_cache(cache, files):
    """Lay files out as the hub's cache does: blobs, a ref, and a snapshot of links."""
    repository = cache / ("models--" + NAME.replace("/", "--"))
    snapshot = repository / "snapshots" / COMMIT
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for name, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        (repository / "blobs" / digest).write_bytes(content)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(repository / "blobs" / digest)
    return snapshot


class Hub(BaseHTTPRequestHandler):
    """The three questions that a download asks: what is there, and each file's head and body."""

    def __init__(self, files, asked, *args):
        self.files = files
        self.asked = asked
        super().__init__(*args)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.asked.append((self.command, self.path))
        path = self.path.split("?")[0]
        for prefix in (f"/api/models/{NAME}/revision/", f"/api/models/{NAME}/tree/"):
            if path.startswith(prefix):
                known = path.removeprefix(prefix) in ("main", COMMIT)
                return self.listing("tree" in prefix) if known else self.absent("RevisionNotFound")
        start = f"/{NAME}/resolve/{COMMIT}/"
        if path.startswith(start) and path.removeprefix(start) in self.files:
            return self.answer(200, self.files[path.removeprefix(start)])
        if path.startswith("/api/models/someone/gated/"):
            return self.absent("GatedRepo", 403)
        if path.startswith("/api/models/someone/broken/"):
            return self.answer(500, b"{}")
        return self.absent("RepoNotFound")

    def listing(self, tree):
        entries = [
            {"type": "file", "path": name, "rfilename": name, "size": len(content), "oid": "0"}
            for name, content in self.files.items()
        ]
        body = entries if tree else {"id": NAME, "sha": COMMIT, "siblings": entries}
        self.answer(200, json.dumps(body).encode(), "application/json")

    def absent(self, code, status=404):
        self.answer(status, b"{}", "application/json", {"X-Error-Code": code})

    def answer(self, status, body, kind="application/octet-stream", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def running_hub(files):
    """Serve a repository of these files; gives the address, and a list of what was asked."""
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, files, asked))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def go_online(monkeypatch):
    """Whatever the machine's environment says, the tests decide what is reachable."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
