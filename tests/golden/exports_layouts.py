"""Layouts: folders, globs, partitions, shards, manifests, and what lies beside the data."""

import json
import os

import duckdb
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet as parquet

from exports_fixture import D, ORDERS, arrow, ask, at, each, fixture, text

HALVES = (ORDERS[:2], ORDERS[2:])
WRITE_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def write(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def in_parquet(path, rows=ORDERS, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow(rows), path, **options)


@each(
    "1 globs, folders and addresses",
    "",
    [
        ("glob", ask("exports/*.csv")),
        ("folder", ask("exports/")),
        ("folder_without_slash", ask("exports")),
        ("deep_glob", ask("**/*.csv")),
        ("absolute", ask("{here}/exports/")),
        ("file_address", ask("file://{here}/exports/a.csv") + " UNION ALL " + ask("file://{here}/exports/b.csv")),
    ],
    rows=ORDERS,
)
def location(here, query):
    for name, rows in zip("ab", HALVES):
        write(here / f"exports/{name}.csv", text(rows))


@each("1 standard input", "", [("dash", ask("-")), ("device", ask("/dev/stdin"))], rows=ORDERS, stdin="export")
def standard_input(here, query):
    write(here / "export", text())


@fixture("2 what lies beside the data is skipped", ask("out/"), rows=ORDERS)
def beside_the_data(here):
    in_parquet(here / f"out/part-00000-{WRITE_ID}-c000.snappy.parquet")
    for name in ("_SUCCESS", "_committed_123", "_started_123", "_metadata", ".hidden", ".part-00000.crc", "part-00000.crc"):
        write(here / "out" / name, "" if name == "_SUCCESS" else "{}")
    write(here / "out/empty.parquet", "")


@each(
    "3 lakes are not read as plain files",
    ask("table/"),
    [
        ("iceberg", "metadata/v1.metadata.json", "Iceberg"),
        ("hudi", ".hoodie/hoodie.properties", "Hudi"),
    ],
    refuses=lambda _, word: ("table", word),
)
def lake(here, marker, _):
    in_parquet(here / "table/part-0.parquet")
    write(here / "table" / marker, "{}")


@fixture("4 shards with a gap", ask("exports/*"), rows=ORDERS, says=("PB2306",))
def shards_with_a_gap(here):
    write(here / "exports/000000000000.csv", text(HALVES[0]))
    write(here / "exports/000000000002.csv", text(HALVES[1]))


@fixture("4 shards that are older than the others", ask("exports/*"), rows=ORDERS, says=("PB2305",))
def shards_of_two_times(here):
    for number, rows in enumerate(HALVES):
        path = here / f"exports/{number:012}.csv"
        write(path, text(rows))
        os.utime(path, (1_765_000_000 + number * 86_400,) * 2)


@fixture("4 part files of two writes", ask("out/"), rows=ORDERS, says=("PB2305",))
def parts_of_two_writes(here):
    for number, rows in enumerate(HALVES):
        in_parquet(here / f"out/part-0000{number}-{number}{WRITE_ID[1:]}-c000.snappy.parquet", rows)


# Partitions.

PARTITIONED = [
    {"order_id": "1", "total": D("1.50"), "year": 2025, "day": at("2025-12-05").date(), "shop": "a/b c%"},
    {"order_id": "2", "total": D("2.50"), "year": 2025, "day": at("2025-12-06").date(), "shop": None},
    {"order_id": "3", "total": D("3.50"), "year": 2024, "day": at("2024-12-06").date(), "shop": "Köln"},
]
ASK_PARTITIONED = "SELECT order_id, total, year, day, shop FROM 'sales/'"


def partitioned():
    return pyarrow.Table.from_pylist(PARTITIONED)


@each("5 Hive partitions: types, NULL, and what addresses escape", ASK_PARTITIONED, [("parquet", "parquet"), ("csv", "csv")], rows=PARTITIONED)
def partitions_of_duckdb(here, form):
    sales = partitioned()  # noqa: F841  read by name
    duckdb.connect().sql(f"COPY (FROM sales) TO '{here}/sales' (FORMAT {form}, PARTITION_BY (year, day, shop))")


@fixture("5 Hive partitions: types, NULL, and what addresses escape", ASK_PARTITIONED, rows=PARTITIONED)
def partitions_of_pyarrow(here):
    kinds = pyarrow.schema([("year", pyarrow.int64()), ("day", pyarrow.date32()), ("shop", pyarrow.string())])
    scheme = pyarrow.dataset.partitioning(kinds, flavor="hive")
    pyarrow.dataset.write_dataset(partitioned(), here / "sales", format="parquet", partitioning=scheme)


@fixture("5 Hive partitions: types, NULL, and what addresses escape", ASK_PARTITIONED, rows=PARTITIONED)
def partitions_of_polars(here):
    scheme = polars.PartitionBy(here / "sales", key=["year", "day", "shop"])
    polars.from_arrow(partitioned()).lazy().sink_parquet(scheme, mkdir=True)


@fixture("5 a glob over folders of partitions", "SELECT order_id, country FROM 'sales/country=*/*.csv'", rows=[{"order_id": "1", "country": "DE"}, {"order_id": "2", "country": "FR"}])
def partitions_in_a_glob(here):
    for number, country in enumerate(["DE", "FR"], start=1):
        write(here / f"sales/country={country}/0.csv", f"order_id,total\n{number},1.00\n")


@fixture(
    "5 declared partitions",
    "SELECT order_id, year FROM sales",
    setup="CREATE EXTERNAL TABLE sales (order_id VARCHAR, total DECIMAL(10, 2), year VARCHAR) STORED AS CSV PARTITIONED BY (year) LOCATION '{here}/sales/' OPTIONS ('format.has_header' 'true');",
    rows=[{"order_id": "1", "year": "02025"}],
)
def partitions_declared(here):
    write(here / "sales/year=02025/0.csv", "order_id,total\n1,1.00\n")


@fixture("5 folders of different depths: both are named", ask("sales/"), refuses=("year=2025", "sales"))
def partitions_of_mixed_depth(here):
    write(here / "sales/year=2025/0.csv", text())
    write(here / "sales/year=2025/month=1/0.csv", text())


# By warehouse.


@fixture("Snowflake: Parquet without HEADER has names that say nothing", "SELECT _col_0 AS order_id, _col_1 AS email, _col_2 AS ordered_at, _col_3 AS total FROM 'unload/'", rows=[{name: row[name] for name in ("order_id", "email", "ordered_at", "total")} for row in ORDERS])
def snowflake_without_header(here):
    (here / "unload").mkdir()
    table = arrow()
    parquet.write_table(table.rename_columns([f"_COL_{number}" for number in range(table.num_columns)]), here / "unload/data_0_0_0.snappy.parquet")


@fixture(
    "Snowflake: upper case, NUMBER as DECIMAL(38, 0), times without a zone, many files",
    "SELECT order_id, email, ordered_at, total, items FROM 'unload/'",
    duck="SELECT ORDER_ID AS order_id, EMAIL AS email, ORDERED_AT AS ordered_at, TOTAL AS total, ITEMS AS items FROM read_parquet('unload/*')",
    zone="UTC",
)
def snowflake_parquet(here):
    (here / "unload").mkdir()
    for number, rows in enumerate(HALVES):
        table = arrow(rows, items=pyarrow.decimal128(38, 0), ordered_at=pyarrow.timestamp("ms"))
        names = [name.upper() for name in table.column_names]
        parquet.write_table(table.rename_columns(names), here / f"unload/data_0_{number}_0.snappy.parquet", compression="snappy")


@fixture("Snowflake: SINGLE gives a file without an extension", ask("unload/data"), rows=ORDERS)
def snowflake_single(here):
    in_parquet(here / "unload/data", compression="snappy")


@fixture("Snowflake: PARTITION BY an expression makes paths", ask("unload/**/*.parquet"), rows=ORDERS)
def snowflake_paths(here):
    for day, rows in zip(("2025/12/05", "2025/12/06"), HALVES):
        in_parquet(here / f"unload/{day}/data_01b2_0_0.snappy.parquet", rows)


@fixture(
    "BigQuery: shards, NUMERIC as DECIMAL(38, 9), BIGNUMERIC, DATETIME without a zone, REPEATED RECORD",
    "SELECT order_id, ordered_at, created, CAST(total AS DECIMAL(38, 9)) AS total, big, items FROM '*.parquet'",
    rows=[
        {"order_id": "1", "ordered_at": at("2025-12-05T09:15:00+00:00"), "created": at("2025-12-05T10:15:00"), "total": D("74.5"), "big": D("1.5"), "items": [{"sku": "01", "quantity": 2}]},
        {"order_id": "2", "ordered_at": at("2025-12-06T09:15:00+00:00"), "created": None, "total": D("0.000000001"), "big": None, "items": []},
    ],
    delivered=False,
)
def bigquery_parquet(here):
    for number in range(2):
        table = pyarrow.table(
            {
                "order_id": [str(number + 1)],
                "ordered_at": pyarrow.array([at(f"2025-12-0{number + 5}T09:15:00+00:00")], pyarrow.timestamp("us", tz="UTC")),
                "created": pyarrow.array([at("2025-12-05T10:15:00") if number == 0 else None], pyarrow.timestamp("us")),
                "total": pyarrow.array([D("74.5") if number == 0 else D("0.000000001")], pyarrow.decimal128(38, 9)),
                "big": pyarrow.array(["1.5" if number == 0 else None]).cast(pyarrow.decimal256(76, 38)),
                "items": pyarrow.array([[{"sku": "01", "quantity": 2}] if number == 0 else []], pyarrow.list_(pyarrow.struct([("sku", pyarrow.string()), ("quantity", pyarrow.int64())]))),
            }
        )
        parquet.write_table(table, here / f"{number:012}.parquet")


@fixture("BigQuery: a column named by `google:sqlType:datetime`", ask("orders", ["order_id", "ordered_at"]), duck="SELECT order_id, ordered_at FROM read_parquet('orders')", zone="UTC")
def bigquery_datetime(here):
    times = arrow(ordered_at=pyarrow.timestamp("us"))
    field = pyarrow.field("ordered_at", pyarrow.timestamp("us"), metadata={"ARROW:extension:name": "google:sqlType:datetime"})
    parquet.write_table(times.set_column(2, field, times["ordered_at"]), here / "orders")


def manifest(here, entries):
    write(here / "unload/manifest", json.dumps({"entries": entries}))


@fixture("Redshift: a manifest says which files count", ask("unload/manifest"), rows=ORDERS)
def redshift_manifest(here):
    entries = []
    for number, rows in enumerate(HALVES):
        path = here / f"unload/000{number}_part_00.parquet"
        in_parquet(path, rows)
        entries.append({"url": path.name, "meta": {"content_length": path.stat().st_size}})
    in_parquet(here / "unload/0002_part_00.parquet")
    manifest(here, entries)


@fixture("Redshift: a manifest with a file that is missing", ask("unload/manifest"), refuses=("0001_part_00", "manifest"))
def redshift_manifest_misses(here):
    in_parquet(here / "unload/0000_part_00.parquet")
    manifest(here, [{"url": f"000{number}_part_00.parquet", "mandatory": True} for number in range(2)])


@fixture("Redshift: a manifest with a file of another length", ask("unload/manifest"), refuses=("0000_part_00",))
def redshift_manifest_of_another_length(here):
    in_parquet(here / "unload/0000_part_00.parquet")
    manifest(here, [{"url": "0000_part_00.parquet", "meta": {"content_length": 1}}])


@fixture("Redshift: PARTITION BY leaves the column out of the file", "SELECT order_id, total, region FROM 'unload/'", rows=[{"order_id": "1", "total": D("1.00"), "region": "eu-1"}, {"order_id": "2", "total": D("1.00"), "region": "us"}])
def redshift_partitions(here):
    for number, region in enumerate(["eu-1", "us"], start=1):
        table = pyarrow.table({"order_id": [str(number)], "total": [D("1.00")]})
        (here / f"unload/region={region}").mkdir(parents=True)
        parquet.write_table(table, here / f"unload/region={region}/0000_part_00.parquet")


@fixture("Spark: INT96, legacy lists, part files with markers and checksums", "SELECT order_id, email, ordered_at, total FROM 'out/'", rows=[{name: row[name] for name in ("order_id", "email", "ordered_at", "total")} for row in ORDERS])
def spark_parquet(here):
    for number, rows in enumerate(HALVES):
        name = f"part-0000{number}-{WRITE_ID}-c000.snappy.parquet"
        lists = pyarrow.array([["x", "y"]] * len(rows))
        (here / "out").mkdir(exist_ok=True)
        table = arrow(rows).append_column("tags", lists).replace_schema_metadata({"org.apache.spark.version": "3.5.1"})
        options = {"use_deprecated_int96_timestamps": True, "use_compliant_nested_type": False, "compression": "snappy"}
        parquet.write_table(table, here / "out" / name, store_schema=False, **options)
        write(here / f"out/.{name}.crc", b"crc\x00\x00")
    write(here / "out/_SUCCESS")


@fixture("Spark: NULL partitions", "SELECT order_id, country FROM 'out/'", rows=[{"order_id": "1", "country": None}, {"order_id": "2", "country": "DE"}])
def spark_partitions(here):
    for number, country in enumerate(["__HIVE_DEFAULT_PARTITION__", "DE"], start=1):
        path = here / f"out/country={country}/part-00000-{WRITE_ID}.c000.snappy.parquet"
        path.parent.mkdir(parents=True)
        parquet.write_table(pyarrow.table({"order_id": [str(number)]}), path)
    write(here / "out/_SUCCESS")


# Files of one table that differ, as text.


@fixture(
    "columns in another order, missing, and added",
    "SELECT order_id, email, total, note FROM 'exports/*.csv'",
    rows=[
        {"order_id": "01", "email": "a@example.com", "total": D("1.00"), "note": None},
        {"order_id": "02", "email": "b@example.com", "total": D("2.00"), "note": "new"},
        {"order_id": "03", "email": None, "total": D("3.00"), "note": None},
    ],
)
def csv_columns_differ(here):
    write(here / "exports/a.csv", "order_id,email,total\n01,a@example.com,1.00\n")
    write(here / "exports/b.csv", "total,note,email,order_id\n2.00,new,b@example.com,02\n")
    write(here / "exports/c.csv", "order_id,total\n03,3.00\n")


@fixture("types of text files are widened", "SELECT order_id, total FROM 'exports/*.csv'", rows=[{"order_id": "01", "total": D(1)}, {"order_id": "02", "total": D("2.50")}])
def csv_widened(here):
    write(here / "exports/a.csv", "order_id,total\n01,1\n")
    write(here / "exports/b.csv", "order_id,total\n02,2.50\n")


@fixture("1 formats that are mixed: both files are named", ask("exports/*"), refuses=("mixes formats", "a.csv", "b.parquet"))
def mixed_formats(here):
    write(here / "exports/a.csv", text())
    in_parquet(here / "exports/b.parquet")


@each(
    "14 a file that cannot be read is left out where that is asked for, and named",
    ask("exports/"),
    [("cut_off", lambda content: content[:-100]), ("no_parquet", lambda content: b"PAR1" + bytes(100))],
    setup="SET postback.skip_bad_files = 'true'; SET postback.max_rejects = '100%';",
    rows=ORDERS,
    unread_files=("b.parquet",),
)
def bad_file_among_others(here, damage):
    in_parquet(here / "exports/a.parquet")
    write(here / "exports/b.parquet", damage((here / "exports/a.parquet").read_bytes()))


@fixture("13 five hundred files", "SELECT order_id, total FROM 'exports/'", rows=[{"order_id": f"{number:04}", "total": D("1.50")} for number in range(500)])
def five_hundred_files(here):
    for number in range(500):
        write(here / f"exports/{number:012}.csv", f"order_id,total\n{number:04},1.50\n")


@fixture("16 waits for a marker that is there", ask("out/"), rows=ORDERS, flags=("--wait-for", "out/_SUCCESS", "--timeout", "5s"))
def waited_for(here):
    in_parquet(here / "out/part-00000.parquet")
    write(here / "out/_SUCCESS")
