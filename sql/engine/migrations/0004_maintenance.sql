-- What the keeper does (bridge/keeping), and what it has done.

-- When each of its jobs is due, and how it went last.
create table bridge.policy (
    job          text        primary key,
    every        interval    not null,
    enabled      boolean     not null default true,
    started_at   timestamptz,                         -- of the last run
    finished_at  timestamptz,
    succeeded_at timestamptz,                         -- the end of the last run in which nothing failed
    outcome      text,
    detail       text,                                -- what failed, or was left to the next run
    failures     integer     not null default 0,      -- runs in a row
    constraint job_is_known check (job in ('partitions', 'retention', 'archive', 'refresh', 'capture', 'cleanup')),
    constraint every_is_positive check (every > interval '0'),
    constraint outcome_is_known check (outcome in ('running', 'ok', 'busy', 'error'))
) with (fillfactor = 50);

insert into bridge.policy (job, every) values
    ('partitions', '5 minutes'),
    ('retention', '1 hour'),     -- takes out table partitions whose time is over
    ('archive', '1 hour'),       -- moves the log's old rows, and writes cold files
    ('refresh', '1 minute'),     -- looks which views are due: bridge.matview_policy
    ('capture', '10 minutes'),   -- follows tracked tables, and says what is wrong
    ('cleanup', '1 hour');       -- old rows of bridge.tick, bridge.parked and the logs below

-- One keeper at a time: no relay begins a job while another holds this.
create table bridge.keeper (
    only_one    boolean     primary key default true,
    owner       text,
    pid         integer,     -- of its session; null behind a pooler
    lease_until timestamptz,
    constraint there_is_one check (only_one)
) with (fillfactor = 50);

insert into bridge.keeper default values;

-- Which tables get table partitions ahead of time, and when these leave. Bounds are UTC days or months.
create table bridge.partition_policy (
    parent        regclass primary key,
    control       name     not null,                -- the column of the partition key
    step          text     not null,
    premake       integer  not null,                -- steps ahead of the current one
    storage       text     not null default '',     -- storage parameters of each new leaf
    max_move_rows integer  not null default 10000,  -- strays moved out of the default partition at a time
    keep_for      interval,                         -- a partition leaves so long after its end; null: never
    expiry        text     not null default 'drop', -- how
    location      text,                             -- of cold files: a directory, or a URL that fsspec knows
    format        text     not null default 'avro', -- of cold files
    constraint step_is_known check (step in ('day', 'month')),
    constraint premake_is_sane check (premake between 1 and 400),
    constraint max_move_rows_is_positive check (max_move_rows > 0),
    constraint keep_for_is_positive check (keep_for > interval '0'),
    constraint expiry_is_known check (expiry in (
        'drop',
        'detach',    -- it is taken out and stays, a table of its own
        'archive',   -- its rows are moved to the archive table, then it is dropped
        'files'      -- it is dropped once it lies in cold files that were read back and compared
    )),
    constraint the_log_has_an_archive check (expiry <> 'archive' or parent = 'bridge.activity_log'::regclass),
    constraint files_have_a_location check (expiry <> 'files' or location is not null),
    constraint format_is_known check (format in ('avro', 'parquet'))
);

comment on column bridge.partition_policy.keep_for is
    'For bridge.outbox it counts from when the last event of a partition was processed; for the others from its end';

-- Rows of the outbox and the history never change: there is nothing to vacuum but for freezing, once a leaf is full.
-- The history may be an audit's only copy: it stays until somebody says otherwise.
insert into bridge.partition_policy (parent, control, step, premake, storage, keep_for)
select parent, control, 'day', 7,
       'autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1', keep_for
  from (values ('bridge.outbox'::regclass, 'created_at'::name, interval '7 days'),
               ('bridge.history', 'occurred_at', null)) as outbox (parent, control, keep_for);

insert into bridge.partition_policy (parent, control, step, premake, keep_for, expiry) values
    ('bridge.activity_log', 'occurred_at', 'month', 3, '3 months', 'archive'),
    ('bridge.activity_log_archive', 'occurred_at', 'month', 1, null, 'drop');

-- Table partitions that were taken out, and what became of them. bridge.retire_partition() adds to it.
create table bridge.retired_partition (
    id          bigint      generated always as identity primary key,
    parent      text        not null,    -- qualified: bridge.outbox
    leaf        text        not null,    -- qualified
    relation    regclass    not null,    -- it, as long as it is there
    range_from  timestamptz not null,
    range_to    timestamptz not null,
    expiry      text        not null,    -- as bridge.partition_policy had it
    location    text,                    -- of its cold files: the manifest's, once that is written
    format      text        not null default 'avro',    -- in which cold files of it are written
    state       text        not null default 'detached',
    rows        bigint,                  -- null until they were counted
    max_xid     xid8,                    -- of its events' transactions
    checksum    text,                    -- of its cold files' rows
    detached_at timestamptz not null default clock_timestamp(),
    changed_at  timestamptz not null default clock_timestamp(),
    trouble     text,                    -- why it does not get on
    constraint expiry_is_known check (expiry in ('drop', 'detach', 'archive', 'files')),
    constraint state_is_known check (state in (
        'detached',    -- a table of its own; the end of it with expiry 'detach'
        'exported',    -- its cold files and their manifest are written
        'verified',    -- they were read back and compared with the table
        'dropped',
        'restored'     -- it is a table partition again
    ))
);

