-- Under which names this database's events are published. A relay that is configured otherwise would find other
-- transactional ids and no committed offsets in Kafka, and stop every shard: it is refused instead.
create table bridge.publisher (
    only_one      boolean     primary key default true,
    relay_name    text        not null,
    control_topic text        not null,
    since         timestamptz not null default clock_timestamp(),
    constraint there_is_one check (only_one)
);

-- What waits in a relay and why (server, topic, schema, unforeseen), for `bridge status`.
alter table bridge.relay add column waits jsonb not null default '[]';
