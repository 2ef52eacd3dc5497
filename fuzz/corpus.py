"""Writes the corpus and the fixtures of the fuzz targets: files as real writers make them, and hostile ones.

    python fuzz/corpus.py        (needs pyarrow)

The files are kept in the repository, so that every run has the same; this says where they come from. Inputs that a run
found stand beside them under names of their own.
"""

import io
import json
import struct
import zlib
from decimal import Decimal
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def keep(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# CSV

CSV = {
    "plain": "id,name,total\n1,Ann,1.5\n2,Bo,2.25\n3,Zoë,3\n",
    "crlf_quotes": 'id,note,total\r\n1,"a ""b"", c",5\r\n2,"two\r\nlines",6\r\n',
    "semicolons": "id;name;total\n1;Ann;1,5\n2;Bo;2,25\n",
    "tabs": "id\tname\n1\tAnn\n2\t\\N\n",
    "pipes": "id|name|day\n1|Ann|2026-11-01\n2|Bo|2026-11-02\n",
    "ragged": "id,name,total\n1,Ann,5\n2,Bo\n3,Cy,7,8\n4,Di,9\n",
    "long_first_row": "id,name\n1,Ann,\n2,Bo\n3,Cy\n",
    "open_quote": 'id,name\n1,"Ann\n2,Bo\n3,Cy\n',
    "quote_inside": 'id,name\n1,A"n"n\n2,"Bo"x\n',
    "nul": "id,name\n1,A\0n\n2,Bo\n",
    "bad_utf8": b"id,name\n1,Ann\n2,B\xc3\x28\n3,Cy\xff\n" + b"4,Di\n" * 3,
    "latin1": "id,name\n1,Jos\xe9\n2,M\xfcller\n".encode("latin1"),
    "utf16": "id,name\n1,Zoë\n2,Bo\n".encode("utf-16"),
    "bom": "\ufeffid,name\n1,Ann\n",
    "times": "id,ordered_at\n1,2026-03-29T02:30:00\n2,2026-10-25T02:30:00+01:00\n3,20:15 uhr\n",
    "numbers": "id,total,big\n007,1e3,9223372036854775808\n8,-0.0,12345678901234567890\n9,NaN,1\n",
    "no_header": "1,Ann,5\n2,Bo,6\n",
    "same_names": "id,id,Id\n1,2,3\n",
    "title_above": "Orders of November\n\nid,name\n1,Ann\n",
    "sep": "sep=;\nid;name\n1;Ann\n",
    "backslashes": 'id,note\n1,a\\\n2,"b\\"\n3,"c\\"" d"\n',
    "only_carriage_returns": "id,name\r1,Ann\r2,Bo\r",
    "empty_lines": "id,name\n\n1,Ann\n\n\n2,Bo\n\n",
    "one_column": "email\nann@example.com\nbo@example.com\n",
}
for name, content in CSV.items():
    keep("csv_records", name, content)

# JSON

JSON = {
    "lines": '{"id":1,"name":"Ann","total":1.5}\n{"id":2,"name":"Zoë","total":2}\n{"id":3,"name":null}\n',
    "array": '[{"id":1,"name":"Ann"},\n {"id":2,"name":"Bo"}]\n',
    "sequence": '{\n "id": 1,\n "name": "Ann"\n}\n{\n "id": 2,\n "name": "Bo"\n}\n',
    "wrapped": '{"data":[{"id":1},{"id":2}],"next":null}\n',
    "escapes": '{"id":1,"name":"a\\"b\\\\c\\/d\\u00e9\\n\\t"}\n{"id":2,"name":"\\u20ac"}\n',
    "nested": '{"id":1,"user":{"email":"a@b.example","tags":["x","y"]}}\n{"id":2,"user":{"email":null,"tags":[]}}\n',
    "mixed_types": '{"id":1,"v":1}\n{"id":2,"v":"two"}\n{"id":3,"v":{"a":1}}\n{"id":4,"v":[1]}\n',
    "numbers": '{"a":9007199254740993,"b":1e3,"c":-0.0}\n{"a":9223372036854775807,"b":0.1,"c":1e-300}\n',
    "big_numbers": '{"a":18446744073709551615,"b":1.7976931348623157e308}\n{"a":1,"b":2}\n',
    "broken_line": '{"id":1}\n{"id":2,\n{"id":3}\n{"id":4}\n',
    "cut": '{"id":1}\n{"id":2,"na',
    "twice": '{"id":1,"id":2}\n{"id":3}\n',
    "deep": '{"a":' + "[" * 200 + "]" * 200 + "}\n",
    "bad_utf8": b'{"id":1,"name":"A\xc3\x28"}\n{"id":2,"name":"Bo"}\n',
    "times": '{"id":1,"at":"2026-03-29T02:30:00"}\n{"id":2,"at":"2026-10-25T02:30:00Z"}\n{"id":3,"at":"2026-1x"}\n',
    "empty_names": '{"":1," a":2}\n{"":3," a":4}\n',
    "blanks": '\n  {"id":1}  \n\t\n{"id":2}\n',
    "bools": '{"id":1,"paid":true}\n{"id":2,"paid":false}\n{"id":3}\n',
}
for name, content in JSON.items():
    keep("json_objects", name, content)

# Parquet

INSTANT = datetime(2026, 11, 1, 12, 30, tzinfo=timezone.utc)


def table():
    return pa.table(
        {
            "id": pa.array([1, 2, 3, None], pa.int64()),
            "name": pa.array(["Ann", "Zoë", None, "Ann"]),
            "total": pa.array([Decimal("1.50"), Decimal("-2.25"), None, Decimal("99999999.99")], pa.decimal128(10, 2)),
            "at": pa.array([INSTANT, None, INSTANT, INSTANT], pa.timestamp("us", "UTC")),
            "paid": pa.array([True, False, None, True]),
        }
    )


def parquet(rows, **options):
    sink = io.BytesIO()
    pq.write_table(rows, sink, **{"compression": "none", "store_schema": False, **options})
    return sink.getvalue()


keep("parquet_file", "plain", parquet(table(), use_dictionary=False))
keep("parquet_file", "dictionary", parquet(table(), use_dictionary=True))
keep("parquet_file", "pages_v2", parquet(table(), data_page_version="2.0", use_dictionary=False))
keep("parquet_file", "with_schema", parquet(table(), store_schema=True))
keep("parquet_file", "snappy", parquet(table().select(["id", "name"]), compression="snappy"))
keep("parquet_file", "zstd", parquet(table().select(["id", "name"]), compression="zstd"))
keep("parquet_file", "gzip", parquet(table().select(["id", "name"]), compression="gzip"))
keep("parquet_file", "groups", parquet(table().select(["id", "name"]), row_group_size=2))
keep("parquet_file", "index", parquet(table().select(["id", "name"]), write_page_index=True, write_page_checksum=True))
keep("parquet_file", "int96", parquet(table().select(["at"]), use_deprecated_int96_timestamps=True))
delta = {"use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED", "name": "DELTA_BYTE_ARRAY"}}
keep("parquet_file", "delta_encodings", parquet(table().select(["id", "name"]), **delta))
nested = pa.table({"id": [1, 2], "tags": [["a", "b"], []], "user": [{"email": "a@b.example"}, {"email": None}]})
keep("parquet_file", "nested", parquet(nested))
keep("parquet_file", "digests", parquet(pa.table({"hash": pa.array([bytes(range(32))] * 2, pa.binary(32))})))
keep("parquet_file", "text_as_bytes", parquet(pa.table({"name": pa.array([b"Ann", "Zoë".encode()], pa.binary())})))
keep("parquet_file", "short", b"PAR1\x15\x00PAR1")

