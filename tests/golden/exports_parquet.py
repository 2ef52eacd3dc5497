"""Parquet and Arrow exports: types, codecs and page formats, by pyarrow, DuckDB, polars and fastparquet."""

import base64
import datetime
import gzip

import duckdb
import fastavro
import fastparquet
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.orc as orc
import pyarrow.parquet as parquet
import pyarrow.parquet.encryption as encryption

from exports_fixture import COLUMNS, D, ORDERS, UTC, arrow, ask, at, each, fixture

ORDERS_FILE = {"query": ask("orders"), "duck": ask("orders").replace("'orders'", "read_parquet('orders')")}


# Codecs, pages and encodings: the same orders in every shape, in a file whose name says nothing.


@each(
    "6 compression, 13 row groups",
    variants=[
        (f"{codec}_v{version[0]}", codec, version)
        for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
        for version in ("1.0", "2.0")
    ],
    **ORDERS_FILE,
)
def parquet_codec(here, codec, version):
    parquet.write_table(arrow(), here / "orders", compression=codec, data_page_version=version, row_group_size=2)


@each(
    "9 decimals, 10 dictionaries",
    variants=[
        ("plain", {"use_dictionary": False}),
        ("dictionary", {"use_dictionary": True}),
        ("delta", {"use_dictionary": False, "column_encoding": {"order_id": "DELTA_BYTE_ARRAY", "items": "DELTA_BINARY_PACKED", "note": "DELTA_LENGTH_BYTE_ARRAY"}}),
        ("byte_stream_split", {"use_dictionary": False, "column_encoding": {"items": "BYTE_STREAM_SPLIT"}}),
        ("decimal_as_integer", {"store_decimal_as_integer": True}),
        ("checksums", {"write_page_checksum": True, "write_page_index": True}),
        ("version_1", {"version": "1.0"}),
        ("tiny_pages", {"data_page_size": 1, "write_batch_size": 1}),
    ],
    **ORDERS_FILE,
)
def parquet_encoding(here, options):
    parquet.write_table(arrow(), here / "orders", **options)


@each(
    "by several writers",
    variants=[("default", {}), ("uncompressed", {"compression": "uncompressed", "row_group_size": 2}), ("lz4", {"compression": "lz4"})],
    **ORDERS_FILE,
)
def parquet_of_polars(here, options):
    polars.from_arrow(arrow()).write_parquet(here / "orders", **options)


@fixture("by several writers: categories", ask("orders"), rows=ORDERS)
def parquet_of_polars_categories(here):
    frame = polars.from_arrow(arrow())
    frame = frame.with_columns(polars.col("note").cast(polars.Categorical), polars.col("email").cast(polars.Categorical))
    frame.write_parquet(here / "orders")


@fixture("by several writers: a frame with an index", ask("orders"), rows=ORDERS)
def parquet_of_pandas(here):
    arrow().to_pandas().set_index("order_id").to_parquet(here / "orders")


@each(
    "by several writers",
    variants=[("v1", "PARQUET_VERSION V1"), ("v2", "PARQUET_VERSION V2"), ("zstd", "COMPRESSION zstd"), ("lz4_raw", "COMPRESSION lz4_raw"), ("brotli", "COMPRESSION brotli")],
    **ORDERS_FILE,
)
def parquet_of_duckdb(here, options):
    orders = arrow()  # noqa: F841  read by name
    duckdb.connect().sql(f"COPY (FROM orders) TO '{here}/orders' (FORMAT parquet, {options})")


@each(
    "by several writers",
    "SELECT order_id, email, ordered_at, CAST(total AS DECIMAL(10, 2)) AS total, items, note FROM 'orders'",
    [("int64", "int64"), ("int96", "int96")],
    duck="SELECT order_id, email, ordered_at::TIMESTAMPTZ AS ordered_at, CAST(total AS DECIMAL(10, 2)) AS total, items, note FROM read_parquet('orders')",
)
def parquet_of_fastparquet(here, times):
    frame = arrow().to_pandas()
    frame["total"] = frame["total"].astype(float)
    frame["ordered_at"] = frame["ordered_at"].astype("datetime64[ns, UTC]")
    fastparquet.write(here / "orders", frame, times=times, compression="GZIP", write_index=False)


