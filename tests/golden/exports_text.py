"""Text exports: delimited files with the conventions of the warehouses and of spreadsheets, and JSON."""

import bz2
import codecs
import gzip
import json
import lzma
import zipfile

import duckdb
import lz4.frame
import polars
import snappy
import zstandard

from exports_fixture import COLUMNS, D, ORDERS, UTC, arrow, ask, each, fixture, spelled, text, without

DUCK_TEXT = "{'order_id': 'VARCHAR', 'email': 'VARCHAR', 'ordered_at': 'TIMESTAMPTZ', 'total': 'DECIMAL(10, 2)', 'items': 'BIGINT', 'note': 'VARCHAR'}"


def duck_csv(options="", source="orders", columns=COLUMNS):
    return f"SELECT {', '.join(columns)} FROM read_csv('{source}', types = {DUCK_TEXT}{options})"


def declared(options="", types=DUCK_TEXT, stored="CSV", location="orders"):
    """A table declared in SQL, where a file does not tell its own names."""
    columns = "order_id VARCHAR, email VARCHAR, ordered_at TIMESTAMPTZ, total DECIMAL(10, 2), items BIGINT, note VARCHAR"
    return f"CREATE EXTERNAL TABLE orders ({columns}) STORED AS {stored} LOCATION '{{here}}/{location}' OPTIONS ({options});"


DECLARED = f"SELECT {', '.join(COLUMNS)} FROM orders"
PLAIN = {"query": ask("orders"), "duck": duck_csv()}


