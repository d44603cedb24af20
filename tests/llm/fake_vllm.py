"""Stands in for ``vllm serve``: its process, its arguments and its two routes, and no model.

It knows nothing of vLLM but how it is started, spoken to and ended. What it was given it writes
to ``$FAKE_VLLM_TOLD``; ``$FAKE_VLLM`` says how it behaves: "well", "die" (with a log as vLLM's,
where the reason comes before a traceback of other lines), "hang", "die-later".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR = os.environ.get("FAKE_VLLM", "well")
LOG = "(EngineCore) ERROR ValueError: No available memory for the cache blocks.\n" + "\n".join(
    f"  File line {number}" for number in range(40)
)


def option(name: str) -> str | None:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        module = option("--lora-modules")
        name = json.loads(module)["name"] if module else option("--served-model-name")
        self.reply({"data": [{"id": name}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if BEHAVIOUR == "die-later":
            print("CUDA error: an illegal memory access", flush=True)
            os._exit(7)
        text = f"seed {body['seed']}: {body['messages'][-1]['content']}"
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self.reply({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    def reply(self, value: object) -> None:
        right = self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}"
        data = json.dumps(value).encode()
        self.send_response(200 if right else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    print("loading weights", flush=True)
    # An engine of its own, as vLLM has one: it must not outlive the server.
    engine = subprocess.Popen(["sleep", "600"])
    told = {"argv": sys.argv[1:], "environ": dict(os.environ), "pids": [os.getpid(), engine.pid]}
    path = Path(os.environ["FAKE_VLLM_TOLD"])
    path.with_suffix(".new").write_text(json.dumps(told))
    path.with_suffix(".new").replace(path)
    if BEHAVIOUR == "die":
        sys.exit(LOG)
    if BEHAVIOUR == "hang":
        time.sleep(600)
    port = option("--port")
    assert sys.argv[1] == "serve"
    assert port is not None
    ThreadingHTTPServer((option("--host") or "", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
