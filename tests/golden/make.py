#!/usr/bin/env python3
"""The golden payloads of the example queries, from the API documentation and the tables alone.

This is the second witness: nothing here comes from postback. Each query is written out again by hand as the events it
must give, phones are judged by the Python port of libphonenumber, and the JSON is put together field by field.

    python3 tests/golden/make.py            writes the files beside this script
    python3 tests/golden/make.py --check    fails when one of them would change

Needs Python 3.11 and requirements.txt. Per query, and for the orders of tests/data/orders:

    <query>.ndjson       one event object a line, as postback must encode it, sorted by event_id
    <query>.head.txt     the request up to and including `"data":[`
    expected.json        rows, events and what becomes of them
    chinook_phones.csv   each customer's phone in E.164, empty where there is no valid number
"""

import csv
import datetime
import hashlib
import io
import json
import pathlib
import sys
import zoneinfo
from decimal import Decimal

import phonenumbers
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
CHINOOK = HERE.parents[1] / "queries" / "data" / "chinook"
ORDERS = HERE.parent / "data" / "orders" / "orders.csv"
SHOP_ZONE = zoneinfo.ZoneInfo("America/Los_Angeles")
MAX_AGE = datetime.timedelta(days=28)


def read_csv(name):
    """Rows as text; an empty field is NULL."""
    with open(CHINOOK / name, encoding="utf-8", newline="") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


CUSTOMERS = {row["customer_id"]: row for row in read_csv("customers.csv")}
TRACKS = {row["track_id"]: row for row in read_csv("tracks.csv")}
INVOICES = {row["invoice_id"]: row for row in pyarrow.parquet.read_table(CHINOOK / "invoices.parquet").to_pylist()}
LINES = pyarrow.parquet.read_table(CHINOOK / "invoice_lines.parquet").to_pylist()


# Canonical forms, events-api.md sections 2.3, 2.4 and 2.9.


def sha256(text):
    """Lower-case hex of the text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def email(text):
    return text and sha256(text.strip().lower())


def e164(text, region=None):
    """E.164 if libphonenumber calls the number valid, else None."""
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).split(";")[0]


def possible(text):
    """E.164 of a number with "+" that has a length of its country, though no plan assigns its digits; else None."""
    if not text or not text.startswith("+"):
        return None
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).split(";")[0]


def phone(text, region=None):
    """What is sent of a phone number as it stands in a table."""
    number = e164(text, region) or possible(text)
    return number and sha256(number)


def valid_phone(text):
    """What is sent of e164(…), which is NULL for numbers that are not valid."""
    number = e164(text)
    return number and sha256(number)


def external_id(text):
    return text and sha256(text.strip())


def letters_and_digits(text):
    return text and "".join(character for character in text.lower() if character.isalnum())


def person_name(text):
    return text and sha256(letters_and_digits(text))


def zip_code(text):
    return text and sha256(text.lower().replace(" ", "").replace("-", ""))


def unix_seconds(zoneless):
    return int(zoneless.replace(tzinfo=SHOP_ZONE).timestamp())


def event_id(*parts):
    netstrings = b"".join(b"%d:%s," % (len(part.encode()), part.encode()) for part in parts)
    return hashlib.sha256(netstrings).hexdigest()[:32]


# JSON: compact, UTF-8, in the order of the contract; what is absent is left out, and so is an empty object.


def json_text(value):
    if isinstance(value, dict):
        fields = ((json_text(name), json_text(item)) for name, item in value.items() if item not in (None, {}, []))
        return "{" + ",".join(f"{name}:{item}" for name, item in fields) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return json.dumps(value, ensure_ascii=False)


def item(line):
    track = TRACKS[str(line["track_id"])]
    return {
        "content_id": track["track_id"],
        "content_name": track["track"],
        "content_category": track["genre"],
        "brand": track["artist"],
        "price": line["unit_price"],
        "quantity": line["quantity"],
    }


def contents(lines):
    """Items in the order of their JSON's bytes, because the order of rows says nothing."""
    return sorted(map(item, lines), key=lambda one: json_text(one).encode())


