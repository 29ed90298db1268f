"""Invented customers for the demo's traffic. Nothing of it is real: mail addresses end in example.com or example.org,
telephone numbers in 555-01xx, and network addresses are those set aside for documentation.
"""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta
from random import Random
from uuid import NAMESPACE_URL, uuid5

Data = dict[str, object]  # an entity's fields, as crm.fn_create_entity takes them

FIRST_NAMES = (
    "Ada", "Aisha", "Amara", "Ana", "Arjun", "Björn", "Chloé", "David", "Elif", "Emma", "Grace", "Hana", "Hugo", "Ivan",
    "José", "Kenji", "Leila", "Liam", "Lucía", "Maria", "Mateo", "Mei", "Noah", "Olga", "Omar", "Priya", "Renée",
    "Samuel", "Sofia", "Tomás", "Viktor", "Wanjiru", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abebe", "Andersson", "Becker", "Chen", "Cohen", "Costa", "Dubois", "Dvořák", "Fischer", "García", "Gómez",
    "Haddad", "Hughes", "Ito", "Jansen", "Khan", "Kowalski", "Kumar", "Larsen", "Martin", "Müller", "Nguyễn", "Novak",
    "Nuñez", "Okafor", "O'Brien", "Petrov", "Rossi", "Sato", "Silva", "Smith", "Tanaka", "Weber",
)  # fmt: skip
COMPANIES = (
    "Alder Timber", "Blue Heron Press", "Cobalt Instruments", "Fennel & Sons", "Harbour Freight Lines",
    "Juniper Clinics", "Kestrel Robotics", "Larkspur Foods", "Northgate Print", "Ostrava Glass", "Tidewater Energy",
)  # fmt: skip
JOB_TITLES = ("Accountant", "Buyer", "Director", "Engineer", "Office Manager", "Owner", "Purchasing Lead")
STREETS = ("Beech Lane", "Canal Street", "Church Road", "Elm Street", "High Street", "Maple Avenue", "Station Road")
CITIES = (
    ("Springfield", "IL", "62701"), ("Seattle", "WA", "98101"), ("Austin", "TX", "78701"), ("Boston", "MA", "02108"),
    ("Denver", "CO", "80202"), ("Portland", "OR", "97204"), ("Madison", "WI", "53703"), ("Savannah", "GA", "31401"),
)  # fmt: skip
PRODUCTS = ("annual licence", "fit-out", "fleet renewal", "pilot", "service contract", "spare parts", "training")
REGIONS = ("Pacific Northwest", "Mountain States", "Great Lakes", "Gulf Coast", "New England", "Mid-Atlantic")
SUMMARIES = ("Asked for a quote", "Left a voicemail", "Sent the price list", "Went through the offer", "Wants a visit")
CHANNELS = ("CALL", "EMAIL", "MEETING", "VISIT", "MESSAGE")
STAGES = (("PROSPECTING", 10), ("QUALIFICATION", 25), ("PROPOSAL", 50), ("NEGOTIATION", 75))  # and their probability
USERS = tuple(str(uuid5(NAMESPACE_URL, f"https://example.com/users/{number}")) for number in range(6))
CLIENTS = (("192.0.2.10", "sales-web/4.2"), ("198.51.100.7", "sales-mobile/2.9"), ("203.0.113.25", "call-centre/1.4"))


def person(random: Random) -> Data:
    """A contact."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    plain = unicodedata.normalize("NFKD", f"{first}.{last}".replace("'", "")).encode("ascii", "ignore").decode().lower()
    return {
        "first_name": first,
        "last_name": last,
        "email": f"{plain}{random.randrange(100)}@{random.choice(('example.com', 'example.org'))}",
        "phone": f"+1 {random.choice((206, 303, 512, 617))} 555 {random.randrange(100, 200):04d}",
        "company": random.choice(COMPANIES),
        "job_title": random.choice(JOB_TITLES),
    }


def place(random: Random) -> Data:
    """An address."""
    city, state, postal_code = random.choice(CITIES)
    street = f"{random.randrange(1, 400)} {random.choice(STREETS)}"
    return {"street": street, "city": city, "state": state, "postal_code": postal_code}


def deal(random: Random) -> Data:
    """An opportunity in its first stage."""
    stage, probability = STAGES[0]
    return {
        "name": f"{random.choice(COMPANIES)}: {random.choice(PRODUCTS)}",
        "stage": stage,
        "probability": probability,
        "amount": random.randrange(50_000, 25_000_000) / 100,
        "close_date": (date(2030, 1, 1) + timedelta(days=random.randrange(365))).isoformat(),
    }
