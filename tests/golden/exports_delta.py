"""Delta Lake tables, by the Python package `deltalake`: appended, deleted, updated, merged, optimised, checkpointed, vacuumed.

What postback gives must equal what that package's own query engine reads, and what DuckDB reads of the files that the
package says are part of the table.
"""

import datetime

import duckdb
import pyarrow
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake

from exports_fixture import COLUMNS, D, FIXTURES, ORDERS, Fixture, arrow, at, fixture

HALVES = (ORDERS[:2], ORDERS[2:])
#: What is asked of a table that lies in `table/`.
ASKED = f"SELECT {', '.join(COLUMNS)} FROM 'table'"


def rows_of(path, query, version=None, is_mapped=False):
    """What the package reads of a table, which must be what DuckDB reads of its files, unless they have names of their own."""
    table = DeltaTable(path, version=version)
    own = pyarrow.table(QueryBuilder().register("orders", table).execute(query).read_all())
    if is_mapped:
        return own.to_pylist()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("orders", table.to_pyarrow_dataset())
    rows = connection.sql(query).to_arrow_table().to_pylist()
    for one, other in zip(in_order(own.to_pylist()), in_order(rows), strict=True):
        differing = [f"{name}: {one[name]!r} and {other[name]!r}" for name in other if one[name] != other[name]]
        if differing:
            raise ValueError(f"the package and DuckDB disagree: {differing}")
    return rows


def in_order(rows):
    return sorted(rows, key=lambda row: str(row.get("order_id")))


def delta(line, query=ASKED, version=None, is_mapped=False, **rest):
    """Registers a table that a function writes to `table/` in a folder."""

    def register(write):
        name = f"delta_{write.__name__}"
        asked = query.replace("FROM 'table'", "FROM orders").replace("FROM t", "FROM orders")

        def witness(here):
            return rows_of(here / "table", asked, version, is_mapped)

        FIXTURES.append(Fixture(name, f"3 Delta Lake: {line}", write, query, witness=witness, **rest))
        return write

    return register


def put(here, rows=ORDERS, table=None, **options):
    write_deltalake(here / "table", arrow(rows) if table is None else table, **options)


@delta("appended", says=("Delta Lake table, version 1, 2 files",))
def appended(here):
    put(here, HALVES[0])
    put(here, HALVES[1], mode="append")


@delta("overwritten")
def overwritten(here):
    put(here, [{**row, "total": D("1.00")} for row in ORDERS])
    put(here, ORDERS, mode="overwrite")


@delta("deleted")
def deleted(here):
    put(here)
    DeltaTable(here / "table").delete("order_id = '1E3'")


@delta("updated")
def updated(here):
    put(here)
    DeltaTable(here / "table").update(predicate="items > 2", updates={"note": "'many'", "total": "total * 2"})


