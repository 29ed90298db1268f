-- Who did what, when and from where: for people and audits. It is not published.

create table bridge.activity_log (
    id           uuid        not null default bridge.new_event_id(),
    user_id      uuid,
    entity_id    text,                   -- as in bridge.history
    entity_type  text,
    action       text        not null,
    occurred_at  timestamptz not null default clock_timestamp(),
    actor_status text        not null default 'missing',
    ip_address   inet,
    user_agent   text,
    device       jsonb,
    geo          jsonb,
    meta         jsonb,
    primary key (id, occurred_at)
) partition by range (occurred_at);

comment on column bridge.activity_log.id is 'The event''s, in bridge.history, where a tracking trigger wrote the row';

create index activity_log_entity_idx on bridge.activity_log (hashtextextended(entity_id, 0), occurred_at);
create index activity_log_user_idx on bridge.activity_log (user_id, occurred_at) where user_id is not null;

create table bridge.activity_log_default partition of bridge.activity_log default;

-- The same columns and one more: when the row was moved here.
create table bridge.activity_log_archive (
    id           uuid        not null,
    user_id      uuid,
    entity_id    text,
    entity_type  text,
    action       text        not null,
    occurred_at  timestamptz not null,
    actor_status text        not null,
    ip_address   inet,
    user_agent   text,
    device       jsonb,
    geo          jsonb,
    meta         jsonb,
    archived_at  timestamptz not null default clock_timestamp(),
    primary key (id, occurred_at)
) partition by range (occurred_at);

create index activity_log_archive_entity_idx
    on bridge.activity_log_archive (hashtextextended(entity_id, 0), occurred_at);

create table bridge.activity_log_archive_default partition of bridge.activity_log_archive default;
