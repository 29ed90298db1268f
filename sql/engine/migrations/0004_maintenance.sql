-- What is to be maintained, and what maintenance has done.

-- Which tables get table partitions ahead of time. Bounds are UTC days or months.
create table bridge.partition_policy (
    parent        regclass primary key,
    control       name     not null,                -- the column of the partition key
    step          text     not null,
    premake       integer  not null,                -- steps ahead of the current one
    storage       text     not null default '',     -- storage parameters of each new leaf
    max_move_rows integer  not null default 20000,  -- strays moved out of the default partition at a time
    constraint step_is_known check (step in ('day', 'month')),
    constraint premake_is_sane check (premake between 1 and 400),
    constraint max_move_rows_is_positive check (max_move_rows > 0)
);

-- Rows of the outbox and the history never change: there is nothing to vacuum but for freezing, once a leaf is full.
insert into bridge.partition_policy (parent, control, step, premake, storage)
select parent, control, 'day', 7,
       'autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1'
  from (values ('bridge.outbox'::regclass, 'created_at'::name),
               ('bridge.history', 'occurred_at')) as outbox (parent, control);

insert into bridge.partition_policy (parent, control, step, premake) values
    ('bridge.activity_log', 'occurred_at', 'month', 3),
    ('bridge.activity_log_archive', 'occurred_at', 'month', 1);

-- One row for each run of bridge.archive_old_activity_logs().
create table bridge.archive_job (
    id          bigint      generated always as identity primary key,
    source      text        not null,
    target      text        not null,
    older_than  timestamptz not null,    -- rows before this moment were moved
    rows_moved  bigint      not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    run_by      text        not null default session_user,
    constraint rows_moved_is_a_count check (rows_moved >= 0)
);

-- Which materialised views bridge.refresh_views() refreshes, in this order. By name: a view that is created anew is
-- another one to regclass.
create table bridge.matview_policy (
    matview  text    primary key,             -- qualified: crm.contact_management_view
    position integer not null default 100,
    enabled  boolean not null default true
);

create table bridge.matview_refresh (
    id            bigint      generated always as identity primary key,
    matview       text        not null,
    is_concurrent boolean     not null,   -- false: readers had to wait
    started_at    timestamptz not null,
    finished_at   timestamptz not null default clock_timestamp(),
    error_message text                    -- null: refreshed
);

create index matview_refresh_matview_idx on bridge.matview_refresh (matview, id);

-- What bridge.ensure_partitions() did or could not do.
create table bridge.maintenance_log (
    id      bigint      generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    action  text        not null,
    target  text        not null,
    outcome text        not null,
    detail  text,
    constraint outcome_is_known check (outcome in (
        'ok',
        'busy',     -- a lock was not to be had in time; the next run tries again
        'error'
    ))
);
