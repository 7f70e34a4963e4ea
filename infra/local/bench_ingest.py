"""The checks of one row of a school's file, written with Python's csv, phonenumbers and email-validator.

Reads the file named, checks every row and gathers the families; prints what it found and the CPU time that it took, without that of
starting Python and importing. The checks are those that are made here, as a careful programmer would write them first, and none is
made twice: what is found has to be as much.
"""

import collections
import csv
import datetime
import json
import re
import sys
import time
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u0060": "'", "\u00b4": "'", "\u02bc": "'"})
BLANK = {"", ".", "na", "n/a", "none", "null"}
MISTYPED = {"gmial.com", "gmai.com", "gamil.com", "hotmial.com", "hotmail.co", "hotmai.com", "yaho.com", "outlok.com"}
FILLERS = ("none@", "noemail@", "no-email@", "nomail@", "na@", "email@email.")
NUMERIC = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$")
PLAIN = re.compile(r"(0|\+?44|0044)")
TODAY = datetime.date(2026, 11, 2)


def is_blank(text):
    return text is None or text.strip().lower() in BLANK


def tidy(text):
    return " ".join(unicodedata.normalize("NFC", text).translate(APOSTROPHES).split())


def fold(name):
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(c for c in decomposed if c.isalnum() and not unicodedata.combining(c)).casefold()


def is_garbled(text):
    if text.isascii():
        return False
    if "\ufffd" in text:
        return True
    try:
        text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return True


def month_comes_first(rows):
    """Whether the column's dates are written so: one day above 12 at the end decides how all before it are read."""
    parts = (NUMERIC.match(row["DOB"].strip()) for row in rows if row["DOB"])
    parts = [(int(part[1]), int(part[2])) for part in parts if part]
    return any(second > 12 for _, second in parts) and not any(first > 12 for first, _ in parts)


def born(text, layouts):
    for layout in layouts:
        try:
            day = datetime.datetime.strptime(text, layout).date()
        except ValueError:
            continue
        age = TODAY.year - day.year - ((TODAY.month, TODAY.day) < (day.month, day.day))
        return (day, None) if day <= TODAY and age <= 20 else (None, "date_out_of_range")
    return None, "date_invalid"


def year_group(text):
    word = tidy(text).upper().removeprefix("YEAR").strip()
    return str(int(word)) if word.isdigit() else word


def is_year_unlikely(day, year):
    number = {"R": 0, "N": -1}.get(year) if not year.isdigit() else int(year)
    if day is None or number is None:
        return False
    autumn = [date.year if date.month >= 9 else date.year - 1 for date in (TODAY, day)]
    return abs(autumn[0] - autumn[1] - 5 - number) > 1


def phone(text):
    """The number, and what is found of it."""
    try:
        number = phonenumbers.parse(text.removesuffix(".0"), "GB")
    except phonenumbers.NumberParseException:
        return None, ["phone_letters"]
    # The numbers that Ofcom keeps for drama, which made-up files are full of, are possible and not valid: both count.
    if not (phonenumbers.is_valid_number(number) or phonenumbers.is_possible_number(number)):
        return None, ["phone_invalid"]
    if len(set(str(number.national_number)[1:])) == 1:
        return None, ["phone_placeholder"]
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    found = []
    if text.endswith(".0") or not PLAIN.match(text.strip()):
        found.append("phone_repaired")
    is_mobile = written.startswith("+447") and not written.startswith(("+4470", "+4476"))
    if number.country_code == 44 and not is_mobile and phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE:
        found.append("phone_landline")
    return written, found


def email(text):
    """The address, and what is found of it."""
    try:
        address = validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None, ["email_invalid"]
    if address.startswith(FILLERS):
        return None, ["email_placeholder"]
    return address, ["email_mistyped"] if address.rpartition("@")[2] in MISTYPED else []


def read(path):
    found, pupils, contacts, links = [], {}, {}, {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        records = list(csv.DictReader(file))
    layouts = ("%m/%d/%Y" if month_comes_first(records) else "%d/%m/%Y", "%Y-%m-%d")
    for line, row in enumerate(records, 2):
        for column, text in row.items():
            if column and text and is_garbled(text):
                found.append((line, column, "text_garbled"))
                row[column] = ""
        name = tidy(row["StudentForename"]), tidy(row["StudentSurname"])
        if not any(name):
            found.append((line, "", "name_missing"))
        day, fault = (None, None) if is_blank(row["DOB"]) else born(row["DOB"].strip(), layouts)
        year = "" if is_blank(row["Year"]) else year_group(row["Year"])
        key = row["StudentID"] or (*map(fold, name), day)
        first = pupils.setdefault(key, (line, name, day, year, tidy(row["Reg"] or "")))
        if first[0] == line:
            if fault or is_year_unlikely(day, year):
                found.append((line, "DOB", fault or "year_unlikely"))
        elif fold(first[1][0]) != fold(name[0]):
            found.append((line, "", "id_reused"))
            continue
        name = tidy(row["ContactForename"] or ""), tidy(row["ContactSurname"] or "")
        number, of_number = (None, []) if is_blank(row["MobileNumber"]) else phone(row["MobileNumber"])
        address, of_address = (None, []) if is_blank(row["PrimaryEmail"]) else email(row["PrimaryEmail"])
        found += [(line, "MobileNumber", code) for code in of_number]
        found += [(line, "PrimaryEmail", code) for code in of_address]
        if not any(name) and not number and not address:
            continue
        who = row["ContactID"] or (key, *map(fold, name))
        first = contacts.setdefault(who, (line, tidy(row["Title"] or ""), name, set()))
        if fold(first[2][0]) != fold(name[0]):
            found.append((line, "ContactID", "id_reused"))
            continue
        first[3].update(point for point in (number, address) if point)
        priority = row["Priority"]
        priority = int(priority) if priority and priority.isdigit() and 0 < int(priority) < 255 else None
        links.setdefault((key, who), (fold(row["Relationship"] or ""), priority))
    holders = collections.Counter(point for contact in contacts.values() for point in contact[3])
    for shared in (point for point, count in holders.items() if count > 8):
        line = min(contact[0] for contact in contacts.values() if shared in contact[3])
        found.append((line, "", "shared_contact_point"))
    reached = {key for key, who in links if contacts[who][3]}
    found += [(pupils[key][0], "", "no_contact") for key in pupils.keys() - reached]
    found.sort()
    return len(records), len(pupils), len(contacts), len(links), found


def main():
    started = time.process_time_ns()
    rows, pupils, contacts, links, findings = read(sys.argv[1])
    cpu = time.process_time_ns() - started
    told = {"rows": rows, "pupils": pupils, "contacts": contacts, "links": links, "findings": len(findings), "cpu_ns": cpu}
    print(json.dumps(told))


main()
