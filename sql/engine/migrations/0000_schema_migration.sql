-- What `bridge migrate` has applied. First of all files, because each file is recorded in its own transaction.

create schema if not exists bridge;

create table bridge.schema_migration (
    layer          text        not null,
    file           text        not null,   -- migrations/0001_outbox.sql, functions/publish_event.sql
    checksum       text,                   -- sha-256 of the file as it was applied; null: it waits for relays to end
    applied_at     timestamptz not null default clock_timestamp(),
    applied_by     text        not null default session_user,
    oldest_program integer     not null default 0,   -- that can work with it: the newest migration that one knows
    primary key (layer, file),
    constraint layer_is_known check (layer in ('engine', 'domain'))
);

comment on table bridge.schema_migration is
    'Numbered files are applied once and never change; the others are applied again when their checksum differs';