# Types.


@each(
    "9 timestamps: INT64 with and without zone",
    variants=[(f"{unit}_{'utc' if zone else 'naive'}", unit, zone) for unit in ("s", "ms", "us", "ns") for zone in ("UTC", None)],
    query=ask("orders"),
    duck=ask("orders").replace("'orders'", "read_parquet('orders')"),
    zone="UTC",
)
def parquet_timestamp(here, unit, zone):
    times = arrow()["ordered_at"].cast(pyarrow.timestamp(unit, tz="UTC"), safe=False)
    if not zone:
        times = times.cast(pyarrow.timestamp(unit))
    parquet.write_table(arrow().set_column(2, "ordered_at", times), here / "orders", coerce_timestamps=None)


@fixture(
    "9 timestamps: a zone that is not UTC",
    ask("orders"),
    duck=ask("orders").replace("'orders'", "read_parquet('orders')"),
)
def parquet_timestamp_of_berlin(here):
    times = arrow()["ordered_at"].cast(pyarrow.timestamp("us", tz="Europe/Berlin"))
    parquet.write_table(arrow().set_column(2, "ordered_at", times), here / "orders")


@fixture(
    "9 timestamps: an instant that is declared as one stays what it is",
    "SELECT order_id, ordered_at FROM orders",
    setup="CREATE EXTERNAL TABLE orders (order_id VARCHAR, ordered_at TIMESTAMPTZ) STORED AS PARQUET LOCATION '{here}/orders';",
    rows=[{name: row[name] for name in ("order_id", "ordered_at")} for row in ORDERS],
    zone="America/New_York",
)
def parquet_declared_instants(here):
    parquet.write_table(arrow(), here / "orders")


@fixture("9 timestamps: INT96 of Spark is UTC", ask("orders"), rows=ORDERS)
def parquet_int96(here):
    parquet.write_table(arrow(), here / "orders", use_deprecated_int96_timestamps=True)


#: Sentinels of warehouses, and the edge of what nanoseconds can hold.
SENTINELS = [datetime.datetime(*date, tzinfo=UTC) for date in [(1, 1, 1), (1900, 1, 1), (2025, 12, 1), (2262, 4, 12), (9999, 12, 31)]]


@fixture(
    "9 timestamps: sentinels in INT96 do not wrap",
    "SELECT order_id, ordered_at FROM 'orders'",
    rows=[{"order_id": str(number), "ordered_at": time} for number, time in enumerate(SENTINELS)],
    account={"accepted": 1, "rejected": 2, "out_of_window": 2},
    flags=("--max-rejects", "100%"),
)
def parquet_int96_sentinels(here):
    # Written by hand: pyarrow counts in nanoseconds, and cannot hold the years 1 and 9999; see `int96_file`.
    (here / "orders").write_bytes(int96_file(SENTINELS))


@fixture(
    "9 timestamps: sentinels in INT64",
    "SELECT order_id, ordered_at FROM 'orders'",
    duck="SELECT order_id, ordered_at FROM read_parquet('orders')",
    account={"accepted": 1, "rejected": 2, "out_of_window": 2},
    flags=("--max-rejects", "100%"),
)
def parquet_int64_sentinels(here):
    names = [str(number) for number in range(len(SENTINELS))]
    times = pyarrow.array(SENTINELS, pyarrow.timestamp("us", tz="UTC"))
    parquet.write_table(pyarrow.table({"order_id": names, "ordered_at": times}), here / "orders")


@each(
    "9 dates",
    "SELECT order_id, day, small FROM 'orders'",
    [("date32", pyarrow.date32()), ("date64", pyarrow.date64())],
    duck="SELECT order_id, day, small FROM read_parquet('orders')",
)
def parquet_date(here, kind):
    days = [datetime.date(2025, 12, 5), None, datetime.date(1969, 12, 31)]
    columns = {"order_id": ["1", "2", "3"], "day": pyarrow.array(days, kind), "small": pyarrow.array([1, None, 2], pyarrow.int8())}
    parquet.write_table(pyarrow.table(columns), here / "orders")