# Avro


def number(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def octets(content):
    content = content if isinstance(content, bytes) else content.encode()
    return number(len(content)) + content


SYNC = bytes(range(16))


def avro(schema, blocks, codec=b"null"):
    meta = {"avro.schema": json.dumps(schema), "avro.codec": codec}
    head = b"Obj\x01" + number(len(meta)) + b"".join(octets(key) + octets(value) for key, value in meta.items())
    out = head + b"\x00" + SYNC
    for count, content in blocks:
        if codec == b"deflate":
            packer = zlib.compressobj(wbits=-15)
            content = packer.compress(content) + packer.flush()
        out += number(count) + octets(content) + SYNC
    return out


FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "name", "type": ["null", "string"]},
    {"name": "total", "type": "double"},
    {"name": "paid", "type": "boolean"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
]
PERSON = {"type": "record", "name": "Order", "fields": FIELDS}


def person(key, name, total, paid=True):
    text = number(0) if name is None else number(1) + octets(name)
    return number(key) + text + struct.pack("<d", total) + bytes([paid]) + number(1_793_536_200_000_000)


rows = person(1, "Ann", 1.5) + person(2, "Zoë", 2.25, False) + person(3, None, 0.0)
keep("avro_blocks", "plain", avro(PERSON, [(3, rows)]))
keep("avro_blocks", "blocks", avro(PERSON, [(1, person(1, "Ann", 1)), (0, b""), (1, person(2, "Bo", 2))]))
keep("avro_blocks", "deflate", avro(PERSON, [(3, rows)], b"deflate"))
keep("avro_blocks", "bad_utf8", avro(PERSON, [(2, person(1, b"A\xc3\x28", 1) + person(2, "Bo", 2))]))
keep("avro_blocks", "count_too_large", avro(PERSON, [(1 << 40, rows)]))
keep("avro_blocks", "count_too_small", avro(PERSON, [(2, rows)]))
keep("avro_blocks", "negative_count", avro(PERSON, [(-3, rows)]))
keep("avro_blocks", "cut", avro(PERSON, [(3, rows)])[:-20])
keep("avro_blocks", "no_block", avro(PERSON, []))
MORE = [
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "more", "type": {"type": "map", "values": "long"}},
    {"name": "sum", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 4}},
]
more = number(1) + number(2) + octets("x") + octets("y") + b"\0" + number(1) + octets("a") + number(5) + b"\0"
more += octets(b"\x00\x96") + b"abcd"
keep("avro_blocks", "more_types", avro({"type": "record", "name": "R", "fields": MORE}, [(1, more)]))

