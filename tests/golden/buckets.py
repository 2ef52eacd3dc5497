"""Reads the orders from servers that other people wrote: moto for S3 and, if it is there, Azurite for Azure.

    python tests/golden/buckets.py target/debug/postback [path/to/azurite-blob]

The same rows come from a file, from a bucket of moto and from a container of Azurite; object by object and as a folder.
moto gives ETags in its lists, as S3 does, and asks for If-Match; Azurite checks signatures.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ORDERS = pathlib.Path(__file__).resolve().parents[2] / "tests/data/orders"
FILES = ["orders.csv", "orders.parquet", "orders.ndjson"]
ACCOUNT = "devstoreaccount1"
# The key that every emulator of Azure documents.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def rows(binary, location, variables, home):
    clean = {name: value for name, value in os.environ.items() if name.split("_")[0] not in ("AWS", "AZURE", "GOOGLE")}
    environment = {**clean, **variables, "HOME": home, "AWS_EC2_METADATA_DISABLED": "true"}
    query = f"SELECT * FROM '{location}' ORDER BY order_id"
    command = [binary, "sql", query, "--format", "ndjson"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{location}: {done.stderr}"
    assert done.stdout, location
    return done.stdout


def compare(binary, base, variables, home):
    for name in [name for name in FILES if (ORDERS / name).exists()]:
        expected = rows(binary, ORDERS / name, variables, home)
        stem, ending = name.rsplit(".", 1)
        for location in [f"{base}/{name}", f"{base}/{stem[:4]}*.{ending}"]:
            assert rows(binary, location, variables, home) == expected, location
            print(f"{location}: as {name}")


def amazon(binary, home):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    secrets = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **secrets)
    client.create_bucket(Bucket="shop")
    for name in FILES:
        if (ORDERS / name).exists():
            client.upload_file(str(ORDERS / name), "shop", f"in/{name}")
    variables = {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
    }
    compare(binary, "s3://shop/in", variables, home)
    server.stop()


def azure(binary, home, azurite):
    from azure.storage.blob import BlobServiceClient

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [azurite, "--blobPort", str(port), "--location", home, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        service = BlobServiceClient(url, credential={"account_name": ACCOUNT, "account_key": KEY})
        container = service.create_container("shop")
        for name in FILES:
            if (ORDERS / name).exists():
                container.upload_blob(f"in/{name}", (ORDERS / name).read_bytes())
        text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url};"
        compare(binary, "az://shop/in", {"AZURE_STORAGE_CONNECTION_STRING": text}, home)
    finally:
        server.terminate()
        server.wait()


def main(binary, azurite=None):
    with tempfile.TemporaryDirectory() as home:
        amazon(binary, home)
        if azurite:
            azure(binary, home, azurite)
        else:
            print("Azurite is not here: Azure is LEFT OUT")


main(*sys.argv[1:])
