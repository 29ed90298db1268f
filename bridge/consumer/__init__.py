"""The receiving side: handlers whose effects in their own Postgres happen once for each event.

    from bridge.consumer import Consumer, Message

    consumer = Consumer(kafka=..., registry=..., database=..., group="billing", topics=["shop.order"])

    @consumer.handler("order.paid")
    def paid(message: Message, connection: psycopg.Connection) -> None: ...

    consumer.run()

It knows nothing of the relay, and works with any topic; docs/consumers.md says what it promises.
"""

from bridge.consumer.consumer import Consumer
from bridge.consumer.inbox import create_inbox, inbox_sql
from bridge.consumer.message import Message
from bridge.consumer.parked import DeadLetter
from bridge.errors import Unavailable
from bridge.settings import OnDead, RegistrySettings

__all__ = [
    "Consumer",
    "DeadLetter",
    "Message",
    "OnDead",
    "RegistrySettings",
    "Unavailable",
    "create_inbox",
    "inbox_sql",
]
