"""One connection's part of the traffic: what a sales team does all day, through the domain functions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg

from bridge.demo import fiction
from bridge.demo.session import Session

IMPORTED_CONTACTS = 8
IMPORT_SECONDS = 0.3  # how long an import stays open, while later events are committed and published


@dataclass
class Customer:
    """A contact that this writer has created."""

    id: UUID
    address: UUID | None
    touchpoints: int = 0
    opportunities: int = 0  # that are linked to it
    is_active: bool = True


@dataclass
class Opportunity:
    """One that is still open; `stage` counts through fiction.STAGES."""

    id: UUID
    customer: Customer
    stage: int = 0


class Writer:
    """Writes one transaction after another; touches what it has created itself, and the territories that all share.

    Every action returns how many events it writes: one in event_queue for each call that changes something, one in
    entity_events for each row of a tracked table.
    """

    def __init__(self, session: Session, random: Random, territories: list[UUID], stop: threading.Event) -> None:
        self.session = session
        self.events = self.committed = self.rolled_back = 0
        self._random = random
        self._territories = territories
        self._stop = stop
        self._customers: list[Customer] = []
        self._opportunities: list[Opportunity] = []
        self._territory: UUID | None = None
        self._actions: dict[Callable[[], int], int] = {  # how often each, in a thousand
            self._touch: 260, self._sign_up: 200, self._correct: 170, self._advance: 145, self._open: 85,
            self._move: 50, self._switch: 30, self._reprioritise: 25, self._erase: 20, self._redraw: 10,
            self._import: 5,
        }  # fmt: skip

    def write(self, events: int) -> None:
        """Run transactions until `events` are written or the stop is set. Raises psycopg.Error."""
        while self.events < events and not self._stop.is_set():
            if self._customers and self._random.random() < 0.02:
                self._give_up()
                continue
            (action,) = self._random.choices(list(self._actions), list(self._actions.values()))
            if not self._customers:
                action = self._sign_up
            with self.session.transaction():
                if action != self._import:  # which runs on nobody's behalf
                    self._act_as_someone()
                written = action()
            self.events += written
            self.committed += 1

    def _give_up(self) -> None:
        """Nothing of a transaction that was rolled back may ever be published."""
        with self.session.transaction():
            self._act_as_someone()
            contact = self.session.create("Contact", fiction.person(self._random))
            address = self.session.create("Address", fiction.place(self._random))
            self.session.link(contact, address, "RESIDENCE")
            self.session.touch(self._random.choice(self._customers).id, "EMAIL", "Sent to the wrong customer")
            raise psycopg.Rollback
        self.rolled_back += 1

    def _sign_up(self) -> int:
        """A contact, an address and their link: all three or none."""
        contact = self.session.create("Contact", fiction.person(self._random))
        address = self.session.create("Address", fiction.place(self._random))
        self.session.link(contact, address, "RESIDENCE")
        self._customers.append(Customer(contact, address))
        return 3 + 3 + 2

    def _touch(self) -> int:
        customer = self._random.choice(self._customers)
        self.session.touch(customer.id, self._random.choice(fiction.CHANNELS), self._random.choice(fiction.SUMMARIES))
        customer.touchpoints += 1
        return 2

    def _correct(self) -> int:
        customer = self._random.choice(self._customers)
        person, place = fiction.person(self._random), fiction.place(self._random)
        field = self._random.choice(("phone", "email", "job_title", "company", "street"))
        if field != "street":
            return 2 * self.session.update(customer.id, {field: person[field]})
        return 2 * self.session.update(customer.address, {field: place[field]}) if customer.address else 0

    def _open(self) -> int:
        opportunity = self.session.create("Opportunity", fiction.deal(self._random))
        customer = self._random.choice(self._customers)
        self.session.link(opportunity, customer.id, "DECISION_MAKER")
        self.session.link(opportunity, self._random.choice(self._territories), "LOCATED_IN")
        customer.opportunities += 1
        self._opportunities.append(Opportunity(opportunity, customer))
        return 3 + 2 + 2

    def _advance(self) -> int:
        """One stage on, until it is won or lost; some of the lost ones are removed at once."""
        if not self._opportunities:
            return self._open()
        opportunity = self._random.choice(self._opportunities)
        opportunity.stage += 1
        if opportunity.stage < len(fiction.STAGES):
            stage, probability = fiction.STAGES[opportunity.stage]
            return 2 * self.session.update(opportunity.id, {"stage": stage, "probability": probability})
        self._opportunities.remove(opportunity)
        if self._random.random() < 0.5:
            return 2 * self.session.update(opportunity.id, {"stage": "WON", "probability": 100})
        written = 2 * self.session.update(opportunity.id, {"stage": "LOST", "probability": 0})
        if self._random.random() < 0.5:
            return written
        opportunity.customer.opportunities -= 1
        links = 1 + (opportunity.customer in self._customers)
        return written + self._delete(opportunity.id) + 2 * links

    def _move(self) -> int:
        """A new address, and the former one goes."""
        customer = self._random.choice(self._customers)
        former, customer.address = customer.address, self.session.create("Address", fiction.place(self._random))
        self.session.link(customer.id, customer.address, "RESIDENCE")
        if former is None:
            return 3 + 2
        self.session.unlink(customer.id, former, "RESIDENCE")
        return 3 + 2 + 2 + self._delete(former)

    def _switch(self) -> int:
        customer = self._random.choice(self._customers)
        customer.is_active = not customer.is_active
        return 2 * self.session.update(customer.id, {"status": "ACTIVE" if customer.is_active else "INACTIVE"})

    def _erase(self) -> int:
        """A customer wants to be forgotten; the contact's links and touchpoints go with it, then the address."""
        customer = self._random.choice(self._customers)
        self._customers.remove(customer)
        written = self._delete(customer.id) + customer.touchpoints + 2 * customer.opportunities
        return written if customer.address is None else written + 2 + self._delete(customer.address)

    def _reprioritise(self) -> int:
        """All writers change the same few territories, so that they meet."""
        note = f"Priority {self._random.randrange(1_000_000)}: {self._random.choice(fiction.PRODUCTS)} first"
        return 2 * self.session.update(self._random.choice(self._territories), {"description": note})

    def _redraw(self) -> int:
        """This writer's own territory is replaced by another."""
        former = self._territory
        number = self._random.randrange(len(self._territories))
        region = fiction.REGIONS[number]
        name = f"{region} {self._random.randrange(100, 1000)}"
        self._territory = self.session.create("Territory", {"name": name, "region": region})
        self.session.link(self._territory, self._territories[number], "PART_OF")
        return 3 + 2 + (self._delete(former) + 2 if former else 0)

    def _import(self) -> int:
        """A list of contacts, in one transaction that stays open for a while."""
        ids = [self.session.create("Contact", fiction.person(self._random)) for _ in range(IMPORTED_CONTACTS)]
        self._stop.wait(IMPORT_SECONDS)
        self._customers += [Customer(contact, None) for contact in ids]
        return 3 * IMPORTED_CONTACTS

    def _delete(self, entity: UUID) -> int:
        self.session.delete(entity)
        return 3

    def _act_as_someone(self) -> None:
        self.session.act_as(self._random.choice(fiction.USERS), *self._random.choice(fiction.CLIENTS))
