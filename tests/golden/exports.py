"""Reads what warehouses and libraries export with postback, and with DuckDB, and compares value by value.

    python tests/golden/exports.py target/debug/postback [part of a name ...]

Every fixture is written by a real writer: pyarrow, DuckDB, polars, fastparquet, fastavro, deltalake, and Python's csv
with the conventions of the warehouses. `postback sql` must give the rows that DuckDB reads from the same files, or that were
written by hand where DuckDB cannot read them: decimals exactly, instants as instants, text as it is. Then the rows are
delivered to a server of this script, and each must arrive once, with its id, time, value and hashed address.
"""

import concurrent.futures
import datetime
import decimal
import hashlib
import http.server
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

import duckdb
import pandas

import exports_delta  # noqa: F401  each registers its fixtures
import exports_layouts  # noqa: F401
import exports_parquet  # noqa: F401
import exports_text  # noqa: F401
from exports_fixture import FIXTURES, UTC

#: Fixtures at the same time.
AT_ONCE = 2
#: No export of this script takes longer to read.
PATIENCE = 120
SETTINGS = """SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2025-12-07T12:00:00Z';
SET postback.currency = 'EUR';
"""
#: In place of times that an export does not have.
TIME = "2025-12-07T11:00:00Z"


class Wrong(Exception):
    """What a fixture gave instead of what it must give."""