# Arrow


def arrow(rows, form, **options):
    sink = io.BytesIO()
    with form(sink, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in rows.to_batches():
            writer.write_batch(batch)
    return sink.getvalue()


small = table().select(["id", "name", "paid"])
keep("arrow_file", "file", arrow(table(), pa.ipc.new_file))
keep("arrow_file", "stream", arrow(table(), pa.ipc.new_stream))
keep("arrow_file", "lz4", arrow(small, pa.ipc.new_file, compression="lz4"))
keep("arrow_file", "zstd_stream", arrow(small, pa.ipc.new_stream, compression="zstd"))
coded = pa.table({"id": [1, 2, 3], "kind": pa.array(["a", "b", "a"]).dictionary_encode()})
keep("arrow_file", "dictionary", arrow(coded, pa.ipc.new_file))
keep("arrow_file", "dictionary_stream", arrow(coded, pa.ipc.new_stream))
keep("arrow_file", "nested", arrow(nested, pa.ipc.new_file))
keep("arrow_file", "cut", arrow(table(), pa.ipc.new_file)[:-30])
bad = pa.table({"name": pa.array([b"Ann", b"B\xc3\x28"], pa.binary()).view(pa.string())})
keep("arrow_file", "bad_utf8", arrow(bad, pa.ipc.new_stream))
views = pa.table({"name": pa.array(["Ann", "a text that is longer than twelve bytes", None], pa.string_view())})
keep("arrow_file", "views", arrow(views, pa.ipc.new_file))

# Delta Lake

(HERE / "fixtures").mkdir(exist_ok=True)
sizes = {}
for name, first, count in [("a", 1, 3), ("b", 4, 2)]:
    ids = list(range(first, first + count))
    part = pa.table({"id": pa.array(ids, pa.int64()), "name": [f"n{number}" for number in ids]})
    content = parquet(part)
    sizes[name] = len(content)
    (HERE / "fixtures" / f"{name}.parquet").write_bytes(content)

COLUMNS = [
    {"name": "id", "type": "long", "nullable": True, "metadata": {}},
    {"name": "name", "type": "string", "nullable": True, "metadata": {}},
]


def metadata(columns=COLUMNS, partitions=(), **configuration):
    schema = json.dumps({"type": "struct", "fields": columns}, separators=(",", ":"))
    about = {"id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}}}
    about |= {"schemaString": schema, "partitionColumns": list(partitions), "configuration": configuration}
    return {"metaData": about}


def protocol(*features):
    if not features:
        return {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    return {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}}


def add(name, **more):
    action = {"path": f"{name}.parquet", "partitionValues": {}, "size": sizes.get(name, 1), "modificationTime": 0}
    return {"add": action | {"dataChange": True} | more}


def remove(name):
    return {"remove": {"path": f"{name}.parquet", "deletionTimestamp": 0, "dataChange": True}}


def log(*versions):
    return "\n---\n".join("\n".join(json.dumps(a, separators=(",", ":")) for a in version) for version in versions)


begin = [protocol(), metadata()]
statistics = json.dumps({"numRecords": 3, "minValues": {"id": 1}, "maxValues": {"id": 3}, "nullCount": {"id": 0}})
DELTA = {
    "one_version": log([*begin, add("a"), add("b")]),
    "versions": log(begin, [add("a")], [add("b")]),
    "removed": log([*begin, add("a"), add("b")], [remove("a")]),
    "added_again": log([*begin, add("a")], [remove("a")], [add("a")]),
    "added_twice": log([*begin, add("a"), add("a")]),
    "added_in_two_versions": log([*begin, add("a")], [add("a", dataChange=False)]),
    "other_spelling": log([*begin, add("a"), add("a", path="%61.parquet")]),
    "statistics": log([*begin, add("a", stats=statistics)]),
    "wrong_size": log([*begin, add("a", size=1)]),
    "elsewhere": log([*begin, add("a", path="../input")]),
    "absolute": log([*begin, add("a", path="file:///etc/hostname")]),
    "missing": log([*begin, add("c")]),
    "feature": log([protocol("deletionVectors"), metadata(), add("a")]),
    "unknown_feature": log([protocol("futureFeature"), metadata(), add("a")]),
    "vector": log([protocol("deletionVectors"), metadata(), add("a", deletionVector={
        "storageType": "i", "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
        "sizeInBytes": 40, "cardinality": 1})]),
    "partitions": log([protocol(), metadata([*COLUMNS, {"name": "day", "type": "date", "nullable": True, "metadata": {}}],
                                            ["day"]), add("a", partitionValues={"day": "2026-11-01"})]),
    "mapped": log([{"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}, metadata(
        [{"name": "id", "type": "long", "nullable": True, "metadata": {
            "delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "name"}}],
        **{"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"}), add("a")]),
    "cut": log([*begin, add("a")])[:-10],
    "empty": "",
    "unknown_action": log([*begin, {"future": {}}, add("a")]),
}
for name, content in DELTA.items():
    keep("delta_log", name, content)

# Manifests


def entry(url, **meta):
    return {"url": url, **({"meta": meta} if meta else {})}


MANIFESTS = {
    "both": {"entries": [entry("s3://shop/x/a.csv", content_length=27), entry("s3://shop/x/b.csv", content_length=20)]},
    "one": {"entries": [entry("a.csv")]},
    "mandatory": {"entries": [entry("a.csv"), {"url": "gone.csv", "mandatory": False}]},
    "gone": {"entries": [entry("gone.csv")]},
    "wrong_length": {"entries": [entry("a.csv", content_length=5)]},
    "twice": {"entries": [entry("a.csv"), entry("a.csv")]},
    "two_spellings": {"entries": [entry("a.csv"), entry("./a.csv")]},
    "pattern": {"entries": [entry("*.csv")]},
    "pattern_and_name": {"entries": [entry("?.csv"), entry("b.csv")]},
    "itself": {"entries": [entry("manifest")]},
    "none": {"entries": []},
    "schema": {"entries": [entry("b.csv")], "schema": {"elements": []}, "meta": {"record_count": 2}},
}
for name, content in MANIFESTS.items():
    keep("manifest", name, json.dumps(content))
keep("manifest", "cut", '{"entries":[{"url":"a.csv"},{"url"')

# Query files

SETTINGS = "SET postback.event_source = 'offline';\nSET postback.event_source_id = '7654321098765432109';\n"
QUERIES = {
    "purchase": SETTINGS + "SELECT order_id, email, total AS value, 'EUR' AS currency, 'Purchase' AS event,\n"
    "       ordered_at AS timestamp\nFROM 'orders.csv'\n",
    "parameter": SETTINGS + "SELECT order_id AS event_id, email FROM 'orders.csv' WHERE ordered_at >= $since;\n",
    "table": SETTINGS + "CREATE EXTERNAL TABLE o (order_id TEXT, email TEXT, total DECIMAL(10,2), ordered_at TIMESTAMP)\n"
    "STORED AS CSV LOCATION 'orders.csv' OPTIONS ('format.has_header' 'true');\nSELECT * FROM o\n",
    "with": SETTINGS + "WITH o AS (SELECT *, row_number() OVER (PARTITION BY email ORDER BY ordered_at) AS n FROM 'orders.csv')\n"
    "SELECT order_id, sha256(email) AS email, CASE WHEN total > 5 THEN 'Purchase' ELSE 'AddToCart' END AS event FROM o WHERE n = 1\n",
    "insert": SETTINGS + "INSERT INTO postback.events (event_id, email) SELECT order_id, email FROM 'orders.csv';\n",
    "union": "SELECT order_id FROM 'orders.csv' UNION ALL SELECT 'x' ORDER BY 1 LIMIT 3",
    "join": "SELECT a.order_id, b.email FROM 'orders.csv' a LEFT JOIN 'orders.csv' b USING (order_id)",
    "typo": SETTINGS + "SELECT order_idd, emial FROM 'orders.csv'\n",
    "no_such_function": "SELECT to_datez(ordered_at) FROM 'orders.csv'",
    "unknown_setting": "SET postback.timezon = 'Europe/Berlin';\nSELECT 1 AS value",
    "bad_value": "SET postback.timezone = 'Mars/Phobos';\nSET postback.currency = 'XXQ';\nSELECT 1 AS value",
    "open_string": "SELECT 'abc FROM 'orders.csv'\n",
    "open_comment": "SELECT 1 /* no end\n",
    "two_queries": "SELECT 1;\nSELECT 2;\n",
    "forbidden": "COPY (SELECT 1) TO 'x.csv';\nDROP TABLE orders;\n",
    "bom_crlf": "\ufeffSELECT order_id\r\nFROM 'orders.csv'\r\nWHERE totl > 5\r\n",
    "wide_letters": "SELECT 'Zoë 😀' AS description, ordr_id FROM 'orders.csv'\n",
    "nested": "SELECT " + "(" * 60 + "1" + ")" * 60 + " AS value FROM 'orders.csv'",
    "times": SETTINGS + "SELECT order_id, coalesce(to_timestamp('2026-03-29T02:30:00'), ordered_at) AS timestamp,\n"
    "  date_trunc('day', ordered_at) AS d, CAST('2026-11-01' AS DATE) AS e FROM 'orders.csv'\n",
    "constants": "SELECT substr('abc', -1), round(1.25, 1), to_char(now(), '%Y'), regexp_replace('a', '(', 'b')",
    "lateral": "SELECT o.order_id, x FROM 'orders.csv' o, LATERAL (SELECT o.total AS x LIMIT 1)",
    "secret": "SET postback.access_token = 'abcdefghijklmnop';\nSELECT 1",
    "empty": "-- nothing\n",
}
for name, content in QUERIES.items():
    keep("query_file", name, content)

# Answers


def answer(status, events, body):
    return f"{status} {events}\n" + (body if isinstance(body, str) else json.dumps(body))


OK = {"code": 0, "message": "OK", "request_id": "202611011230000102030405060708090A", "data": {}}
ANSWERS = {
    "ok": answer(200, 3, OK),
    "refused": answer(200, 3, OK | {"code": 40002, "message": "Invalid value for data.1.user.email: not a valid value."}),
    "beyond": answer(200, 3, OK | {"code": 40002, "message": "Invalid value for data.7.user.email: not a valid value."}),
    "token": answer(200, 3, OK | {"code": 40105, "message": "Access token is incorrect or has been revoked."}),
    "throttled": answer(200, 3, OK | {"code": 40100, "message": "Too many requests."}),
    "partial": answer(200, 4, OK | {"code": 20001, "message": "Partial success", "data": {"failed_events": [{"index": 1}]}}),
    "partial_with_zero": answer(200, 4, OK | {"data": {"partial_failure": True, "failed_events": [{"order_in_batch": 1}]}}),
    "failed_rows": answer(200, 4, OK | {"data": {"failed_rows": [{"index": 0}, {"index": 3}]}}),
    "code_as_text": answer(200, 3, {"code": "0", "message": "OK"}),
    "code_as_float": answer(200, 3, '{"code":0.0,"message":"OK"}'),
    "minus_zero": answer(200, 3, '{"code":-0,"message":"OK"}'),
    "code_twice": answer(200, 3, '{"code":0,"code":40002}'),
    "code_nested": answer(200, 3, {"data": {"code": 0}}),
    "array": answer(200, 3, "[" + json.dumps(OK) + "]"),
    "two_bodies": answer(200, 3, json.dumps(OK) * 2),
    "cut": answer(200, 3, json.dumps(OK)[:-5]),
    "page": answer(502, 3, "<html><body>502 Bad Gateway</body></html>"),
    "too_large": answer(413, 3, ""),
    "redirect": answer(302, 3, ""),
    "no_content": answer(204, 3, ""),
    "server_error_ok": answer(500, 3, OK),
    "bad_utf8": b"200 3\n" + b'{"code":0,"message":"\xc3\x28"}',
    "deep": answer(200, 3, '{"code":0,"data":' + "[" * 300 + "]" * 300 + "}"),
    "duplicate": answer(200, 3, OK | {"code": 40002, "message": "Duplicate event_id"}),
}
for name, content in ANSWERS.items():
    keep("api_response", name, content)

# Fault scripts

SCRIPTS = {
    "reset": '[[fault]]\non = "3..5"\ndoes = "reset"\ntaken = true\n',
    "poison": 'seed = 7\n\n[[fault]]\nevent_id = "order-7*"\ndoes = "poison"\nnames = "wrong"\n',
    "code": '[[fault]]\non = "1"\ndoes = "code"\ncode = 40100\nmessage = "Too many"\nretry_after = "2s"\n',
    "partial": '[[fault]]\nevent_id = "a"\ndoes = "partial"\nfield = "user.email"\n',
    "page": '[[fault]]\ndoes = "page"\nstatus = 503\n\n[[fault]]\ndoes = "slow"\nfor = "2s"\n',
    "often": '[[fault]]\noften = 0.5\ndoes = "half"\n[[fault]]\nevery = 3\ndoes = "never"\n',
    "unknown": '[[fault]]\ndoes = "explode"\n',
    "unknown_key": '[[fault]]\ndoes = "reset"\nwhen = 3\n',
    "no_rule": "seed = 1\n",
    "not_a_list": '[fault]\ndoes = "reset"\n',
    "bad_toml": "[[fault]\ndoes = \n",
    "bad_range": '[[fault]]\non = "5..3"\ndoes = "reset"\n',
    "large": '[[fault]]\non = "99999999999999999999"\ndoes = "reset"\n',
    "negative_seed": "seed = -1\n",
    "wide_letters": '# Zoë 😀\n[[fault]]\ndoes = "😀"\n',
    "lying": '[[fault]]\ndoes = "code"\ncode = 40002\ntaken = true\n',
}
for name, content in SCRIPTS.items():
    keep("fault_script", name, content)
