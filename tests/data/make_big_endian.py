#!/usr/bin/env python3
"""The files in tests/data/big_endian: streams of Arrow as a machine writes them that stores the big end of a number first.

    python3 tests/data/make_big_endian.py

Needs pyarrow and flatbuffers. Each holds one column `v` of two values. pyarrow reads such streams, and writes none: the
description of the columns is made here, and the numbers in pyarrow's batches are turned round.
"""

import decimal
import gzip
import pathlib
import struct

import flatbuffers
import pyarrow as pa

HERE = pathlib.Path(__file__).resolve().parent / "big_endian"
BIG, VERSION_5, SCHEMA = 1, 4, 1

#: Name: values, the type's number in the format, its members (slot, kind, value), and the bytes of a number in its buffer.
COLUMNS = {
    "int64": (pa.array([1, 258], pa.int64()), 2, [(0, "Int32", 64), (1, "Bool", True)], 8),
    "int32": (pa.array([1, 258], pa.int32()), 2, [(0, "Int32", 32), (1, "Bool", True)], 4),
    "uint16": (pa.array([1, 258], pa.uint16()), 2, [(0, "Int32", 16), (1, "Bool", False)], 2),
    "int8": (pa.array([1, 2], pa.int8()), 2, [(0, "Int32", 8), (1, "Bool", True)], 1),
    "double": (pa.array([1.5, 2.5]), 3, [(0, "Int16", 2)], 8),
    "text": (pa.array(["Ann", "Bo"]), 5, [], 4),
    "bool": (pa.array([True, False]), 6, [], 1),
    "decimal": (pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25")], pa.decimal128(10, 2)), 7,
                [(0, "Int32", 10), (1, "Int32", 2), (2, "Int32", 128)], 16),
    "date": (pa.array([20758, 20759], pa.date32()), 8, [(0, "Int16", 0)], 4),
    "timestamp": (pa.array([1_793_491_200_000_000, 0], pa.timestamp("us")), 10, [(0, "Int16", 2)], 8),
}


def schema(number, members):
    """The message that describes the column `v`."""
    builder = flatbuffers.Builder(256)
    name = builder.CreateString("v")
    builder.StartObject(len(members))
    for slot, kind, value in members:
        # No value is left to what readers assume.
        getattr(builder, f"Prepend{kind}Slot")(slot, value, not value if kind == "Bool" else -1)
    of_type = builder.EndObject()
    builder.StartVector(4, 0, 4)
    children = builder.EndVector()
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependBoolSlot(1, True, False)
    builder.PrependUint8Slot(2, number, 0)
    builder.PrependUOffsetTRelativeSlot(3, of_type, 0)
    builder.PrependUOffsetTRelativeSlot(5, children, 0)
    field = builder.EndObject()
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(field)
    fields = builder.EndVector()
    builder.StartObject(4)
    builder.PrependInt16Slot(0, BIG, 0)
    builder.PrependUOffsetTRelativeSlot(1, fields, 0)
    described = builder.EndObject()
    builder.StartObject(5)
    builder.PrependInt16Slot(0, VERSION_5, 0)
    builder.PrependUint8Slot(1, SCHEMA, 0)
    builder.PrependUOffsetTRelativeSlot(2, described, 0)
    builder.Finish(builder.EndObject())
    content = bytes(builder.Output())
    content += bytes(-len(content) % 8)
    return b"\xff" * 4 + struct.pack("<i", len(content)) + content


def batch(values, width):
    """pyarrow's message of `values`, the numbers in its body turned round."""
    message = pa.record_batch([values], ["v"]).serialize().to_pybytes()
    length = 8 + struct.unpack("<i", message[4:8])[0]
    body = bytearray(message[length:])
    numbers = values.buffers()[1].to_pybytes() if pa.types.is_string(values.type) else bytes(body)
    count = min(len(body), len(numbers)) // width * width
    for start in range(0, count, width):
        body[start : start + width] = body[start : start + width][::-1]
    return message[:length] + bytes(body)


def main():
    HERE.mkdir(exist_ok=True)
    for name, (values, number, members, width) in COLUMNS.items():
        stream = schema(number, members) + batch(values, width) + b"\xff" * 4 + bytes(4)
        read = pa.ipc.open_stream(stream).read_all()["v"].to_pylist()
        assert read == values.to_pylist(), (name, read)
        (HERE / f"{name}.arrows").write_bytes(stream)
        if name == "int64":
            (HERE / "packed.arrows.gz").write_bytes(gzip.compress(stream, mtime=0))
            (HERE / "file.arrow").write_bytes(b"ARROW1\0\0" + stream + b"ARROW1")


if __name__ == "__main__":
    main()