def total(lines):
    return sum((line["unit_price"] * line["quantity"] for line in lines), Decimal(0))


# The queries, one function each: (event time, event) of every event, whatever its age.


def lines_of(invoice):
    return [line for line in LINES if line["invoice_id"] == invoice["invoice_id"]]


def customer_of(invoice):
    return CUSTOMERS[str(invoice["customer_id"])]


def store_purchases():
    for invoice in INVOICES.values():
        customer, order_id = customer_of(invoice), str(invoice["invoice_id"])
        yield {
            "event": "Purchase",
            "event_time": unix_seconds(invoice["invoice_date"]),
            "event_id": event_id("offline", "Purchase", order_id),
            "user": {"email": email(customer["email"]), "phone": phone(customer["phone"])},
            "properties": {
                "order_id": order_id,
                "shop_id": invoice["billing_country"],
                "currency": "USD",
                "value": invoice["total"],
                "event_channel": "in_store",
            },
        }


def store_purchases_items():
    for invoice in INVOICES.values():
        customer, order_id, lines = customer_of(invoice), str(invoice["invoice_id"]), lines_of(invoice)
        yield {
            "event": "Purchase",
            "event_time": unix_seconds(invoice["invoice_date"]),
            "event_id": event_id("offline", "Purchase", order_id),
            "user": {"email": email(customer["email"]), "phone": valid_phone(customer["phone"])},
            "properties": {
                "order_id": order_id,
                "shop_id": invoice["billing_country"],
                "currency": "USD",
                "value": total(lines),
                "content_type": "product",
                "contents": contents(lines),
                "event_channel": "in_store",
            },
        }


def amperity_purchases():
    for invoice in INVOICES.values():
        if invoice["invoice_date"] < datetime.datetime(2025, 12, 1):
            continue
        customer, order_id, lines = customer_of(invoice), str(invoice["invoice_id"]), lines_of(invoice)
        digits = customer["phone"] and "+" + "".join(filter(str.isdigit, customer["phone"]))
        yield {
            "event": "CompletePayment",
            "event_time": unix_seconds(invoice["invoice_date"]),
            "event_id": order_id,
            "user": {"email": email(customer["email"]), "phone": phone(digits)},
            "properties": {
                "order_id": order_id,
                "shop_id": "chinook.example",
                "currency": "USD",
                "value": total(lines),
                "content_type": "product",
                "contents": contents(lines),
                "event_channel": "website",
            },
        }


COUNTRIES = {"USA": "us", "Brazil": "br", "Ireland": "ie", "Netherlands": "nl", "Spain": "es", "United Kingdom": "gb"}


def web_lead():
    for invoice in INVOICES.values():
        if (invoice["invoice_date"].year, invoice["invoice_date"].month) != (2025, 8):
            continue
        customer = customer_of(invoice)
        yield {
            "event": "Lead",
            "event_time": unix_seconds(invoice["invoice_date"]),
            "event_id": event_id("newsletter", str(invoice["invoice_id"])),
            "user": {
                "email": email(customer["email"]),
                "phone": phone(customer["phone"]),
                "external_id": external_id(customer["customer_id"]),
                "first_name": person_name(customer["first_name"]),
                "last_name": person_name(customer["last_name"]),
                "city": letters_and_digits(customer["city"]),
                "state": letters_and_digits(customer["state"]),
                "country": COUNTRIES.get(customer["country"]),
                "zip_code": zip_code(customer["postal_code"]),
            },
            "page": {
                "url": f"https://chinook.example/receipts/{invoice['invoice_id']}?form=newsletter",
                "referrer": "https://chinook.example/checkout",
            },
        }