@each(
    "9 epoch numbers by magnitude",
    "SELECT order_id, CAST(ordered_at AS BIGINT) AS epoch FROM 'orders'",
    [("s", "s"), ("ms", "ms"), ("us", "us")],
    duck="SELECT order_id, ordered_at AS epoch FROM read_parquet('orders')",
)
def parquet_epoch(here, unit):
    times = arrow()["ordered_at"].cast(pyarrow.timestamp(unit, tz="UTC"), safe=False).cast(pyarrow.int64())
    parquet.write_table(arrow().set_column(2, "ordered_at", times), here / "orders")


EXACT = [D("-0.00"), D("0.01"), D("99999999999999999999999999999999999.99"), D("-1.10")]


@fixture(
    "10 decimals of 128 bits",
    "SELECT order_id, exact, whole FROM 'orders'",
    duck="SELECT order_id, exact, whole FROM read_parquet('orders')",
)
def parquet_decimal128(here):
    whole = [D(0), D(1), D(10**38 - 1), None]
    columns = {
        "order_id": ["1", "2", "3", "4"],
        "exact": pyarrow.array(EXACT, pyarrow.decimal128(38, 2)),
        "whole": pyarrow.array(whole, pyarrow.decimal128(38, 0)),
    }
    parquet.write_table(pyarrow.table(columns), here / "orders")


WIDE = [D("1.5"), D(10**37) + D("0.00000000000000000000000000000000000001"), -D(10**37), None]


@fixture(
    "10 decimals of 256 bits",
    "SELECT order_id, wide FROM 'orders'",
    rows=[{"order_id": str(number), "wide": value} for number, value in enumerate(WIDE)],
)
def parquet_decimal256(here):
    # DuckDB has no decimal of 76 digits: the rows are what was written.
    with_context = pyarrow.array([value and str(value) for value in WIDE]).cast(pyarrow.decimal256(76, 38))
    names = [str(number) for number in range(len(WIDE))]
    parquet.write_table(pyarrow.table({"order_id": names, "wide": with_context}), here / "orders")


@each(
    "Snowflake: ids are DECIMAL(38, 0), and text without a point",
    "SELECT CAST(order_id AS VARCHAR) AS order_id, total FROM 'orders'",
    [("128", pyarrow.decimal128(38, 0)), ("256", pyarrow.decimal256(76, 0)), ("int64", pyarrow.int64())],
    rows=[{"order_id": "4711", "total": D("5.00")}, {"order_id": "4712", "total": D("0.10")}],
)
def parquet_number_ids(here, kind):
    columns = {"order_id": pyarrow.array([4711, 4712]).cast(kind), "total": pyarrow.array([D("5.00"), D("0.10")])}
    parquet.write_table(pyarrow.table(columns), here / "orders")


@fixture(
    "Snowflake: an id that is a DECIMAL(38, 0) becomes text in the event",
    "SELECT order_id FROM 'orders'",
    rows=[{"order_id": D(4711)}, {"order_id": D(90071992547409931)}],
)
def parquet_number_ids_bound(here):
    ids = pyarrow.array([D(4711), D(90071992547409931)], pyarrow.decimal128(38, 0))
    parquet.write_table(pyarrow.table({"order_id": ids}), here / "orders")


@each(
    "binary without UTF-8 annotation",
    "SELECT order_id, email FROM 'orders'",
    [("binary", pyarrow.binary()), ("large", pyarrow.large_binary())],
    rows=[{"order_id": "0001", "email": "ann@example.comm"}, {"order_id": "0002", "email": None}],
)
def parquet_text_as(here, kind):
    columns = {"order_id": pyarrow.array([b"0001", b"0002"], pyarrow.binary()), "email": pyarrow.array([b"ann@example.comm", None], kind)}
    parquet.write_table(pyarrow.table(columns), here / "orders")


