"""Reads what a run leaves behind with DuckDB and with pandas, as an analyst would.

    python tests/golden/artifacts.py target/debug/postback

Both must agree with the account, to the row, and find the columns in types that need no cast.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import pandas

QUERY = """
SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-08-20T14:10:00Z';
SET postback.batch_events = 100;
SELECT 'Purchase' AS event, 1787234400 AS timestamp, n AS order_id, 5 AS value, c AS currency,
  CASE WHEN n % 10 = 0 THEN 'nobody' ELSE 'a' || n || '@b.example' END AS email
FROM (
  SELECT value AS n, substr('QQQUSD', CASE WHEN value % 50 = 0 THEN 1 ELSE 4 END, 3) AS c FROM generate_series(1, 1000)
)
UNION ALL SELECT 'Purchase', 1787234400, m, 6, 'USD', 'a' || m || '@b.example' FROM generate_series(7, 7) AS t (m)
"""


def main(binary):
    with tempfile.TemporaryDirectory() as here:
        query = pathlib.Path(here, "q.sql")
        query.write_text(QUERY, encoding="utf-8")
        ledger = pathlib.Path(here, "ledger")
        command = [binary, "run", str(query), "--sandbox", "--max-rejects", "100%", "--format", "json", "--quiet"]
        environment = {**os.environ, "POSTBACK_LEDGER": str(ledger)}
        ran = subprocess.run(command, check=True, capture_output=True, env=environment)
        latest = ledger / "runs" / "latest"
        account = json.loads((latest / "run_results.json").read_text(encoding="utf-8"))
        assert account == json.loads(ran.stdout), "stdout and the document differ"
        check(latest, account)


def check(latest, account):
    rejects, batches = latest / "rejects.parquet", latest / "batches.parquet"
    types = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{rejects}')").fetchall())
    assert types["reject"] == types["row"] == types["api_code"] == "BIGINT", types
    assert {types[name] for name in types if name not in ("reject", "row", "api_code", "line", "object")} == {"VARCHAR"}, types
    [(rejected, rows, keyed)] = duckdb.sql(
        f"""SELECT count(DISTINCT reject), count(DISTINCT row) FILTER (severity = 'reject'),
                   count(DISTINCT event_key) FILTER (length(event_key) = 32) FROM '{rejects}'"""
    ).fetchall()
    assert rejected == rows == account["rejected"] > 0, (rejected, rows, account["rejected"])
    assert keyed > 0
    [sums] = duckdb.sql(
        f"SELECT sum(accepted), sum(rejected), sum(requests), sum(bytes), min(ended >= started) FROM '{batches}'"
    ).fetchall()
    sent = (account["accepted"], 0, account["requests"], account["bytes_sent"], True)
    assert sums == sent, (sums, sent)

    frame = pandas.read_parquet(rejects)
    assert frame["reject"].nunique() == account["rejected"]
    counted = frame.fillna({"column": ""}).groupby(["code", "column", "severity"])["row"].nunique().to_dict()
    listed = {(fault["code"], fault["column"] or "", fault["severity"]): fault["events"] for fault in account["faults"]}
    assert counted == listed, (counted, listed)
    frame = pandas.read_parquet(batches)
    assert str(frame["started"].dtype) == "datetime64[us, UTC]", frame["started"].dtype
    assert frame["accepted"].sum() == account["accepted"]
    print(f"{account['rejected']} rejects and {len(frame)} batches, the same in DuckDB, pandas and the account")


main(sys.argv[1])
