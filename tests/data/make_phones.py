"""Writes phones.csv: phone numbers as people write them, and what libphonenumber's Python port makes of them.

    pip install phonenumbers==9.0.42
    python tests/data/make_phones.py path/to/chinook/customers.csv

The release is the one whose metadata the crate in Cargo.lock carries, so that every difference is one of code.
Columns: raw, region (empty: none), e164 (empty: not a valid number).
"""

import csv
import random
import sys
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

COUNTRIES = {
    "Argentina": "AR", "Australia": "AU", "Austria": "AT", "Belgium": "BE", "Brazil": "BR", "Canada": "CA", "Chile": "CL",
    "Czech Republic": "CZ", "Denmark": "DK", "Finland": "FI", "France": "FR", "Germany": "DE", "Hungary": "HU", "India": "IN",
    "Ireland": "IE", "Italy": "IT", "Netherlands": "NL", "Norway": "NO", "Poland": "PL", "Portugal": "PT", "Spain": "ES",
    "Sweden": "SE", "USA": "US", "United Kingdom": "GB",
}

HABITS = [
    ("(213) 373-4253", "US"), ("213.373.4253", "US"), ("1-213-373-4253", "US"), ("+1 (213) 373-4253 x12", "US"),
    ("213-373-4253 ext. 99", "US"), ("2133734253", "GB"), ("(+1)2133734253", ""), ("011 44 20 7183 8750", "US"),
    ("1-800-FLOWERS", "US"), ("1 (800) 356-9377", "US"), ("213/373/4253", "US"), ("213 373 4253 / 213 373 4254", "US"),
    ("(213) 373-4253 or 4254", "US"), ("Tel: 213-373-4253", "US"), ("213-373-4253 (mobile)", "US"),
    ("+44 20 7183 8750", ""), ("+44 (0)20 7183 8750", ""), ("0044 20 7183 8750", "GB"), ("020 7183 8750", "GB"),
    ("(020) 7183 8750", "GB"), ("07911 123456", "GB"), ("44 7911 123456", "GB"), ("+447911123456", "US"),
    ("0711 2842222", "DE"), ("+49 0711 2842222", ""), ("0049711/2842222", "DE"), ("0170 1234567", "DE"),
    ("0 11 4444-5555", "AR"), ("011 15 4444-5555", "AR"), ("+54 9 11 4444 5555", ""), ("+54 11 15 4444 5555", ""),
    ("044 55 1234 5678", "MX"), ("+52 1 55 1234 5678", ""), ("01 55 1234 5678", "MX"), ("+52 55 1234 5678", ""),
    ("(12) 3923-5555", "BR"), ("0 12 3923-5555", "BR"), ("0 15 12 3923-5555", "BR"), ("+55 11 96123-4567", ""),
    ("06 698 1234", "IT"), ("+39 06 698 1234", ""), ("+39 6 698 1234", ""), ("347 123 4567", "IT"), ("8 800 555-35-35", "RU"),
    ("8 (495) 123-45-67", "RU"), ("+7 495 123 45 67", ""), ("03-1234-5678", "JP"), ("０３−１２３４−５６７８", "JP"),
    ("+８１　９０ １２３４ ５６７８", ""), ("٠٥٠ ١٢٣ ٤٥٦٧", "SA"), ("+966 ٥٠ ١٢٣ ٤٥٦٧", ""), ("०९८१८ १२३४५६", "IN"),
    ("098765 43210", "IN"), ("+91-98765-43210", ""), ("91 98765 43210", "IN"), ("02 1234 5678", "AU"), ("0412 345 678", "AU"),
    ("0011 61 412 345 678", "AU"), ("+61 (0) 412 345 678", ""), ("0-2-123-4567", "TH"), ("010-1234-5678", "KR"),
    ("138 1234 5678", "CN"), ("+86 138-1234-5678", ""), ("+56 (0)2 635 4444", ""), ("2 2635 4444", "CL"), ("06 12 34 56 78", "FR"),
    ("+33 (0)6.12.34.56.78", ""), ("0612345678", "FR"), ("0 532 123 45 67", "TR"), ("912 345 678", "PT"), ("612 34 56 78", "ES"),
    ("tel:+1-213-373-4253", ""), ("tel:+1-213-373-4253;ext=12", ""), ("tel:213-373-4253;phone-context=+1", ""),
    ("tel:7042;phone-context=example.com", "US"), ("tel:02071838750;phone-context=+44;isub=1", ""), ("TEL:+12133734253", ""),
    ("+800 1234 5678", ""), ("+882 1234 56789", ""), ("+870 773 111 632", ""), ("+979 123 456 789", ""), ("+888 123 456 789", ""),
    ("*69", "US"), ("911", "US"), ("112", "DE"), ("+1", ""), ("+", ""), ("++12133734253", ""), ("+ 1 213 373 4253", ""),
    ("(+44) 20 7183 8750", ""), ("+44-20-7183-8750\u200e", ""), ("\u202a+44 20 7183 8750\u202c", ""), ("\u00a0+44\u00a020\u00a07183\u00a08750", ""),
    ("+44\u201120\u20117183\u20118750", ""), ("+44\u200b2071838750", ""), ("+44\u206020\u206071838750", ""), ("00442071838750", ""), ("442071838750", ""),
]