@each(
    "text of every Arrow kind",
    ask("orders"),
    [("large", pyarrow.large_string()), ("view", pyarrow.string_view()), ("dictionary", pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))],
    duck=ask("orders").replace("'orders'", "read_parquet('orders')"),
)
def parquet_text_of(here, kind):
    table = arrow()
    for name in ("order_id", "email", "note"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(kind))
    parquet.write_table(table, here / "orders")


@fixture(
    "numbers of every width",
    "SELECT * FROM 'orders'",
    duck="SELECT * FROM read_parquet('orders')",
)
def parquet_numbers(here):
    kinds = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool_"]
    columns = {kind: pyarrow.array([0, 1, None]).cast(getattr(pyarrow, kind)()) for kind in kinds}
    columns["uint64"] = pyarrow.array([2**64 - 1, 2**53 + 1, None], pyarrow.uint64())
    columns["float64"] = pyarrow.array([0.1, 1e300, -0.0])
    parquet.write_table(pyarrow.table({"order_id": ["1", "2", "3"], **columns}), here / "orders")


@fixture(
    "half floats and UUIDs",
    "SELECT order_id, half, uuid FROM 'orders'",
    rows=[{"order_id": "1", "half": 1.5, "uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}],
)
def parquet_half_and_uuid(here):
    uuid = pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([bytes(range(16))], pyarrow.binary(16)))
    half = pyarrow.array([1.5], pyarrow.float64()).cast(pyarrow.float16())
    parquet.write_table(pyarrow.table({"order_id": ["1"], "half": half, "uuid": uuid}), here / "orders")


# Nested: items of an order.

ITEM = pyarrow.struct([("sku", pyarrow.string()), ("quantity", pyarrow.int64()), ("price", pyarrow.decimal128(10, 2))])
ITEMS = [
    [{"sku": "01", "quantity": 2, "price": D("1.50")}, {"sku": "02", "quantity": 1, "price": None}],
    [],
    None,
    [None, {"sku": None, "quantity": None, "price": D("0.10")}],
]


def nested(**columns):
    return pyarrow.table({"order_id": ["1", "2", "3", "4"], **columns})


@each(
    "11 LIST<STRUCT>, with the names of today and of before",
    "SELECT order_id, items FROM 'orders'",
    [("standard", True), ("legacy", False)],
    duck="SELECT order_id, items FROM read_parquet('orders')",
)
def parquet_list(here, compliant):
    table = nested(items=pyarrow.array(ITEMS, pyarrow.list_(ITEM)))
    parquet.write_table(table, here / "orders", use_compliant_nested_type=compliant)


@fixture(
    "11 MAP",
    "SELECT order_id, extra FROM 'orders'",
    rows=[{"order_id": str(number), "extra": extra} for number, extra in enumerate([{"a": "1", "b": None}, {}, None, {"c": "3"}], 1)],
)
def parquet_map(here):
    maps = pyarrow.array([[("a", "1"), ("b", None)], [], None, [("c", "3")]], pyarrow.map_(pyarrow.string(), pyarrow.string()))
    parquet.write_table(nested(extra=maps), here / "orders")


@fixture(
    "11 a value out of a MAP",
    "SELECT order_id, extra['email'] AS email FROM 'orders'",
    rows=[{"order_id": "1", "email": "a@example.com"}],
)
def parquet_map_value(here):
    maps = pyarrow.array([[("email", "a@example.com")]], pyarrow.map_(pyarrow.string(), pyarrow.string()))
    parquet.write_table(pyarrow.table({"order_id": ["1"], "extra": maps}), here / "orders")


@fixture(
    "11 STRUCT",
    "SELECT order_id, customer['email'] AS email, customer['address']['zip'] AS zip FROM 'orders'",
    duck="SELECT order_id, customer.email AS email, customer.address.zip AS zip FROM read_parquet('orders')",
)
def parquet_struct(here):
    people = [
        {"email": "a@example.com", "address": {"zip": "02113"}},
        {"email": None, "address": None},
        None,
        {"email": "b@example.com", "address": {"zip": None}},
    ]
    parquet.write_table(nested(customer=pyarrow.array(people)), here / "orders")


@fixture(
    "11 JSON text: VARIANT of Snowflake, SUPER of Redshift, JSON of BigQuery",
    """SELECT order_id, payload ->> 'email' AS email, CAST(payload ->> 'total' AS DECIMAL(10, 2)) AS total FROM 'orders'""",
    rows=[{"order_id": "1", "email": "a@example.com", "total": D("1.10")}, {"order_id": "2", "email": None, "total": D("5.00")}],
)
def parquet_json_text(here):
    payload = ['{"email":"a@example.com","total":"1.10","items":[{"sku":"01"}]}', '{"total":5}']
    parquet.write_table(pyarrow.table({"order_id": ["1", "2"], "payload": payload}), here / "orders")


@fixture(
    "11 parallel arrays",
    "SELECT order_id, unnest(skus) AS sku, unnest(prices) AS price FROM 'orders'",
    duck="SELECT order_id, unnest(skus) AS sku, unnest(prices) AS price FROM read_parquet('orders')",
    delivered=False,
)
def parquet_parallel_arrays(here):
    columns = {"order_id": ["1", "2"], "skus": [["01", "02"], ["03"]], "prices": [[D("1.00"), D("2.00")], [D("0.50")]]}
    parquet.write_table(pyarrow.table(columns), here / "orders")


# Emptiness and damage.


@fixture("12 no row", ask("orders"), refuses=("`orders` has no rows",))
def parquet_without_rows(here):
    parquet.write_table(arrow().slice(0, 0), here / "orders")


@fixture("12 one row", ask("orders"), duck=ask("orders").replace("'orders'", "read_parquet('orders')"))
def parquet_of_one_row(here):
    parquet.write_table(arrow().slice(0, 1), here / "orders")


@fixture("12 a file without rows among others", ask("orders/"), rows=ORDERS)
def parquet_with_an_empty_part(here):
    (here / "orders").mkdir()
    parquet.write_table(arrow().slice(0, 0), here / "orders/part-00000")
    parquet.write_table(arrow(), here / "orders/part-00001")


@fixture("12 all NULL, without a type", "SELECT order_id, nothing FROM 'orders'", rows=[{"order_id": "1", "nothing": None}])
def parquet_null_column(here):
    parquet.write_table(pyarrow.table({"order_id": ["1"], "nothing": pyarrow.nulls(1)}), here / "orders")


@each(
    "14 cut off: the file is named",
    ask("orders"),
    [("half", 0.5), ("footer", 0.98), ("start", 0.01)],
    refuses=("orders", "damaged"),
)
def parquet_cut_off(here, share):
    parquet.write_table(arrow(), here / "whole")
    content = (here / "whole").read_bytes()
    (here / "orders").write_bytes(content[: max(5, int(len(content) * share))])


class Keys(encryption.KmsClient):
    """Keys that lie beside the data: what matters here is that the file cannot be read without."""

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, key, _):
        return base64.b64decode(key)