class Receiver(http.server.BaseHTTPRequestHandler):
    """Accepts what arrives. The path's first part is the fixture, so that several may deliver at once."""

    arrived = {}
    lock = threading.Lock()

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])), parse_float=decimal.Decimal)
        with self.lock:
            self.arrived.setdefault(request["event_source_id"], []).extend(request["data"])
        answer = b'{"code":0,"message":"OK","request_id":"1","data":{}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def run(fixture, here, arguments):
    """Runs the binary in the fixture's folder."""
    stdin = open(here / fixture.stdin, "rb") if fixture.stdin else subprocess.DEVNULL
    environment = {**os.environ, "POSTBACK_LEDGER": str(here / ".ledger"), "NO_COLOR": "1"}
    ran = subprocess.run(
        [BINARY, *arguments], cwd=here, stdin=stdin, capture_output=True, env=environment, timeout=PATIENCE
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def simplified(value):
    """A value of DuckDB or Arrow as it is compared: instants in UTC, maps as objects, bytes as text."""
    match value:
        case pandas.Timestamp():
            return simplified(value.to_pydatetime())
        case datetime.datetime(tzinfo=zone):
            return value.astimezone(UTC) if zone else value
        case float() if math.isnan(value) or math.isinf(value):
            return None
        case bytes():
            return value.decode()
        case dict():
            return {name: simplified(part) for name, part in value.items()}
        case list() if value and all(isinstance(part, tuple) for part in value):
            return {str(name): simplified(part) for name, part in value}
        case list():
            return [simplified(part) for part in value]
    return value


def as_expected(given, expected):
    """What postback printed, in the type of what is expected there."""
    match expected:
        case datetime.datetime() if isinstance(given, str):
            try:
                read = datetime.datetime.fromisoformat(given)
            except ValueError:
                return given
            return read.astimezone(UTC) if read.tzinfo else read
        case datetime.date() | datetime.time() if given == str(expected):
            return expected
        case float() if isinstance(given, (int, decimal.Decimal)) and not isinstance(given, bool):
            return float(given)
        case dict() if isinstance(given, dict) and given.keys() == expected.keys():
            return {name: as_expected(given[name], part) for name, part in expected.items()}
        case list() if isinstance(given, list) and len(given) == len(expected):
            return [as_expected(one, other) for one, other in zip(given, expected)]
    return given


def is_same(given, expected):
    """Whether both are the same value of the same kind: 1 is not true, and "1" is not 1."""
    kinds = {int: "number", decimal.Decimal: "number", float: "number"}
    if isinstance(expected, dict) and isinstance(given, dict):
        return given.keys() == expected.keys() and all(is_same(given[name], expected[name]) for name in given)
    if isinstance(expected, list) and isinstance(given, list):
        return len(given) == len(expected) and all(map(is_same, given, expected))
    return kinds.get(type(given), type(given)) == kinds.get(type(expected), type(expected)) and given == expected


def expected_rows(fixture, here):
    if fixture.rows is not None:
        return fixture.rows
    if fixture.witness is not None:
        return fixture.witness(here)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET file_search_path = '{here}'")
    return connection.sql(fixture.duck.replace("{here}", str(here))).to_arrow_table().to_pylist()


def compare_rows(fixture, here, query):
    """The rows of the query, which equal what is expected."""
    code, out, err = run(fixture, here, ["sql", query, "--format", "ndjson"])
    if fixture.refuses:
        missing = [word for word in fixture.refuses if word not in err]
        if code != 5 or missing or "panic" in err:
            raise Wrong(f"exit code {code}, should be 5 and say {missing}:\n{out[:500]}{err}")
        return []
    if code != 0:
        raise Wrong(f"sql: exit code {code}\n{err}")
    expected = [simplified(row) for row in expected_rows(fixture, here)]
    given = [json.loads(line, parse_float=decimal.Decimal) for line in out.splitlines()]
    if len(given) != len(expected):
        raise Wrong(f"sql: {len(given)} rows, should be {len(expected)}\n{out[:2000]}{err}")
    # Files of one table come in no order.
    for rows in (given, expected):
        rows.sort(key=lambda row: str(row.get("order_id")))
    for one, other in zip(given, expected):
        if list(one) != list(other):
            raise Wrong(f"sql: columns {list(one)}, should be {list(other)}")
        one = as_expected(one, other)
        differing = [name for name in other if not is_same(one[name], other[name])]
        if differing:
            raise Wrong("sql: " + "; ".join(f"{name} is {one[name]!r}, should be {other[name]!r}" for name in differing))
    return expected


def compare_unread(fixture, here, query):
    """The account names every row and file that was left out, and why."""
    code, out, err = run(fixture, here, ["run", query, "--dry-run", "--max-rejects", "100%", "--format", "json"])
    if not out.startswith("{"):
        raise Wrong(f"dry run: exit code {code}, no account\n{err}")
    account = json.loads(out)
    lines = {row["line"]: kind["code"] for kind in account["unread"] for row in kind["examples"]}
    files = sorted(pathlib.Path(file["file"]).name for file in account["unread_files"])
    if (lines, account["unread_rows"]) != (fixture.unread, len(fixture.unread)) or files != list(fixture.unread_files):
        raise Wrong(f"account: unread lines {lines} and files {files}, should be {fixture.unread} and {fixture.unread_files}")


def deliver(fixture, here, rows, url, source_id):
    """Sends the rows as events: each arrives once, as it was read, and the account says so."""
    zone = f"SET postback.timezone = '{fixture.zone}';\n" if fixture.zone else ""
    settings = SETTINGS.replace("7654321098765432109", source_id)
    somebody = "'u' || CAST(order_id AS VARCHAR) || '@example.com'"
    time = "ordered_at" if "ordered_at" in rows[0] else f"'{TIME}'"
    email = f"coalesce(email, {somebody})" if "email" in rows[0] else somebody
    total = "total" if "total" in rows[0] else "1"
    (here / "events.sql").write_text(
        f"{settings}{zone}{fixture.setup}\nSELECT 'Purchase' AS event, order_id, {time} AS timestamp, {email} AS email, "
        f"{total} AS value FROM ({fixture.query}) AS exported\n",
        encoding="utf-8",
    )
    arguments = ["run", "events.sql", "--base-url", url, "--format", "json", "--quiet", *fixture.flags]
    code, out, err = run(fixture, here, arguments)
    if not out.startswith("{"):
        raise Wrong(f"run: exit code {code}, no account\n{err}")
    account = json.loads(out)
    counts = {"rows": len(rows), "accepted": len(rows), "rejected": 0, "out_of_window": 0, **fixture.account}
    wrong = {name: account[name] for name, count in counts.items() if account[name] != count}
    if wrong:
        raise Wrong(f"account: {wrong}, should be {counts}; exit code {code}\n{err}")
    expected = sorted(event_of(row) for row in rows)
    if fixture.account:
        # Not every row is an event of the last four weeks.
        now = instant("2025-12-07T12:00:00Z").timestamp()
        expected = [event for event in expected if 0 <= now - event[1] <= 28 * 86_400]
    arrived = sorted(
        (event["properties"]["order_id"], event["event_time"], event["user"]["email"], event["properties"].get("value"))
        for event in Receiver.arrived.get(source_id, [])
    )
    if arrived != expected:
        raise Wrong(f"arrived: {arrived}, should be {expected}")


def event_of(row):
    """What must arrive of a row."""
    time = instant(row.get("ordered_at", TIME))
    email = row.get("email") or f"u{row['order_id']}@example.com"
    hashed = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    return str(row["order_id"]), math.floor(time.timestamp()), hashed, row.get("total", 1)


def instant(value):
    """A time as events mean it: text, numbers of seconds and their fractions, and times without a zone in UTC."""
    if isinstance(value, int):
        scale = max(power for power in (1, 1_000, 1_000_000) if power == 1 or value // power > 100_000_000)
        return datetime.datetime.fromtimestamp(value // scale, UTC)
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace(" UTC", "Z").replace(" +0000", "Z"))
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def judge(fixture, url, source_id):
    """What is wrong with a fixture; none if all is as expected."""
    with tempfile.TemporaryDirectory() as here:
        here = pathlib.Path(here).resolve()
        try:
            fixture.write(here)
        except Exception as error:  # noqa: BLE001  whatever a writer raises belongs to its fixture
            return f"cannot be written: {type(error).__name__}: {error}"
        fixture.query = fixture.query.replace("{here}", str(here))
        fixture.setup = fixture.setup.replace("{here}", str(here))
        (here / "rows.sql").write_text(f"{fixture.setup}\n{fixture.query}\n", encoding="utf-8")
        try:
            rows = compare_rows(fixture, here, "rows.sql")
            if rows and fixture.delivered:
                deliver(fixture, here, rows, url, source_id)
            if fixture.unread or fixture.unread_files:
                compare_unread(fixture, here, "events.sql")
            if fixture.says:
                code, out, err = run(fixture, here, ["check", "events.sql"])
                missing = [word for word in fixture.says if word not in out + err]
                if missing:
                    raise Wrong(f"check: does not say {missing}; exit code {code}\n{out}{err}")
        except Wrong as wrong:
            return str(wrong).replace(str(here), "…")
        except (KeyError, ValueError, subprocess.TimeoutExpired) as error:
            return f"{type(error).__name__}: {error}"
    return None


def main(names):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    chosen = [fixture for fixture in FIXTURES if not names or any(name in fixture.name for name in names)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        ids = [str(7654321098765430000 + number) for number in range(len(chosen))]
        found = list(pool.map(lambda pair: judge(pair[0], url, pair[1]), zip(chosen, ids)))
    failed = 0
    for fixture, wrong in zip(chosen, found):
        if bool(wrong) == bool(fixture.pending):
            if wrong:
                print(f"pending {fixture.name}: {fixture.pending}")
            continue
        failed += 1
        if wrong:
            print(f"FAILED {fixture.name} ({fixture.line}): {wrong.strip()}\n", file=sys.stderr)
        else:
            print(f"FAILED {fixture.name}: passes, so take its mark away: {fixture.pending}\n", file=sys.stderr)
    pending = sum(bool(fixture.pending) for fixture in chosen)
    print(f"{len(chosen) - failed} of {len(chosen)} exports as expected, {pending} of them marked as pending")
    assert chosen, "no fixture of that name"
    sys.exit(bool(failed))


BINARY = str(pathlib.Path(sys.argv[1]).resolve())
main(sys.argv[2:])
