"""What an administrator sets on topics and brokers, and makes: in force when the call returns."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from fix_relay import eventually


def create(admin: AdminClient, *topics: NewTopic) -> None:
    """Make these topics. The controller has them at once, brokers a moment later."""
    for made in admin.create_topics(list(topics)).values():
        made.result(30)
    eventually(lambda: {topic.topic for topic in topics} <= admin.list_topics(timeout=30).topics.keys())


def configure(admin: AdminClient, resource: ConfigResource.Type, of: str, name: str, value: str | None) -> None:
    """Set the configuration `name` of the topic or broker `of`; None: as it was."""
    how = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    before = _value(admin, resource, of, name)
    entry = ConfigEntry(name, value, incremental_operation=how)
    change = ConfigResource(resource, of, incremental_configs=[entry])
    admin.incremental_alter_configs([change])[change].result(30)
    # The controller has it now, brokers a moment later.
    eventually(lambda: (now := _value(admin, resource, of, name)) == value or (value is None and now != before))


def _value(admin: AdminClient, resource: ConfigResource.Type, of: str, name: str) -> str | None:
    asked = ConfigResource(resource, of)
    entry = admin.describe_configs([asked])[asked].result(30)[name]
    return None if entry.value is None else str(entry.value)