@each(
    "14 encrypted",
    ask("orders"),
    [("footer", False), ("columns", True)],
    refuses=("orders", "encrypted"),
)
def parquet_encrypted(here, plain):
    options = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"columns": COLUMNS}, plaintext_footer=plain
    )
    factory = encryption.CryptoFactory(lambda _: Keys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), options)
    with parquet.ParquetWriter(here / "orders", arrow().schema, encryption_properties=properties) as writer:
        writer.write_table(arrow())


@fixture("14 a page that is damaged: file and row group", ask("orders"), refuses=("orders", "row group"))
def parquet_damaged_page(here):
    parquet.write_table(arrow(), here / "orders", compression="gzip", write_page_checksum=True, use_dictionary=False)
    column = parquet.ParquetFile(here / "orders").metadata.row_group(0).column(1)
    content = bytearray((here / "orders").read_bytes())
    end = column.data_page_offset + column.total_compressed_size
    content[end - 12 : end] = bytes(12)
    (here / "orders").write_bytes(content)


@fixture("1 Parquet that was compressed once more", ask("orders"), refuses=("orders", "Parquet"))
def parquet_in_gzip(here):
    parquet.write_table(arrow(), here / "plain")
    (here / "orders").write_bytes(gzip.compress((here / "plain").read_bytes()))