create index retired_partition_range_idx on bridge.retired_partition (parent, range_from);

-- The files that a table partition has been written to so far (bridge/keeping/export.py). Only `bridge erase` removes a
-- file, once another one without its subject is in its place.
create table bridge.cold_file (
    partition  bigint      not null references bridge.retired_partition (id),
    number     integer     not null,
    path       text        not null,    -- in the storage of its location, whole
    rows       bigint      not null,
    bytes      bigint      not null,
    sha256     text        not null,
    checksum   text        not null,    -- of its rows, as bridge.sum_rows() has it
    last_place tid         not null,    -- of its last row in the table
    written_at timestamptz not null default clock_timestamp(),
    primary key (partition, number),
    constraint numbers_begin_at_one check (number > 0)
);

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

-- Which materialised views are refreshed, in this order, by the keeper and bridge.refresh_views(). By name: a view that
-- is created anew is another one to regclass.
create table bridge.matview_policy (
    matview        text     primary key,                     -- qualified: crm.contact_management_view
    position       integer  not null default 100,
    every          interval not null default '5 minutes',
    enabled        boolean  not null default true,
    stale_after    interval,                                 -- what it shows may be so old; null: twice `every`
    timeout        interval not null default '10 minutes',   -- the keeper breaks a refresh off after that
    allow_blocking boolean  not null default false,          -- readers may wait, if it cannot be refreshed concurrently
    skip_unchanged boolean  not null default false,
    constraint matview_is_qualified check (array_length(parse_ident(matview), 1) = 2),
    constraint every_is_positive check (every > interval '0'),
    constraint stale_after_is_positive check (stale_after > interval '0'),
    constraint timeout_is_positive check (timeout between interval '1 second' and interval '1 day')
);

comment on column bridge.matview_policy.skip_unchanged is
    'Not refreshed while bridge.event_seq says that no row has changed since. For views over tracked tables alone '
    '(bridge.matview_source) whose query depends on nothing else: no now(), no function that reads';

-- What a refresh knew is kept with it, for whether anything has changed since: bridge.matview_report().
create table bridge.matview_refresh (
    id            bigint      generated always as identity primary key,
    matview       text        not null,
    is_concurrent boolean     not null,   -- false: readers had to wait
    started_at    timestamptz not null,
    finished_at   timestamptz not null default clock_timestamp(),
    error_message text,                   -- null: refreshed
    up_to_seq     bigint,                 -- the last number of bridge.event_seq
    xid           xid8,                   -- its own, got after that; null: it had one before, so nothing is known
    snapshot      pg_snapshot,            -- the view's, or an earlier one
    home          text,                   -- the database whose transactions these are: bridge.tracking_home()
    confirmed_at  timestamptz             -- when it was last found that nothing had changed since
);

create index matview_refresh_matview_idx on bridge.matview_refresh (matview, id);

-- What the keeper's jobs, and bridge.ensure_partitions(), did or could not do.
create table bridge.maintenance_log (
    id      bigint      generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    action  text        not null,    -- create_partition, retire_partition, ...
    target  text        not null,
    outcome text        not null,
    detail  text,
    constraint outcome_is_known check (outcome in (
        'ok',
        'busy',     -- a lock was not to be had in time; the next run tries again
        'error'
    ))
);

-- What `bridge erase` has done: the certificate of each erasure. Its subject is known by a hash alone.
create table bridge.erasure (
    id          uuid        primary key default gen_random_uuid(),
    subject     bytea       not null,                -- SHA-256 of its key, as Kafka has it
    entity_type text,                                -- as in bridge.history; null: of events of an application's own
    asked_by    text        not null default session_user,
    why         text,                                -- as they gave it
    os_user     text,                                -- of `bridge erase`, as it told
    host        text,
    begun_at    timestamptz not null default clock_timestamp(),
    finished_at timestamptz,                         -- null: to be gone on with
    places      jsonb       not null default '{}',   -- {"bridge.outbox_20260301": 2, ...}: rows; and topics
    remains     text[],                              -- where it may be found all the same
    constraint subject_is_a_hash check (octet_length(subject) = 32)
);
