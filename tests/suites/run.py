"""Reads the files of public test suites with postback, and compares value by value with other readers.

    python tests/suites/run.py --postback target/debug/postback --suites DIR [json csv pollock parquet arrow]

DIR holds clones of nst/JSONTestSuite, maxogden/csv-spectrum, HPI-Information-Systems/Pollock, apache/parquet-testing and
apache/arrow-testing, under these names; nothing is fetched here. Needs tests/golden/requirements.txt.

Each file is one of
    right     all its rows, and each value is that of the other reader
    told      some rows are left out or read with a warning, and a message says so; each row that is printed is right
    refused   an error says why nothing is read
    read      read, where nobody knows the right rows
    wrong     anything else: another value, or fewer rows without a word
    crash     a panic, a signal, an internal error, or no end
The exit code is 1 if any is wrong or crashes.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import decimal
import json
import subprocess
import sys
import tempfile

import cells
import suites

#: Files at the same time.
AT_ONCE = 2
#: No file of a suite takes longer.
PATIENCE = 120
VERDICTS = ("right", "told", "refused", "read", "wrong", "crash")


def main():
    parser = argparse.ArgumentParser(description="postback on public test suites")
    parser.add_argument("--postback", required=True)
    parser.add_argument("--suites", required=True, help="the folder of the clones")
    parser.add_argument("--every", type=int, default=1, help="only each n-th file")
    parser.add_argument("--verbose", action="store_true", help="name each file")
    parser.add_argument("names", nargs="*", metavar="suite")
    arguments = parser.parse_args()
    is_bad = False
    print(f"{'suite':10}" + "".join(f"{verdict:>9}" for verdict in VERDICTS))
    for name in arguments.names or suites.SUITES:
        counts = collections.Counter()
        with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            chosen = list(suites.cases(name, arguments.suites, scratch))[:: arguments.every]
            judged = pool.map(lambda case: (case, judge(arguments.postback, case)), chosen)
            for case, (verdict, why) in judged:
                counts[verdict] += 1
                if arguments.verbose or verdict in ("wrong", "crash"):
                    print(f"  {verdict}: {name}: {case.name}: {why}", file=sys.stderr)
        print(f"{name:10}" + "".join(f"{counts[verdict]:9}" for verdict in VERDICTS), flush=True)
        is_bad |= counts["wrong"] + counts["crash"] > 0
    sys.exit(int(is_bad))


def judge(postback, case):
    """The verdict on a file, and why."""
    location = str(case.path).replace("'", "''")
    command = [postback, "sql", f"SELECT * FROM '{location}'", "--format", "ndjson"]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return "crash", "no end"
    said = ran.stderr.decode(errors="replace")
    first = said.strip().split("\n")[0]
    if ran.returncode not in (0, 1, 2, 5) or "internal error" in said or "panicked" in said:
        return "crash", f"exit {ran.returncode}: {first}"
    if ran.returncode != 0:
        return ("refused", first) if first else ("wrong", "refused without a word")
    try:
        found = [json.loads(line, parse_float=decimal.Decimal, parse_constant=suites.refuse) for line in lines(ran.stdout)]
    except ValueError as error:
        return "wrong", f"what it prints is no JSON: {error}"
    if case.expected == suites.ANY:
        return "read", first
    expected = case.expected() if callable(case.expected) else case.expected
    return compared(found, dataclasses.replace(case, expected=expected), first)


def lines(stdout):
    return [line for line in stdout.decode().split("\n") if line]


def compared(found, case, first):
    if case.expected == suites.REFUSED:
        return ("told", first) if first else ("wrong", f"read where another reader refuses: {found[:1]}")
    expected = case.expected
    if len(found) == len(expected):
        different = [number for number, pair in enumerate(zip(found, expected)) if not is_row(*pair, case)]
        if not different:
            return "right", first
        number = different[0]
        why = f"row {number + 1}: {difference(found[number], expected[number], case)}"
    else:
        why = f"{len(found)} rows, not {len(expected)}"
    if first and is_part(found, expected, case):
        return "told", first
    return "wrong", f"{why}; it says: {first}"


def is_row(ours, theirs, case):
    """Columns go by their place: a header may be named in another way."""
    same = cells.same_text if case.is_text else cells.same
    values = list(ours.values())
    return len(values) == len(theirs) and all(same(value, other) for value, (_, other) in zip(values, theirs))


def difference(ours, theirs, case):
    same = cells.same_text if case.is_text else cells.same
    for (name, value), (_, other) in zip(ours.items(), theirs):
        if not same(value, other):
            return f"`{name}` is {value!r:.80}, not {other!r:.80}"
    return f"{len(ours)} columns, not {len(theirs)}"


def is_part(found, expected, case):
    """Whether the rows that were found are among those expected, in their order."""
    rest = iter(expected)
    return all(any(is_row(row, other, case) for other in rest) for row in found)


if __name__ == "__main__":
    main()