JUNK = [
    "n/a", "N/A", "none", "unknown", "-", "0", "00", "000-000-0000", "0000000000", "1234567890", "123-456-7890", "999-999-9999",
    "555-555-5555", "+15555555555", "111-1111", "12345", "abc", "email@example.com", "213373425", "21337342531", "+1213373425",
    "+121337342531", "+999 123 456 789", "+0 213 373 4253", "2.133734253E9", "2133734253.0", "1.2133734253E10", "213 373 425o",
    "#REF!", "NULL", "\\N", "''", "(213) 373-4253, (213) 373-4254", "213-373-4253;213-373-4254", "+1 213 373 4253 +1 213 373 4254",
    "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd", "x213-373-4253", "213x373x4253", "213-373-4253x", "+1~213~373~4253",
    "+1[213]3734253", "+1_213_373_4253", "+1 213 373 4253 #12", "+1 213 373 4253,,,12", "+1 213 373 4253 доб. 12", "+1 213 373 4253 extensión 12",
]

KINDS = [
    PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST, PhoneNumberType.VOIP, PhoneNumberType.PERSONAL_NUMBER, PhoneNumberType.UAN,
]


def inputs(customers):
    """(raw, region) pairs, region `""` for none."""
    yield from HABITS
    for raw in JUNK:
        yield raw, ""
        yield raw, "US"
    for row in csv.DictReader(customers.open(encoding="utf-8")):
        if row["phone"]:
            yield row["phone"], ""
            yield row["phone"], COUNTRIES[row["country"]]
            yield row["phone"].split(" ", 1)[1], COUNTRIES[row["country"]]
    draw = random.Random(9)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        numbers = [phonenumbers.example_number_for_type(region, kind) for kind in KINDS]
        numbers = [number for number in numbers if number]
        for number in numbers[:2]:
            text = {form: phonenumbers.format_number(number, form) for form in (0, 1, 2, 3)}
            yield text[PhoneNumberFormat.NATIONAL], region
            yield text[PhoneNumberFormat.INTERNATIONAL].replace(" ", " (0) ", 1), ""
            yield str(number.country_code) + phonenumbers.national_significant_number(number), region
        for number in draw.sample(numbers, 1):
            yield phonenumbers.format_number(number, draw.randrange(4)), draw.choice(["", "US", "DE", region])
            yield phonenumbers.format_out_of_country_calling_number(number, draw.choice(["US", "GB", "JP"])), "US"
        damaged = phonenumbers.format_number(draw.choice(numbers), PhoneNumberFormat.E164)
        at = draw.randrange(1, len(damaged))
        yield damaged[:at] + draw.choice(["", "0", "5", damaged[at] * 2]) + damaged[at + 1:], ""
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = phonenumbers.example_number_for_non_geo_entity(code)
        yield phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL), ""


def e164(raw, region):
    try:
        number = phonenumbers.parse(raw, region or None)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else ""


def main():
    rows = dict.fromkeys(inputs(Path(sys.argv[1])))
    with Path(__file__).with_name("phones.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["raw", "region", "e164"])
        writer.writerows([raw, region, e164(raw, region)] for raw, region in rows)


main()
