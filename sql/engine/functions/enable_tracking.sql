-- enable_tracking: record every change of a table in bridge.history, which the relay publishes.
--
-- Parameters: tracked            the table; it needs a primary key, or another key that `key` names
--             entity_type        its name in events; null: the table's, with its schema's unless that is public
--             entity_event_type  ENTITY_CHANGE, or ENTITY_LINK for a table that links entities
--             exclude            columns that are left out; a change of these alone gives no event
--             mask               columns whose values are replaced by "[masked]"; that they changed is still told
--             activity           true: write bridge.activity_log, too
--             truncate_rows      TRUNCATE gives one event for each row of a table of at most that many rows, and a
--                                TRUNCATE event with entity_id '*' in any case
--             key                columns of a unique index without expressions or condition, none of them nullable;
--                                null: the primary key
--             replicated         true: what logical replication applies is recorded, too
-- Returns:    nothing. Called again, it replaces the former settings, without a lock on the table
-- Writes:     bridge.tracked_table, a function in bridge_tracking, triggers of the table and of its table partitions
-- Errors:     42P16 invalid_table_definition (no such key, or one that is checked at the end of the transaction),
--             42703 undefined_column, 42809 wrong_object_type, 22023 invalid_parameter_value, 23505 unique_violation
--             (another table has that entity_type), 55P03 lock_not_available (the table is too busy)
create or replace function bridge.enable_tracking(
    tracked           regclass,
    entity_type       text default null,
    entity_event_type text default 'ENTITY_CHANGE',
    exclude           text[] default '{}',
    mask              text[] default '{}',
    activity          boolean default false,
    truncate_rows     integer default 10000,
    key               text[] default null,
    replicated        boolean default false
) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    relation pg_class;
    unknown text;
    key_index pg_index;
    key_numbers int2[];
    tracked_id integer;
    holder regclass;
    former bridge.tracked_table;
begin
    select c.* into strict relation from pg_class as c where c.oid = tracked;
    exclude := coalesce(exclude, '{}');
    mask := coalesce(mask, '{}');
    if relation.relkind not in ('r', 'p') then
        raise exception '% is not a table', tracked using errcode = 'wrong_object_type';
    elsif relation.relispartition then
        raise exception '% is a partition', tracked
            using errcode = 'wrong_object_type', hint = 'Track the partitioned table; its partitions follow.';
    elsif relation.relnamespace in ('bridge'::regnamespace, 'pg_catalog'::regnamespace) then
        raise exception '% belongs to % itself', tracked, relation.relnamespace::regnamespace
            using errcode = 'wrong_object_type';
    elsif relation.relpersistence = 't' then
        raise exception '% is a temporary table', tracked using errcode = 'wrong_object_type';
    elsif coalesce(entity_event_type, '') = '' or entity_type = '' then
        raise exception 'entity_type and entity_event_type must not be empty' using errcode = 'invalid_parameter_value';
    end if;
    entity_type := coalesce(entity_type, case when relation.relnamespace = to_regnamespace('public')
                                              then relation.relname
                                              else (select n.nspname || '.' || relation.relname from pg_namespace as n
                                                     where n.oid = relation.relnamespace) end);
    if length(entity_type) > 200 then
        raise exception 'entity_type is longer than 200 characters: %...', left(entity_type, 40)
            using errcode = 'invalid_parameter_value';
    end if;

    select string_agg(quote_ident(wanted.name), ', ') into unknown
      from unnest(exclude || mask || coalesce(key, '{}')) as wanted (name)
     where not exists (select from bridge.current_columns(tracked) as c where c.name::text = wanted.name);
    if unknown is not null then
        raise exception 'table % has no column %', tracked, unknown using errcode = 'undefined_column';
    end if;
    key_index := bridge.find_key(tracked, key);
    key_numbers := bridge.index_columns(key_index);
    if exists (select from bridge.current_columns(tracked) as k
                where k.number = any (key_numbers)
                  and (k.name::text = any (exclude || mask)
                       or exists (select from bridge.current_columns(tracked) as c
                                   where c.number = any (k.computed_from)
                                     and c.name::text = any (exclude || mask)))) then
        raise exception 'the key columns of % can be neither excluded nor masked, nor computed from such columns',
            tracked using errcode = 'invalid_parameter_value';
    elsif exclude && mask then
        raise exception 'a column of % is both excluded and masked', tracked using errcode = 'invalid_parameter_value';
    end if;

    select t.relation into holder from bridge.tracked_table as t
     where t.entity_type = entity_type and t.relation <> tracked;
    if found and not exists (select from pg_class as c where c.oid = holder) then
        perform bridge.disable_tracking(holder);    -- it was dropped
    elsif found then
        raise exception '% is tracked as % already', holder, entity_type
            using errcode = 'unique_violation', hint = 'Give another entity_type.';
    end if;
    select t.* into former from bridge.tracked_table as t where t.relation = tracked;
    insert into bridge.tracked_table as t (relation, entity_type, entity_event_type, key, excluded, masked, columns,
                                           known_as, home, activity, truncate_rows, replicated)
    select tracked, entity_type, entity_event_type, key_numbers,
           coalesce(array_agg(c.number) filter (where c.name::text = any (exclude)), '{}'),
           coalesce(array_agg(c.number) filter (where c.name::text = any (mask)), '{}'),
           jsonb_object_agg(c.number, c.name), bridge.qualified_name(tracked), bridge.tracking_home(),
           coalesce(activity, false), coalesce(truncate_rows, 0), coalesce(replicated, false)
      from bridge.current_columns(tracked) as c
    on conflict on constraint relation_is_tracked_once do update
       set entity_type = excluded.entity_type, entity_event_type = excluded.entity_event_type, key = excluded.key,
           excluded = excluded.excluded, masked = excluded.masked, columns = excluded.columns,
           dropped = excluded.dropped, known_as = excluded.known_as, home = excluded.home, activity = excluded.activity,
           truncate_rows = excluded.truncate_rows, replicated = excluded.replicated
    returning t.id into tracked_id;
    perform bridge.generate_capture(tracked_id);
    perform bridge.attach_triggers(tracked_id);
    perform bridge.enable_triggers(tracked_id);
    if (former.entity_type, former.key) is distinct from (entity_type, key_numbers) then
        update bridge.tracked_table as t    -- now that the lock is there: others wrote while it was waited for
           set since = clock_timestamp(), since_xid = pg_snapshot_xmax(pg_current_snapshot())
         where t.id = tracked_id;
    end if;
end $$;

revoke execute on function
    bridge.enable_tracking(regclass, text, text, text[], text[], boolean, integer, text[], boolean) from public;
