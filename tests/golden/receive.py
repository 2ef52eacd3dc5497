"""Runs the example queries against a server of this script and reads what arrives with Python's JSON parser.

    python tests/golden/receive.py target/debug/postback

A second witness beside the Rust tests: every body parses here, and its events equal the golden files.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BODIES = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/open_api/v1.3/event/track/", self.path
        assert self.headers["Content-Type"] == "application/json"
        BODIES.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = b'{"code":0,"message":"OK","request_id":"1","data":{}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def refuse_repeats(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a key twice in {names}"
    return dict(pairs)


def main(binary):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    passed = 0
    for query in sorted((ROOT / "queries").glob("*.sql")):
        BODIES.clear()
        command = [binary, "run", str(query), "--base-url", url, "--quiet"]
        # A ledger for each: two queries of the same orders are the same events, which are sent once.
        with tempfile.TemporaryDirectory() as ledger:
            environment = {**os.environ, "POSTBACK_LEDGER": ledger}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        arrived = []
        for body in BODIES:
            request = json.loads(body.decode("utf-8", errors="strict"), object_pairs_hook=refuse_repeats)
            assert set(request) <= {"event_source", "event_source_id", "partner_name", "test_event_code", "data"}
            arrived += request["data"]
        golden = (ROOT / "tests/golden" / f"{query.stem}.ndjson").read_text(encoding="utf-8")
        expected = [json.loads(line) for line in golden.splitlines()]
        arrived.sort(key=lambda event: event["event_id"])
        expected.sort(key=lambda event: event["event_id"])
        assert arrived == expected, f"{query.name}: what arrived is not what was written"
        print(f"{query.name}: {len(arrived)} events in {len(BODIES)} requests, as written")
        passed += 1
    assert passed >= 5, passed


main(sys.argv[1])