def write(here, content, name="orders"):
    (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# Compression: in one piece and in several, which some readers take for the end.


def gzipped(content, *_):
    return gzip.compress(content, mtime=0)


def in_parts(compress):
    def parts(content):
        return b"".join(compress(part) for part in (content[:70], b"", content[70:200], content[200:]))

    return parts


def lz4_frame(content):
    return lz4.frame.compress(content, content_checksum=True)


def snappy_frames(content):
    compressor = snappy.StreamCompressor()
    return b"".join(compressor.compress(content[start : start + 100]) for start in range(0, len(content), 100))


ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress
COMPRESSIONS = [
    ("gzip", gzipped),
    ("gzip_members", in_parts(gzipped)),
    ("zstd", ZSTD),
    ("zstd_frames", in_parts(ZSTD)),
    ("bzip2", bz2.compress),
    ("bzip2_streams", in_parts(bz2.compress)),
    ("xz", lzma.compress),
    ("xz_streams", in_parts(lzma.compress)),
    ("snappy", snappy_frames),
    ("lz4", lz4_frame),
    ("lz4_frames", in_parts(lz4_frame)),
]


@each("6 compression of CSV", ask("orders"), COMPRESSIONS, rows=ORDERS)
def csv_in(here, compress):
    write(here, compress(text().encode()))


@each("6 compression of JSON", ask("orders"), COMPRESSIONS, rows=ORDERS)
def ndjson_in(here, compress):
    write(here, compress(ndjson().encode()))


@each("14 compressed and cut off: the file is named", ask("orders"), COMPRESSIONS, refuses=("cannot read `orders`", "cut off"))
def csv_cut_off_in(here, compress):
    content = compress(text(ORDERS * 40).encode())
    write(here, content[: len(content) * 2 // 3])


# Dialects.


@each(
    "7 delimiters",
    ask("orders"),
    [("comma", ","), ("tab", "\t"), ("pipe", "|"), ("semicolon", ";")],
    duck=lambda delimiter: duck_csv(f", delim = '{delimiter}'"),
)
def csv_delimited(here, delimiter):
    write(here, text(delimiter=delimiter))


@each("7 line ends", ask("orders"), [("crlf", "\r\n"), ("lf", "\n")], rows=ORDERS)
def csv_line_ends(here, end):
    write(here, text(end=end))


@fixture("7 line ends of old spreadsheets", ask("orders", ["order_id", "total"]), rows=[{"order_id": row["order_id"], "total": row["total"]} for row in ORDERS])
def csv_carriage_returns(here):
    write(here, text(without("note"), end="\r"))


@fixture("7 the last line has no end", **PLAIN)
def csv_without_last_end(here):
    write(here, text().rstrip("\n"))


@fixture("7 blank lines are no rows", ask("orders"), rows=ORDERS)
def csv_blank_lines(here):
    write(here, text() + "\n\n")


@fixture("7 every field in quotes", **PLAIN)
def csv_all_quoted(here):
    write(here, text([{name: "" if value is None else value for name, value in row.items()} for row in ORDERS], quoting=1))


@each(
    "7 encodings",
    ask("orders"),
    [
        ("bom", codecs.BOM_UTF8, "utf-8"),
        ("utf16_le_bom", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf16_be_bom", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf16_le", b"", "utf-16-le"),
        ("utf16_be", b"", "utf-16-be"),
    ],
    rows=ORDERS,
)
def csv_encoded(here, mark, encoding):
    write(here, mark + text().encode(encoding))


@each("7 Latin-1 is read, with a warning", ask("orders"), [("latin1", "latin-1"), ("windows", "cp1252")], rows=ORDERS, says=("PB2301",))
def csv_encoded_as(here, encoding):
    write(here, text().encode(encoding))


@fixture("7 Excel: semicolons and decimal commas are text until told", ask("orders", ["order_id", "total"]), rows=[{"order_id": row["order_id"], "total": str(row["total"]).replace(".", ",")} for row in ORDERS], delivered=False)
def csv_decimal_comma(here):
    rows = [{**row, "total": str(row["total"]).replace(".", ",")} for row in ORDERS]
    write(here, codecs.BOM_UTF8 + text(rows, delimiter=";", end="\r\n").encode())


@fixture(
    "7 escapes: a backslash before quotes",
    DECLARED,
    setup=declared("'format.has_header' 'true', 'format.escape' '\\'"),
    rows=[{**row, "note": row["note"]} for row in ORDERS],
)
def csv_backslash_declared(here):
    rows = [{**row, "note": row["note"] and row["note"].replace("\\", "\\\\")} for row in ORDERS]
    write(here, text(rows, doublequote=False, escapechar="\\").replace("\\\\\\\\", "\\\\"))


@fixture("7 single quotes", ask("orders", ["order_id", "note"]), rows=[{"order_id": "1", "note": "a, b"}, {"order_id": "2", "note": "c, d"}])
def csv_single_quotes(here):
    write(here, "order_id,note\n1,'a, b'\n2,'c, d'\n")


@fixture(
    "7 NULL markers per column kind",
    "SELECT order_id, amount, count, note FROM 'orders'",
    rows=[
        {"order_id": "1", "amount": D("1.5"), "count": 3, "note": "x"},
        {"order_id": "2", "amount": None, "count": None, "note": None},
        {"order_id": "3", "amount": None, "count": None, "note": None},
        {"order_id": "4", "amount": None, "count": None, "note": "NULL"},
        {"order_id": "5", "amount": None, "count": None, "note": "null"},
        {"order_id": "6", "amount": None, "count": None, "note": "NaN"},
        {"order_id": "7", "amount": None, "count": None, "note": "None"},
        {"order_id": "8", "amount": None, "count": None, "note": "N/A"},
        # As many programs quote every field, an empty one is NULL however it is written.
        {"order_id": "9", "amount": D("2.5"), "count": 4, "note": None},
    ],
)
def csv_null_markers(here):
    markers = ["\\N", "", "NULL", "null", "NaN", "None", "N/A"]
    lines = [f"{number},{marker},{marker},{marker}" for number, marker in enumerate(markers, start=2)]
    write(here, "order_id,amount,count,note\n1,1.5,3,x\n" + "\n".join(lines) + '\n9,2.5,4,""\n')


@fixture(
    "7 identity is text: ids, phones and postal codes keep zeros, plus and exponent",
    "SELECT * FROM 'orders'",
    rows=[
        {"order_id": "007", "phone": "+14155550132", "zip": "02113", "customer_id": "1E3", "email": "A@example.com"},
        {"order_id": "008", "phone": "0044 20 7946 0018", "zip": "00501", "customer_id": "12", "email": None},
    ],
)
def csv_identity(here):
    write(here, "order_id,phone,zip,customer_id,email\n007,+14155550132,02113,1E3,A@example.com\n008,0044 20 7946 0018,00501,12,\n")


# No header.


@each(
    "7 a first line that is a row: the answer is a table to declare",
    ask("orders"),
    [("comma", ",", ""), ("snowflake", ",", "\\N"), ("redshift", "|", "")],
    refuses=("orders", "CREATE EXTERNAL TABLE"),
)
def csv_headless(here, delimiter, null):
    write(here, text(header=False, delimiter=delimiter, null=null))


@each(
    "7 no header, declared",
    DECLARED,
    [("comma", ","), ("pipe", "|"), ("tab", "\t")],
    setup=lambda delimiter: declared("'format.has_header' 'false'"),
    rows=ORDERS,
)
def csv_headless_declared(here, delimiter):
    write(here, text(header=False, delimiter=delimiter))


@each("7 declared columns, and a header that may be there", DECLARED, [("with", True), ("without", False)], setup=declared("'format.delimiter' ','"), rows=ORDERS)
def csv_header_by_names(here, header):
    write(here, text(header=header))


@fixture("17 names twice", "SELECT order_id, order_id_2, order_id_3 FROM 'orders'", rows=[{"order_id": "1", "order_id_2": "2", "order_id_3": "3"}], says=("PB2304",))
def csv_duplicate_names(here):
    write(here, "order_id,order_id,order_id\n1,2,3\n")


@fixture("names in upper case", ask("orders"), rows=ORDERS)
def csv_upper_case(here):
    content = text()
    first, rest = content.split("\n", 1)
    write(here, first.upper() + "\n" + rest)


# Rows that are faulty: the next one is read.

FAULTS = "order_id,email,total\n1,a@example.com,1.00\n{}\n3,c@example.com,3.00\n"
SOUND = [{"order_id": "1", "email": "a@example.com", "total": D("1.00")}, {"order_id": "3", "email": "c@example.com", "total": D("3.00")}]


@each(
    "7 faulty rows become rejects, and the next is read",
    "SELECT order_id, email, total FROM 'orders'",
    [
        ("too_few_fields", b"2,b@example.com", "PB3401"),
        ("too_many_fields", b"2,b@example.com,2.00,2.00,x", "PB3401"),
        ("no_utf8", b"2,b\xff@example.com,2.00", "PB3403"),
        ("nul", b"2,b\x00@example.com,2.00", "PB3404"),
        ("text_behind_a_quote", b'2,"b@example.com"x,2.00', "PB3402"),
        ("open_quote", b'2,"b@example.com,2.00', "PB3402"),
        ("gigantic_field", b"2," + b"b" * (1 << 20) + b"b,2.00", "PB3405"),
        ("gigantic_row", b"2," + b"b" * (17 << 20) + b"b,2.00", "PB3405"),
    ],
    rows=SOUND,
    unread=lambda _, code: {3: code},
    flags=("--max-rejects", "50%"),
)
def csv_row_with(here, row, _):
    write(here, FAULTS.encode().replace(b"{}", row))


@fixture(
    "7 a value below the sample that does not fit its column becomes a reject",
    "SELECT order_id, total FROM 'orders'",
    rows=[{"order_id": str(number), "total": D("1.50")} for number in range(200_000) if number != 150_000],
    unread={150_002: "PB3407"},
)
def csv_row_of_another_type(here):
    lines = [f"{number},{'abc' if number == 150_000 else '1.50'}\n" for number in range(200_000)]
    write(here, "order_id,total\n" + "".join(lines))


@each(
    "8 faulty lines of JSON become rejects, and the next is read",
    "SELECT order_id, email, total FROM 'orders'",
    [
        ("cut_off", b'{"order_id":"2","email":"b@ex', "PB3406"),
        ("no_object", b"[1]", "PB3406"),
        ("no_utf8", b'{"order_id":"2","email":"b\xff"}', "PB3403"),
        ("text", b"oops", "PB3406"),
    ],
    rows=SOUND,
    unread=lambda _, code: {2: code},
    flags=("--max-rejects", "50%"),
)
def ndjson_line_with(here, line, _):
    first, last = [json.dumps({**row, "total": float(row["total"])}).encode() for row in SOUND]
    write(here, b"\n".join([first, line, last, b""]))


# Header only, empty.


@fixture("12 only a header", ask("orders"), refuses=("`orders` has no rows",))
def csv_only_header(here):
    write(here, text(header=True).split("\n")[0] + "\n")


@fixture("12 nothing", ask("orders"), refuses=("`orders` is empty",))
def csv_empty(here):
    write(here, "")


@fixture("12 one row", **PLAIN)
def csv_of_one_row(here):
    write(here, text(ORDERS[:1]))


# Times as text.


@each(
    "9 times as text",
    ask("orders", ["order_id", "ordered_at"]),
    [
        ("t_z", "%Y-%m-%dT%H:%M:%SZ"),
        ("t_millis_z", "%Y-%m-%dT%H:%M:%S.000Z"),
        ("space_offset", "%Y-%m-%d %H:%M:%S+00:00"),
        ("offset_without_colon", "%Y-%m-%d %H:%M:%S+0000"),
        ("short_offset", "%Y-%m-%d %H:%M:%S+00"),
        ("utc_suffix", "%Y-%m-%d %H:%M:%S UTC"),
        ("naive_space", "%Y-%m-%d %H:%M:%S"),
        ("naive_t", "%Y-%m-%dT%H:%M:%S"),
        ("snowflake", "%Y-%m-%d %H:%M:%S.000 +0000"),
    ],
    rows=lambda form: [
        {
            "order_id": row["order_id"],
            "ordered_at": row["ordered_at"].replace(microsecond=0, tzinfo=None if form.endswith("S") else UTC),
        }
        for row in ORDERS
    ],
    zone="UTC",
)
def csv_times(here, form):
    write(here, text(without("note"), time=lambda time: time.strftime(form)))


@each(
    "9 epoch numbers by magnitude",
    ask("orders", ["order_id", "ordered_at"]),
    [("s", 1), ("ms", 1_000), ("us", 1_000_000)],
    rows=lambda scale: [{"order_id": row["order_id"], "ordered_at": int(row["ordered_at"].replace(microsecond=0).timestamp()) * scale} for row in ORDERS],
)
def csv_epoch(here, scale):
    write(here, text(without("note"), time=lambda time: str(int(time.replace(microsecond=0).timestamp()) * scale)))


# By writers.


@each(
    "by several writers",
    ask("orders", ["order_id", "email", "total", "items", "note"]),
    [("plain", "HEADER"), ("quoted", "HEADER, FORCE_QUOTE *"), ("pipe", "HEADER, DELIMITER '|'"), ("gzip", "HEADER, COMPRESSION gzip"), ("zstd", "HEADER, COMPRESSION zstd")],
    rows=without("ordered_at"),
)
def csv_of_duckdb(here, options):
    orders = arrow()  # noqa: F841  read by name
    duckdb.connect().sql(f"COPY (FROM orders) TO '{here}/orders' (FORMAT csv, {options})")


@each("by several writers", ask("orders", ["order_id", "email", "total", "items", "note"]), [("plain", {}), ("always", {"quote_style": "non_numeric"}), ("tab", {"separator": "\t"})], rows=without("ordered_at"))
def csv_of_polars(here, options):
    polars.from_arrow(arrow()).write_csv(here / "orders", **options)


@fixture("by several writers: the index of a frame has no name", ask("orders", ["order_id", "email", "items", "note"]), rows=without("ordered_at", "total"))
def csv_of_pandas(here):
    arrow().to_pandas().to_csv(here / "orders")


@fixture("7 delimiters at the end of each line", ask("orders", ["order_id", "items"]), rows=[{"order_id": row["order_id"], "items": row["items"]} for row in ORDERS])
def csv_trailing_delimiter(here):
    write(here, "order_id,items,\n" + "".join(f"{row['order_id']},{row['items']},\n" for row in ORDERS))


# What is no export.


@fixture("1 a workbook is refused by its name", ask("orders.csv"), refuses=("orders.csv", "spreadsheet"))
def workbook(here):
    with zipfile.ZipFile(here / "orders.csv", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")


@fixture("1 a zip archive is refused by its name", ask("orders.csv"), refuses=("orders.csv", "zip"))
def archive(here):
    with zipfile.ZipFile(here / "orders.csv", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orders.csv", text())


@each(
    "1 a page in place of the export: an address that expired",
    "SELECT * FROM 'orders.csv'",
    [
        ("html", "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>Please, sign in</body>\n</html>\n"),
        ("xml", '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ExpiredToken</Code></Error>\n'),
    ],
    refuses=lambda content: ("`orders.csv` is " + ("a web page" if "html" in content else "an XML document"), "login"),
)
def page(here, content):
    write(here, content, "orders.csv")


# JSON.


def ndjson(rows=ORDERS, **changes):
    def value(name, value):
        if value is None:
            return None
        change = changes.get(name, {"total": float, "ordered_at": lambda time: time.isoformat()}.get(name))
        return change(value) if change else value

    return "".join(json.dumps({name: value(name, row[name]) for name in row}, ensure_ascii=False) + "\n" for row in rows)


JSON_ORDERS = without("ordered_at")


@fixture("8 lines of JSON", ask("orders"), rows=ORDERS)
def ndjson_plain(here):
    write(here, ndjson())


@fixture("8 an array of objects", ask("orders"), rows=ORDERS)
def json_array(here):
    write(here, json.dumps([json.loads(line) for line in ndjson().splitlines()], indent=2))


@fixture("8 objects that follow one another without a line end", ask("orders"), rows=ORDERS)
def json_concatenated(here):
    write(here, ndjson().replace("\n", ""))


@fixture("8 objects over several lines", ask("orders"), rows=ORDERS)
def json_pretty_objects(here):
    write(here, "\n".join(json.dumps(json.loads(line), indent=2) for line in ndjson().splitlines()))


@fixture("8 one object with the rows inside is refused, with a hint", ask("orders"), refuses=("`orders` is one JSON object", "jq -c '.data[]'"))
def json_enclosed(here):
    write(here, json.dumps({"data": [json.loads(line) for line in ndjson().splitlines()]}))


@fixture(
    "8 BigQuery: INT64 and NUMERIC as text, escaped < > &",
    "SELECT order_id, CAST(items AS BIGINT) AS items, CAST(total AS DECIMAL(10, 2)) AS total, note FROM 'orders'",
    rows=[{name: row[name] for name in ("order_id", "items", "total", "note")} | {"note": "a < b & c > d"} for row in ORDERS],
)
def bigquery_json(here):
    rows = [{**row, "note": "a < b & c > d"} for row in ORDERS]
    escaped = ndjson(rows, items=str, total=str)
    for sign in "<>&":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    write(here, escaped, "orders")


@fixture(
    "8 INT64 as text beyond what a double holds",
    "SELECT order_id FROM 'orders'",
    rows=[{"order_id": "90071992547409931"}, {"order_id": "9223372036854775807"}],
)
def bigquery_json_ids(here):
    write(here, '{"order_id":"90071992547409931"}\n{"order_id":"9223372036854775807"}\n')


@fixture(
    "11 BigQuery: REPEATED and RECORD in JSON",
    "SELECT order_id, customer['email'] AS email, items FROM 'orders'",
    rows=[{"order_id": "1", "email": "a@example.com", "items": [{"sku": "01", "quantity": 2}]}, {"order_id": "2", "email": None, "items": []}],
)
def bigquery_json_nested(here):
    write(
        here,
        '{"order_id":"1","customer":{"email":"a@example.com"},"items":[{"sku":"01","quantity":2}]}\n'
        '{"order_id":"2","customer":null,"items":[]}\n',
    )


@each("by several writers", ask("orders", ["order_id", "email", "total", "items", "note"]), [("lines", "ARRAY false"), ("array", "ARRAY true")], rows=JSON_ORDERS)
def json_of_duckdb(here, options):
    orders = arrow()  # noqa: F841  read by name
    duckdb.connect().sql(f"COPY (FROM orders) TO '{here}/orders' (FORMAT json, {options})")


@fixture("by several writers", ask("orders", ["order_id", "email", "items", "note"]), rows=without("ordered_at", "total"))
def ndjson_of_polars(here):
    polars.from_arrow(arrow().drop_columns(["ordered_at"])).write_ndjson(here / "orders")


@fixture("8 keys that come and go", "SELECT order_id, email, note FROM 'orders'", rows=[{"order_id": "1", "email": "a@example.com", "note": None}, {"order_id": "2", "email": None, "note": "x"}])
def ndjson_sparse(here):
    write(here, '{"order_id":"1","email":"a@example.com"}\n{"note":"x","order_id":"2"}\n')


# Warehouses.


@fixture("Snowflake: gzip, no header, \\N, nothing in quotes", DECLARED, setup=declared("'format.has_header' 'false'", location="data_0_0_0.csv.gz"), rows=[{**row, "note": None} for row in ORDERS])
def snowflake_csv(here):
    lines = [",".join(spelled({**row, "note": None}, "\\N")) + "\n" for row in ORDERS]
    write(here, gzipped("".join(lines).encode()), "data_0_0_0.csv.gz")


@fixture("Snowflake: FIELD_OPTIONALLY_ENCLOSED_BY, header in upper case, several files", ask("data_0_0_*.csv.gz"), rows=ORDERS)
def snowflake_csv_with_header(here):
    for number, rows in enumerate([ORDERS[:2], ORDERS[2:]]):
        first, rest = text(rows, null="\\N").split("\n", 1)
        write(here, gzipped((first.upper() + "\n" + rest).encode()), f"data_0_0_{number}.csv.gz")


@fixture("BigQuery: sharded CSV, gzip, with a header in each", ask("*.csv.gz"), rows=ORDERS)
def bigquery_csv(here):
    for number, rows in enumerate([ORDERS[:2], ORDERS[2:]]):
        content = text(rows, time=lambda time: time.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
        write(here, gzipped(content.encode()), f"{number:012}.csv.gz")


@fixture(
    "Redshift: pipes, no header, no extension, t and f, backslash escapes",
    "SELECT order_id, total, is_new, note FROM orders",
    setup="CREATE EXTERNAL TABLE orders (order_id VARCHAR, total DECIMAL(10, 2), is_new BOOLEAN, note VARCHAR) STORED AS CSV "
    "LOCATION '{here}/unload/' OPTIONS ('format.has_header' 'false', 'format.delimiter' '|', 'format.escape' '\\');",
    rows=[
        {"order_id": "0004711", "total": D("74.50"), "is_new": True, "note": "a|b"},
        {"order_id": "0004712", "total": D("5.00"), "is_new": False, "note": "c\\d"},
        {"order_id": "0004713", "total": None, "is_new": None, "note": None},
    ],
)
def redshift_text(here):
    (here / "unload").mkdir()
    write(here, "0004711|74.50|t|a\\|b\n", "unload/0000_part_00")
    write(here, "0004712|5.00|f|c\\\\d\n0004713|||\n", "unload/0001_part_00")


@fixture("Spark: header off, empty text in quotes and NULL, which both are no value", "SELECT order_id, total, note FROM orders", setup="CREATE EXTERNAL TABLE orders (order_id VARCHAR, total DECIMAL(10, 2), note VARCHAR) STORED AS CSV LOCATION '{here}/out/' OPTIONS ('format.has_header' 'false');", rows=[{"order_id": "1", "total": D("1.50"), "note": None}, {"order_id": "2", "total": None, "note": None}])
def spark_csv(here):
    (here / "out").mkdir()
    write(here, '1,1.50,""\n2,,\n', "out/part-00000-1f2e-c000.csv")
    write(here, "", "out/_SUCCESS")
    write(here, b"crc\x00", "out/.part-00000-1f2e-c000.csv.crc")
