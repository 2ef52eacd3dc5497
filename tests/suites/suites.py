"""What public test suites hold: for each file, the rows of another reader, or that there are none.

Nothing of a suite is kept in this repository; their folders are given.
"""

import csv
import dataclasses
import datetime
import decimal
import functools
import json
import multiprocessing
import pathlib
import resource

import cells

#: A file whose rows nobody knows: read or refused, but without a crash.
ANY = "any"
#: Seconds that another reader has for a file.
PATIENCE = 60
#: Bytes of memory that it has.
MEMORY = 4 << 30
#: A file that another reader refuses.
REFUSED = "refused"


@dataclasses.dataclass
class Case:
    name: str
    path: pathlib.Path
    #: Rows, each a list of (column, value), or one of the words above; or what gives them.
    expected: object
    #: Whether values are texts that may have been recognised as something else.
    is_text: bool = False


# JSONTestSuite: any text, here as the one member of an object, since a row is an object.


def json_test_suite(root, scratch):
    for path in sorted((root / "test_parsing").glob("*.json")) + sorted((root / "test_transform").glob("*.json")):
        content = b'{"v":' + path.read_bytes() + b"}"
        wrapped = scratch / f"{path.stem}.ndjson"
        wrapped.write_bytes(content)
        yield Case(path.name, wrapped, json_rows(content))


def json_rows(content):
    try:
        value = json.loads(content.decode(), parse_float=decimal.Decimal, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, ArithmeticError, RecursionError):
        return REFUSED
    return [list(value.items())] if is_text(value) else REFUSED


def refuse(_):
    raise ValueError


def once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def is_text(value):
    """Whether no string in it holds half of a surrogate pair, which no text has."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
        return True
    except UnicodeEncodeError:
        return False


# csv-spectrum: what CSV can be, and its rows as JSON.


def csv_spectrum(root, _):
    for path in sorted((root / "csvs").glob("*.csv")):
        rows = json.loads((root / "json" / f"{path.stem}.json").read_text())
        yield Case(path.name, path, [list(row.items()) for row in rows], is_text=True)


# Pollock: one file in two thousand ways that are found in public data, and the clean form of each.


def pollock(root, _):
    for path in sorted((root / "polluted_files" / "csv").glob("*.csv")):
        with open(root / "polluted_files" / "clean" / path.name, newline="", encoding="utf-8") as clean:
            header, *rows = list(csv.reader(clean)) or [[]]
        yield Case(path.name, path, [list(zip(header, row)) for row in rows], is_text=True)


# parquet-testing and arrow-testing: files of many writers, and what fuzzers found.


def parquet_testing(root, _):
    for folder in ("data", "bad_data", "shredded_variant"):
        for path in sorted((root / folder).rglob("*.parquet")):
            yield Case(f"{folder}/{path.name}", path, functools.partial(rows_of, path, of_parquet, of_duckdb))


def arrow_testing(root, scratch):
    data = root / "data"
    integration = data / "arrow-ipc-stream" / "integration"
    for path in sorted(integration.rglob("*.stream")) + sorted(integration.rglob("*.arrow_file")):
        yield Case(f"{path.parent.name}/{path.name}", path, functools.partial(rows_of, path, of_arrow))
    known = set(integration.rglob("*"))
    for folder in ("arrow-ipc-stream", "arrow-ipc-file", "parquet", "csv", "avro"):
        for path in sorted((data / folder).rglob("*")):
            if path.is_file() and path not in known and path.name != "README.md":
                yield Case(f"{folder}/{path.name}", path, ANY)


def rows_of(path, *readers):
    """What the first reader gives that can read `path`. Each is a process of its own: damaged files end some, or never end."""
    for read in readers:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        alone = multiprocessing.Process(target=answer, args=(read, path, theirs))
        alone.start()
        theirs.close()
        rows = None
        try:
            if ours.poll(PATIENCE):
                rows = ours.recv()
        except EOFError:
            pass
        alone.kill()
        alone.join()
        if rows is not None:
            return rows
    return REFUSED


def answer(read, path, pipe):
    """Sends what `read` gives through `pipe`; nothing where it fails."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        pipe.send(read(path))
    except Exception:  # noqa: BLE001  whatever another reader stumbles over
        pass
    pipe.close()


def of_parquet(path):
    import pyarrow.parquet

    return of_table(pyarrow.parquet.ParquetFile(path).read())


def of_arrow(path):
    import pyarrow

    source = path.read_bytes()
    opener = pyarrow.ipc.open_file if source.startswith(b"ARROW1") else pyarrow.ipc.open_stream
    table = opener(source).read_all()
    return of_table(table)


def of_table(table):
    columns = [of_column(column) for column in table.columns]
    return [list(zip(table.column_names, row)) for row in zip(*columns)]


def of_column(column):
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        return of_column(column.cast(kind.value_type))
    if pyarrow.types.is_timestamp(kind):
        unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        numbers = column.cast(pyarrow.int64()).to_pylist()
        return [None if n is None else cells.Instant(n * unit, kind.tz is not None) for n in numbers]
    if pyarrow.types.is_map(kind):
        return column.to_pylist()
    try:
        return [moments(value) for value in column.to_pylist()]
    except (ValueError, OverflowError, NotImplementedError, KeyError, TypeError):
        # Dates beyond Python's calendar, for example.
        return [cells.UNKNOWN] * len(column)


def moments(value):
    """`value` with times as instants, however deep."""
    if isinstance(value, dict):
        return {name: moments(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(moments(inner) for inner in value)
    if isinstance(value, datetime.datetime):
        return cells.Instant(cells.instant(value.isoformat()), value.tzinfo is not None)
    return value if isinstance(value, cells.KNOWN) else cells.UNKNOWN


def of_duckdb(path):
    import duckdb

    found = duckdb.sql("SELECT * FROM read_parquet(?)", params=[str(path)])
    return [[(name, moments(value)) for name, value in zip(found.columns, row)] for row in found.fetchall()]


SUITES = {
    "json": ("JSONTestSuite", json_test_suite),
    "csv": ("csv-spectrum", csv_spectrum),
    "pollock": ("Pollock", pollock),
    "parquet": ("parquet-testing", parquet_testing),
    "arrow": ("arrow-testing", arrow_testing),
}


def cases(name, folder, scratch):
    """The cases of a suite; what is made for them is put into the folder `scratch`."""
    root, make = SUITES[name]
    root = pathlib.Path(folder) / root
    if not root.is_dir():
        raise SystemExit(f"{root} is not there: clone the suite into it")
    yield from make(root.resolve(), pathlib.Path(scratch))
