#!/usr/bin/env python3
"""The source files under tests/data: the same five orders in every format, and files that cannot be read.

    python3 tests/data/make_sources.py

Needs tests/golden/requirements.txt. Every format holds the same rows, so that every one must give the payloads of
tests/golden/orders.ndjson. (Headers in upper case are no such variant: a query must name them as they are, in double
quotes, because columns are not yet bound without regard to case.) The rows carry what readers like to spoil: ids, postal codes and phones with leading zeros
or a plus, an id that looks like a number in scientific notation, timestamps with offsets, decimals, quotes, NULLs.
"""

import csv
import datetime
import decimal
import gzip
import io
import json
import pathlib

import pyarrow
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
ORDERS = HERE / "orders"
BAD = HERE / "bad"

COLUMNS = ["order_id", "customer_id", "email", "phone", "zip", "ordered_at", "items", "total", "note"]
ROWS = [
    ("0004711", "007", " Pat.Lee@Example.com ", "+44 20 7946 0018", "02113", "2025-12-05T10:15:00+01:00", 3, "74.50", None),
    ("0004712", "0042", "ana@example.com", "020 7946 0958", "EC1A 1BB", "2025-12-05T09:15:30.250Z", 1, "5.00", 'Gift, with "love"'),
    ("0004713", "1E3", "zoe@example.com", "0044 20 7946 0991", "00501", "2025-12-06T23:59:59-05:00", 12, "1234.56", "Größe 42"),
    ("0004714", None, None, "+14155550132", None, "2025-12-07T00:00:00Z", 1, "0.99", None),
    ("0004715", "0000", "o'neil@example.com", None, "H-1073", "2025-12-07T11:59:59+00:00", 2, "100.00", "https://shop.example/a?b=c&d"),
]


def delimited(separator, columns=COLUMNS, rows=ROWS, line_end="\n"):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def records():
    """Rows as JSON objects; NULL once as null and once as an absent key."""
    for row in ROWS:
        record = dict(zip(COLUMNS, row)) | {"total": float(row[7])}
        if record["customer_id"] is None:
            del record["customer_id"]
        yield json.dumps(record, ensure_ascii=False)


def gzipped(content):
    return gzip.compress(content, mtime=0)


def zstd(content):
    return pyarrow.Codec("zstd").compress(content, asbytes=True)


def parquet():
    text = pyarrow.string()
    types = [text, text, text, text, text, pyarrow.timestamp("us", tz="UTC"), pyarrow.int64(), pyarrow.decimal128(10, 2), text]
    rows = [
        (*row[:5], datetime.datetime.fromisoformat(row[5]), row[6], decimal.Decimal(row[7]), row[8])
        for row in ROWS
    ]
    table = pyarrow.table(
        [pyarrow.array(column, kind) for column, kind in zip(zip(*rows), types)],
        names=COLUMNS,
    )
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def int96():
    """One instant the way Spark writes it, 2025-12-05 10:15:00 UTC."""
    times = pyarrow.array([datetime.datetime(2025, 12, 5, 10, 15)], pyarrow.timestamp("ns"))
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"ordered_at": times}), sink, use_deprecated_int96_timestamps=True)
    return sink.getvalue().to_pybytes()


def checksums(version, codec):
    """Small pages of many kinds of columns, each page with a checksum."""
    count = range(600)
    start = datetime.datetime(2025, 12, 5, tzinfo=datetime.timezone.utc)
    item = pyarrow.struct([("content_id", pyarrow.string()), ("quantity", pyarrow.int32())])
    items = [[{"content_id": str(i), "quantity": j} for j in range(i % 3)] if i % 5 else None for i in count]
    columns = {
        "order_id": pyarrow.array([f"{i:07d}" for i in count]),
        "store": pyarrow.array([["Berlin", "Paris", None, "Köln"][i % 4] for i in count]),
        "quantity": pyarrow.array([i * i if i % 7 else None for i in count], pyarrow.int64()),
        "total": pyarrow.array([decimal.Decimal(i * 137) / 100 for i in count], pyarrow.decimal128(12, 2)),
        "weight": pyarrow.array([i / 8 for i in count], pyarrow.float64()),
        "ordered_at": pyarrow.array([start + datetime.timedelta(minutes=i) for i in count], pyarrow.timestamp("us", "UTC")),
        "items": pyarrow.array(items, pyarrow.list_(item)),
    }
    out = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table(columns),
        out,
        row_group_size=250,
        data_page_size=512,
        data_page_version=version,
        compression=codec,
        use_dictionary=["store"],
        write_page_checksum=True,
        write_page_index=True,
        store_schema=False,
    )
    return out.getvalue()


def main():
    commas, lines = delimited(","), "".join(record + "\n" for record in records()).encode()
    array = ("[\n  " + ",\n  ".join(records()) + "\n]\n").encode()
    orders = {
        "orders.csv": commas,
        "orders_crlf.csv": delimited(",", line_end="\r\n"),
        "orders_bom.csv": b"\xef\xbb\xbf" + commas,
        "orders_newlines.csv": delimited(",", [*COLUMNS, "memo"], [(*row, "first line\nsecond, line") for row in ROWS]),
        "orders_semicolon.csv": delimited(";"),
        "orders.tsv": delimited("\t"),
        "orders.csv.gz": gzipped(commas),
        "orders.csv.zst": zstd(commas),
        "orders.json": array,
        "orders.ndjson": lines,
        "orders.ndjson.gz": gzipped(lines),
        "orders.parquet": parquet(),
        # Warehouses write names that say nothing, or the wrong thing.
        "orders_csv": commas,
        "orders_gzip": gzipped(commas),
        "orders_gzip_members": gzipped(commas[:100]) + gzipped(commas[100:]),
        "orders_zstd": zstd(commas),
        "orders_ndjson": lines,
        "orders_parquet": parquet(),
        "0000_part_00": delimited("|"),
        "parquet_named.csv": parquet(),
        "gzip_named.csv": gzipped(commas),
    }
    bad = {
        "orders.csv": commas,
        "empty.csv": b"",
        "header_only.csv": commas.split(b"\n")[0] + b"\n",
        "no_addresses.csv": delimited(",", rows=[(*row[:2], "n/a", "unknown", *row[4:]) for row in ROWS]),
        "truncated.parquet": parquet()[:-100],
        "truncated.csv.gz": gzipped(commas)[:-60],
        "truncated.ndjson": lines[: len(lines) - 40],
    }
    here = {
        "int96.parquet": int96(),
        "checksums_1.parquet": checksums("1.0", "snappy"),
        "checksums_2.parquet": checksums("2.0", "zstd"),
    }
    for folder, files in ((ORDERS, orders), (BAD, bad), (HERE, here)):
        for name, content in files.items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