@delta("merged")
def merged(here):
    put(here, HALVES[0])
    changed = arrow([{**HALVES[0][0], "total": D("80.00")}, *HALVES[1]])
    merge = DeltaTable(here / "table").merge(changed, "t.order_id = s.order_id", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()


@delta("partitioned by text and date, with NULL", f"SELECT {', '.join(COLUMNS)}, day, shop FROM 'table'")
def partitioned(here):
    days = [row["ordered_at"].date() for row in ORDERS]
    # The protocol takes an empty text for NULL, and the package does not.
    shops = ["Köln / Mitte", "a=b%20c", None, " x", "Köln / Mitte"]
    table = arrow().append_column("day", pyarrow.array(days)).append_column("shop", pyarrow.array(shops))
    put(here, table=table, partition_by=["day", "shop"])


@delta(
    "partitioned by numbers and times",
    "SELECT order_id, email, total, ordered_at, items FROM 'table' WHERE items >= 2 AND ordered_at < TIMESTAMP '2025-12-07T00:00:00Z'",
)
def partitioned_by_numbers(here):
    put(here, partition_by=["items", "ordered_at"])


@delta("z-ordered")
def z_ordered(here):
    for row in ORDERS:
        put(here, [row], mode="append")
    DeltaTable(here / "table").optimize.z_order(["order_id", "total"])


@delta("compacted and vacuumed", says=("1 file of",))
def vacuumed(here):
    for row in ORDERS:
        put(here, [row], mode="append")
    table = DeltaTable(here / "table")
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


@delta("checkpointed, with the log cleaned up")
def checkpointed(here):
    for row in ORDERS[:-1]:
        put(here, [row], mode="append", configuration={"delta.logRetentionDuration": "interval 0 days"})
    table = DeltaTable(here / "table")
    table.delete("items = 3")
    table.create_checkpoint()
    table.cleanup_metadata()
    put(here, ORDERS[-1:], mode="append")


@delta("a column that came later", f"SELECT {', '.join(COLUMNS)}, store FROM 'table'")
def grown(here):
    put(here, HALVES[0])
    later = arrow(HALVES[1]).append_column("store", pyarrow.array(["Main"] * len(HALVES[1])))
    put(here, table=later, mode="append", schema_mode="merge")


def mapped(here, mode):
    settings = {"delta.columnMapping.mode": mode, "delta.minReaderVersion": "2", "delta.minWriterVersion": "5"}
    place = pyarrow.array([{"city": "Köln", "at": {"lat": 50.9}}] * len(ORDERS))
    put(here, table=arrow().append_column("place", place), partition_by=["items"], configuration=settings)
    put(here, table=arrow().append_column("place", place), partition_by=["items"], mode="append")
    DeltaTable(here / "table").delete("order_id = '1E3'")


MAPPED = f"SELECT DISTINCT {', '.join(COLUMNS)}, place FROM 'table' WHERE total < 500"


@delta("columns that files call by other names", MAPPED, is_mapped=True)
def mapped_by_name(here):
    mapped(here, "name")


@delta("columns that files number", MAPPED, is_mapped=True)
def mapped_by_number(here):
    mapped(here, "id")


@delta("restored")
def restored(here):
    put(here)
    table = DeltaTable(here / "table")
    table.delete()
    table.restore(0)


@delta(
    "an older version",
    "SELECT " + ", ".join(COLUMNS) + " FROM t",
    version=1,
    setup="CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'table' OPTIONS (version '1');",
)
def older(here):
    put(here, HALVES[0])
    put(here, HALVES[1], mode="append")
    DeltaTable(here / "table").delete()


@delta(
    "every type",
    "SELECT order_id, email, total, ordered_at, local, day, tiny, small, big, half, whole, is_gift, tags, contents, place "
    "FROM 'table'",
    zone="UTC",
)
def typed(here):
    count = len(ORDERS)
    item = pyarrow.struct([("content_id", pyarrow.string()), ("price", pyarrow.decimal128(8, 2))])
    columns = {
        "local": pyarrow.array([datetime.datetime(2025, 12, 5, 9, 15, 0, 123456)] * count, pyarrow.timestamp("us")),
        "day": pyarrow.array([datetime.date(2025, 12, 5)] * count),
        "tiny": pyarrow.array([-1] * count, pyarrow.int8()),
        "small": pyarrow.array([300] * count, pyarrow.int16()),
        "big": pyarrow.array([2**62] * count, pyarrow.int64()),
        "half": pyarrow.array([0.5] * count, pyarrow.float32()),
        "whole": pyarrow.array([1e100] * count, pyarrow.float64()),
        "is_gift": pyarrow.array([True, False, None, True, False]),
        "tags": pyarrow.array([["a", None], [], None, ["b"], ["c"]], pyarrow.list_(pyarrow.string())),
        "contents": pyarrow.array([[{"content_id": "x", "price": D("1.50")}]] * count, pyarrow.list_(item)),
        "place": pyarrow.array([{"city": "Köln", "at": {"lat": 50.9}}] * count),
    }
    table = arrow()
    for name, column in columns.items():
        table = table.append_column(name, column)
    put(here, table=table)


@delta("many row groups", "SELECT order_id, email, total, ordered_at FROM 'table' WHERE total BETWEEN 990 AND 1009.5")
def row_groups(here):
    rows = [
        {**ORDERS[0], "order_id": f"o{number:05}", "total": D(number) / 2, "ordered_at": at("2025-12-05T09:15:00+00:00")}
        for number in range(5_000)
    ]
    put(here, rows, writer_properties=WriterProperties(max_row_group_size=500))
    DeltaTable(here / "table").delete("order_id LIKE '%7'")


@fixture("3 Delta Lake: files in a table are not read as plain ones", "SELECT * FROM 'table/*.parquet'", refuses=("Delta Lake table", "FROM 'table'"))
def delta_files_of_a_table(here):
    put(here)