@fixture("1 ORC is refused by its name", ask("orders"), refuses=("orders", "ORC"))
def orc_file(here):
    orc.write_table(arrow(), here / "orders")


# Names.


@fixture("17 names twice", "SELECT order_id FROM 'orders'", refuses=("orders", "two columns that are called `order_id`"))
def parquet_duplicate_names(here):
    table = pyarrow.Table.from_arrays([pyarrow.array(["1"]), pyarrow.array(["2"])], names=["order_id", "order_id"])
    parquet.write_table(table, here / "orders")


@fixture(
    "Snowflake: names in upper case",
    ask("orders"),
    rows=ORDERS,
)
def parquet_upper_case(here):
    table = arrow()
    parquet.write_table(table.rename_columns([name.upper() for name in table.column_names]), here / "orders")


@fixture("names in quotes, as the file spells them", 'SELECT "orderId" AS order_id FROM \'orders\'', rows=[{"order_id": "1"}])
def parquet_camel_case(here):
    parquet.write_table(pyarrow.table({"orderId": ["1"], "eMail": ["a@example.com"]}), here / "orders")


@fixture(
    "names that differ in case only",
    'SELECT "Id" AS order_id, "ID" AS other FROM \'orders\'',
    rows=[{"order_id": "1", "other": "2"}],
    says=("PB2303",),
)
def parquet_names_alike(here):
    parquet.write_table(pyarrow.table({"Id": ["1"], "ID": ["2"]}), here / "orders")


# Files of one table that differ.


def parts(here, *tables):
    (here / "orders").mkdir()
    for number, table in enumerate(tables):
        parquet.write_table(table, here / f"orders/part-{number:05}")


@fixture(
    "columns in another order, missing, and added",
    "SELECT order_id, email, total, note FROM 'orders/'",
    duck="SELECT order_id, email, total, note FROM read_parquet('orders/*', union_by_name = true)",
)
def parquet_columns_differ(here):
    first, second = arrow().slice(0, 2), arrow().slice(2)
    parts(here, first.select(["total", "order_id", "email"]), second.select(["email", "order_id", "note", "total"]))


@each(
    "mixed physical types are widened",
    "SELECT order_id, mixed FROM 'orders/'",
    [
        ("integers", "int32", "int64"),
        ("unsigned", "uint32", "int32"),
        ("integer_and_double", "int32", "float64"),
        ("floats", "float32", "float64"),
    ],
    duck="SELECT order_id, mixed FROM read_parquet('orders/*', union_by_name = true)",
)
def parquet_widened(here, first, second):
    column = lambda kind: pyarrow.array([1, 2, None]).cast(getattr(pyarrow, kind)())
    parts(here, pyarrow.table({"order_id": ["1", "2", "3"], "mixed": column(first)}), pyarrow.table({"order_id": ["4", "5", "6"], "mixed": column(second)}))


@each(
    "mixed physical types are widened",
    "SELECT order_id, mixed FROM 'orders/'",
    [
        ("integer", pyarrow.array([1]), D(1)),
        ("other_scale", pyarrow.array([D("1.5")], pyarrow.decimal128(5, 1)), D("1.5")),
        ("decimal256", pyarrow.array([D("1.5")], pyarrow.decimal256(50, 1)), D("1.5")),
    ],
    rows=lambda _, value: [{"order_id": "1", "mixed": D("9.99")}, {"order_id": "2", "mixed": value}],
)
def parquet_widened_decimal_and(here, other, value):
    cents = pyarrow.array([D("9.99")], pyarrow.decimal128(10, 2))
    parts(here, pyarrow.table({"order_id": ["1"], "mixed": cents}), pyarrow.table({"order_id": ["2"], "mixed": other}))


