"""What a fixture is, the orders that most of them hold, and the ways to write them as text."""

import csv
import dataclasses
import datetime
import decimal
import io
import pathlib
from collections.abc import Callable

import pyarrow

UTC = datetime.timezone.utc
D = decimal.Decimal

FIXTURES = []


@dataclasses.dataclass
class Fixture:
    """One export: who writes it, what is asked of it, and what it must give.

    `line` is the line of the reader's checklist, or the warehouse, that it stands for. What `query` gives must equal what
    DuckDB makes of `duck`, or the `rows` that were written by hand; or it must end with exit code 5 and say the words of
    `refuses`. `{here}` stands for its folder. Rows with an `order_id` are also delivered, once each.
    """

    name: str
    line: str
    write: Callable[[pathlib.Path], None]
    query: str
    duck: str | None = None
    rows: list[dict] | None = None
    refuses: tuple[str, ...] = ()
    #: What else reads the export, in the place of DuckDB.
    witness: Callable[[pathlib.Path], list[dict]] | None = None
    #: Statements before the query: a declared table, a setting.
    setup: str = ""
    #: The zone of timestamps that carry none.
    zone: str | None = None
    #: Words that `check` must say of it, such as the code of a warning.
    says: tuple[str, ...] = ()
    #: Source rows that are left out, by line, with the code that says why; the others are read.
    unread: dict[int, str] = dataclasses.field(default_factory=dict)
    #: Files that are left out.
    unread_files: tuple[str, ...] = ()
    #: Counts of the account that differ from "every row is accepted".
    account: dict = dataclasses.field(default_factory=dict)
    #: File that is fed to standard input.
    stdin: str | None = None
    #: Flags of `run`.
    flags: tuple[str, ...] = ()
    #: False where rows are compared, and make no events.
    delivered: bool = True
    #: Why it fails today. A fixture that is marked and passes is an error, so that no mark lingers.
    pending: str = ""


def fixture(line, query="", **rest):
    """Puts the function that writes an export into the table, under its own name."""

    def register(write):
        assert all(known.name != write.__name__ for known in FIXTURES), write.__name__
        FIXTURES.append(Fixture(write.__name__, line, write, query, **rest))
        return write

    return register


def each(line, query, variants, **rest):
    """Registers one fixture per variant: its name, then what the writer is called with beside the folder.

    What `rest` says may be a function of that.
    """

    def register(write):
        for variant, *arguments in variants:
            def wrote(here, arguments=arguments):
                write(here, *arguments)

            facts = {name: fact(*arguments) if callable(fact) else fact for name, fact in rest.items()}
            FIXTURES.append(Fixture(f"{write.__name__}_{variant}", line, wrote, query or arguments[0], **facts))
        return write

    return register


def at(text):
    """An instant."""
    return datetime.datetime.fromisoformat(text)


COLUMNS = ["order_id", "email", "ordered_at", "total", "items", "note"]
#: What every fixture of orders holds. Ids look like numbers and are none; now is noon of 7 December 2025.
ORDERS = [
    dict(zip(COLUMNS, row))
    for row in [
        ("0004711", "pat.lee@example.com", at("2025-12-05T09:15:00+00:00"), D("74.50"), 3, None),
        ("0004712", "ana@example.com", at("2025-12-05T09:15:30.250+00:00"), D("5.00"), 1, 'Gift, with "love"'),
        ("1E3", "zoe@example.com", at("2025-12-06T23:59:59+00:00"), D("1234.56"), 12, "Größe 42"),
        ("00501", None, at("2025-12-07T00:00:00+00:00"), D("0.99"), 1, "first line\nsecond | line; a\ttab"),
        ("+4915", "o'neil@example.com", at("2025-11-20T11:59:59.999+00:00"), D("100.00"), 2, "C:\\temp"),
    ]
]
TYPES = {
    "order_id": pyarrow.string(),
    "email": pyarrow.string(),
    "ordered_at": pyarrow.timestamp("us", tz="UTC"),
    "total": pyarrow.decimal128(10, 2),
    "items": pyarrow.int64(),
    "note": pyarrow.string(),
}


def ask(source, columns=COLUMNS):
    return f"SELECT {', '.join(columns)} FROM '{source}'"


def arrow(rows=ORDERS, **types):
    """The orders as an Arrow table; `types` replace those of columns."""
    types = {name: kind for name, kind in {**TYPES, **types}.items() if name in rows[0]}

    def column(name, kind):
        values = [row[name] for row in rows]
        if pyarrow.types.is_timestamp(kind) and kind.tz is None:
            values = [value and value.replace(tzinfo=None) for value in values]
        return pyarrow.array(values, kind)

    return pyarrow.table([column(name, kind) for name, kind in types.items()], names=list(types))


def spelled(row, null="", time=None):
    """The fields of a row as text."""
    for name in row:
        value = row[name]
        if value is None:
            yield null
        elif isinstance(value, datetime.datetime):
            yield time(value) if time else value.strftime("%Y-%m-%d %H:%M:%S.%f") + "+00"
        elif isinstance(value, bool):
            yield "t" if value else "f"
        else:
            yield str(value)


def text(rows=ORDERS, header=True, delimiter=",", end="\n", null="", time=None, **style):
    """The orders as delimited text, by Python's writer; `null` is written for NULL, and quoted only where `csv` does."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, **style)
    if header:
        writer.writerow(rows[0].keys())
    for row in rows:
        writer.writerow(list(spelled(row, null, time)))
    return out.getvalue()


def without(*names):
    """The orders without some columns."""
    return [{name: value for name, value in row.items() if name not in names} for row in ORDERS]