def crm_signal():
    for invoice in INVOICES.values():
        if not datetime.datetime(2025, 7, 1) <= invoice["invoice_date"] < datetime.datetime(2025, 7, 21):
            continue
        customer = customer_of(invoice)
        time, lead_id = unix_seconds(invoice["invoice_date"]), "7400000000000" + customer["customer_id"].rjust(6, "0")
        identity = [email(customer["email"]), phone(customer["phone"]), external_id(customer["customer_id"]), lead_id]
        yield {
            "event": "Qualified",
            "event_time": time,
            "event_id": event_id("crm", "Qualified", *filter(None, identity), str(time)),
            "user": dict(zip(("email", "phone", "external_id"), identity)),
            "lead": {"lead_id": lead_id, "lead_event_source": "Chinook CRM"},
        }


def orders():
    """The five orders of tests/data/orders, the same in every format."""
    with open(ORDERS, encoding="utf-8", newline="") as file:
        rows = [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        yield {
            "event": "Purchase",
            "event_time": int(datetime.datetime.fromisoformat(row["ordered_at"]).timestamp()),
            "event_id": event_id("web", "Purchase", row["order_id"]),
            "user": {
                "email": email(row["email"]),
                "phone": phone(row["phone"], "GB"),
                "external_id": external_id(row["customer_id"]),
                "zip_code": zip_code(row["zip"]),
            },
            "properties": {
                "order_id": row["order_id"],
                "currency": "GBP",
                "value": Decimal(row["total"]),
                "num_items": int(row["items"]),
                "description": row["note"],
            },
            "page": {"url": f"https://shop.example/orders/{row['order_id']}"},
        }


# query, event_source, event_source_id, as_of (UTC), result rows of one event
QUERIES = [
    (store_purchases, "offline", "7654321098765432109", "2025-12-23", lambda event: 1),
    (store_purchases_items, "offline", "7654321098765432109", "2025-12-23", lambda event: len(event["properties"]["contents"])),
    (amperity_purchases, "offline", "7654321098765432109", "2025-12-23", lambda event: len(event["properties"]["contents"])),
    (web_lead, "web", "C4CH1N00K5AMPLE00001", "2025-08-21", lambda event: 1),
    (crm_signal, "crm", "7309876543210987654", "2025-07-21", lambda event: 1),
    (orders, "web", "CPOSTBACKTESTS000001", "2025-12-07T12:00:00", lambda event: 1),
]


def golden_files():
    """File name and text of every golden file."""
    expected = {}
    for query, source, source_id, as_of, rows_of in QUERIES:
        events = list(query())
        now = datetime.datetime.fromisoformat(as_of).replace(tzinfo=datetime.timezone.utc)
        oldest = int((now - MAX_AGE).timestamp())
        assert all(event["event_time"] <= now.timestamp() for event in events)
        accepted = [event for event in events if source != "offline" or event["event_time"] >= oldest]
        accepted.sort(key=lambda event: event["event_id"])
        assert len({event["event_id"] for event in events}) == len(events)
        rows = sum(map(rows_of, events))
        expected[query.__name__] = {
            "rows": rows,
            "events": len(events),
            "folded": rows - len(events),
            "accepted": len(accepted),
            "out_of_window": len(events) - len(accepted),
            "rejected": 0,
        }
        yield f"{query.__name__}.ndjson", "".join(json_text(event) + "\n" for event in accepted)
        yield f"{query.__name__}.head.txt", f'{{"event_source":"{source}","event_source_id":"{source_id}","data":[\n'
    yield "expected.json", json.dumps(expected, indent=2) + "\n"

    phones = io.StringIO()
    writer = csv.writer(phones, lineterminator="\n")
    writer.writerow(["customer_id", "phone", "e164"])
    for customer in CUSTOMERS.values():
        writer.writerow([customer["customer_id"], customer["phone"], e164(customer["phone"])])
    yield "chinook_phones.csv", phones.getvalue()


def main():
    stale = []
    for name, text in golden_files():
        path = HERE / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.exit(f"differ from what make.py computes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
