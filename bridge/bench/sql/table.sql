-- The table that the writers change: eight columns, one of them a longer text.
create table public.customer (
    id             bigint primary key,
    entity_type_id uuid not null default '00000000-0000-4000-8000-000000000001',
    name           text not null,
    email          text not null,
    score          integer not null default 0,
    note           text not null,
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp()
) with (fillfactor = 80);
insert into public.customer (id, name, email, note)
select g, 'name ' || g, 'customer' || g || '@example.com', repeat('x', 60) from generate_series(1, 20000) g;
create function public.seed_entity_change() returns trigger
    language plpgsql
as $$
-- The trigger that the project began from: one row at a time, two inserts, no diff. Its key was a uuid.
declare
    user_id uuid := current_setting('app.current_user_id', true)::uuid;
begin
    insert into public.seed_entity_events (entity_id, entity_type_id, entity_event_type, action, performed_by,
                                           previous_state, new_state, change_summary)
    values (new.id, new.entity_type_id, 'ENTITY_CHANGE', tg_op, user_id,
            case when tg_op = 'UPDATE' then row_to_json(old) end, row_to_json(new), 'Entity ' || tg_op || ' operation');
    insert into public.seed_activity_log (user_id, entity_id, entity_type, action, meta)
    values (user_id, new.id, 'ENTITY', tg_op,
            jsonb_build_object('entity_type_id', new.entity_type_id, 'details', row_to_json(new)));
    return new;
end $$;
create function public.plain_audit() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
-- A plain audit trigger, as supa_audit's documentation describes one, into the same partitioned table: both rows as
-- jsonb, no diff, no exclusion, no actor, and no care for order, types, settings or changed definitions.
begin
    insert into bridge.history (shard, entity_type, entity_id, action, previous_state, new_state)
    values (0, tg_table_name, coalesce(new.id, old.id)::text, tg_op, to_jsonb(old), to_jsonb(new));
    return null;
end $$;
create function public.do_nothing() returns trigger
    language plpgsql
as $$
begin
    return null;
end $$;
create table public.seed_entity_events (
    id                uuid primary key default gen_random_uuid(),
    entity_id         bigint not null,
    entity_type_id    uuid not null,
    entity_event_type varchar(50) not null,
    action            varchar(50) not null,
    performed_by      uuid,
    occurred_at       timestamptz not null default current_timestamp,
    previous_state    jsonb,
    new_state         jsonb,
    change_summary    text
);
create table public.seed_activity_log (
    id          uuid primary key default gen_random_uuid(),
    user_id     uuid,
    entity_id   bigint,
    entity_type varchar(50) not null,
    action      varchar(50) not null,
    occurred_at timestamptz not null default current_timestamp,
    meta        jsonb
);