@each(
    "mixed physical types are widened",
    ask("orders/", ["order_id", "ordered_at"]),
    [("ms_us", "ms", "us"), ("us_ns", "us", "ns"), ("int96", "us", "int96")],
    rows=[{name: row[name] for name in ("order_id", "ordered_at")} for row in ORDERS],
)
def parquet_widened_time(here, first, second):
    (here / "orders").mkdir()
    for number, (unit, slice_) in enumerate([(first, arrow().slice(0, 2)), (second, arrow().slice(2))]):
        is_int96 = unit == "int96"
        times = slice_["ordered_at"].cast(pyarrow.timestamp("us" if is_int96 else unit, tz="UTC"))
        parquet.write_table(
            slice_.set_column(2, "ordered_at", times), here / f"orders/part-{number:05}", use_deprecated_int96_timestamps=is_int96
        )


@fixture(
    "types that no one type holds: both files and the column",
    "SELECT order_id, mixed FROM 'orders/'",
    refuses=("part-00000", "part-00001", "mixed"),
)
def parquet_incompatible(here):
    parts(here, pyarrow.table({"order_id": ["1"], "mixed": [[1]]}), pyarrow.table({"order_id": ["2"], "mixed": [True]}))


# Arrow IPC and Avro.


@each(
    "1 Arrow IPC: files and streams",
    ask("orders"),
    [("file", "file", None), ("file_lz4", "file", "lz4"), ("file_zstd", "file", "zstd"), ("stream", "stream", None)],
    rows=ORDERS,
)
def arrow_ipc(here, form, codec):
    options = pyarrow.ipc.IpcWriteOptions(compression=codec)
    make = pyarrow.ipc.new_file if form == "file" else pyarrow.ipc.new_stream
    with make(here / "orders", arrow().schema, options=options) as writer:
        writer.write_table(arrow(), max_chunksize=2)


@fixture("1 Arrow IPC: dictionaries and run ends", "SELECT order_id, word, run FROM 'orders'", rows=[{"order_id": "1", "word": "a", "run": "x"}, {"order_id": "2", "word": None, "run": "x"}])
def arrow_encoded(here):
    runs = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2], pyarrow.int32()), pyarrow.array(["x"]))
    table = pyarrow.table({"order_id": ["1", "2"], "word": pyarrow.array(["a", None]).dictionary_encode(), "run": runs})
    with pyarrow.ipc.new_stream(here / "orders", table.schema) as writer:
        writer.write_table(table)


@fixture("1 Arrow IPC of polars", ask("orders"), rows=ORDERS)
def arrow_of_polars(here):
    polars.from_arrow(arrow()).write_ipc(here / "orders", compression="zstd")


AVRO = {
    "type": "record",
    "name": "order",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "email", "type": ["null", "string"]},
        {"name": "ordered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "items", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
    ],
}


@each(
    "1 Avro",
    ask("orders"),
    [(codec, codec) for codec in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")],
    rows=ORDERS,
)
def avro(here, codec):
    with open(here / "orders", "wb") as file:
        fastavro.writer(file, fastavro.parse_schema(AVRO), ORDERS, codec=codec)


def int96_file(times):
    """A Parquet file with a column of instants as INT96: days of the Julian calendar, and nanoseconds of the day.

    The values of a file that pyarrow wrote are replaced in place, as they are plain and not compressed.
    """
    names = [str(number) for number in range(len(times))]
    fill = pyarrow.array([at("2001-02-03T04:05:06+00:00")] * len(times), pyarrow.timestamp("us", tz="UTC"))
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(
        pyarrow.table({"order_id": names, "ordered_at": fill}),
        sink,
        use_deprecated_int96_timestamps=True,
        use_dictionary=False,
        compression="none",
        write_statistics=False,
    )
    content = sink.getvalue().to_pybytes()
    old = b"".join(int96(time.as_py()) for time in fill)
    new = b"".join(int96(time) for time in times)
    assert content.count(old) == 1
    return content.replace(old, new)


def int96(time):
    since = time - datetime.datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (since.seconds * 1_000_000 + since.microseconds) * 1_000
    return nanoseconds.to_bytes(8, "little") + (since.days + 2_440_588).to_bytes(4, "little")
