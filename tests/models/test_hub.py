"""The hub, played by a small server on loopback that speaks its API over real files."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import huggingface_hub.constants as hub_constants
import pytest
import torch

from fixtures_models import saved, tiny_decoder
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.licence import Licence, licence_of
from preceptor.models.weights import resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Repositories org/whole and org/pickle with files, org/gated without leave."""

    folder: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        name = path.removeprefix("/api/models/").lstrip("/").split("/")[1]
        files = self.folder / name
        if name == "gated":
            self.answer(403, b"", {"X-Error-Code": "GatedRepo"})
        elif not files.is_dir():
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/resolve/" in path:
            self.file(files / path.rsplit("/", 1)[1])
        elif "/tree/" in path:
            self.json([self.entry(file) for file in sorted(files.iterdir())])
        elif path.endswith("/revision/gone"):
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            self.json({"id": f"org/{name}", "sha": COMMIT, "siblings": []})

    def entry(self, file: Path) -> dict[str, object]:
        oid = hashlib.sha1(file.read_bytes()).hexdigest()
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": oid}

    def file(self, file: Path) -> None:
        content = file.read_bytes()
        etag = hashlib.sha1(content).hexdigest()
        self.answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def json(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def point_to(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    monkeypatch.setattr(hub_constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(hub_constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(cache))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the server's repositories."""
    handler = type("Served", (Hub,), {"folder": tmp_path})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    point_to(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
    yield tmp_path
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_once_and_found_again_offline(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny_decoder()
    saved(made, hub / "whole")
    (hub / "whole" / "pytorch_model.bin").write_bytes(b"pickle")
    (hub / "whole" / "README.md").write_text("---\nlicense: mit\n---\n")
    weights = resolve("org/whole")
    assert weights.identity() == {"hub": "org/whole", "commit": COMMIT}
    model, _ = load_decoder(weights)
    assert torch.equal(model.lm_head.weight, made.lm_head.weight)
    assert not list((hub / "cache").rglob("*.bin"))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert resolve(f"org/whole@{COMMIT}").folder == weights.folder
    assert licence_of(weights.pinned()) == Licence("mit", "README.md")
    assert licence_of(resolve("org/other")).told_by == "no README.md of org/other was fetched"


def test_pickle_alone_is_refused(hub: Path) -> None:
    folder = saved(tiny_decoder(), hub / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="no safetensors") as caught:
        _ = resolve("org/pickle").folder
    assert "refs/pr" in str(caught.value)


@pytest.mark.parametrize(
    ("ref", "what", "fix"),
    [
        ("org/gated", "gated", "https://huggingface.co/org/gated"),
        ("org/missing", "no such model", "HF_TOKEN"),
        ("org/whole@gone", "no such model", "revision"),
    ],
)
def test_what_the_hub_refuses_is_told_with_a_remedy(
    hub: Path, ref: str, what: str, fix: str
) -> None:
    (hub / "whole").mkdir()
    with pytest.raises(WeightsError) as caught:
        resolve(ref).identity()
    assert what in str(caught.value)
    assert fix in str(caught.value)


def test_no_network_and_offline_mode_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(WeightsError, match="not on this machine"):
        resolve("org/whole").identity()
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        _ = resolve("org/whole").folder
