-- enable_tracking: record every change of a table in bridge.history, which the relay publishes.
--
-- Parameters: tracked            the table; it needs a primary key
--             entity_type        its name in events; null: the table's
--             entity_event_type  ENTITY_CHANGE, or ENTITY_LINK for a table that links entities
--             exclude            columns that are left out; a change of these alone gives no event
--             mask               columns whose values are replaced by "[masked]"; that they changed is still told
--             activity           true: write bridge.activity_log, too
--             level              'statement': cheap for bulk work. 'row': cheaper for single rows, and on a partitioned
--                                table it also sees partitions that are attached later
--             truncate_rows      TRUNCATE gives one event for each row of a table of at most that many rows, and a
--                                TRUNCATE event with entity_id '*' in any case
-- Returns:    nothing. Called again, it replaces the former settings
-- Writes:     triggers of the table and, on a partitioned table, of its partitions: a statement fires only those of the
--             table it names
-- Errors:     42P16 invalid_table_definition (no primary key), 42703 undefined_column, 42809 wrong_object_type,
--             22023 invalid_parameter_value
create or replace function bridge.enable_tracking(
    tracked           regclass,
    entity_type       text default null,
    entity_event_type text default 'ENTITY_CHANGE',
    exclude           text[] default '{}',
    mask              text[] default '{}',
    activity          boolean default false,
    level             text default 'statement',
    truncate_rows     integer default 10000
) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    relation pg_class;
    key_columns text[];
    unknown text;
    type_column text;
    arguments text;
    leaf regclass;
begin
    select c.* into strict relation from pg_class as c where c.oid = tracked;
    if relation.relkind not in ('r', 'p') then
        raise exception '% is not a table', tracked using errcode = 'wrong_object_type';
    elsif relation.relispartition then
        raise exception '% is a partition', tracked
            using errcode = 'wrong_object_type', hint = 'Track the partitioned table; its partitions follow.';
    elsif tracked::text like 'bridge.%' then
        raise exception '% belongs to bridge itself', tracked using errcode = 'wrong_object_type';
    elsif level is null or level not in ('statement', 'row') then
        raise exception 'level must be ''statement'' or ''row'', not %', coalesce(quote_literal(level), 'null')
            using errcode = 'invalid_parameter_value';
    elsif coalesce(entity_event_type, '') = '' or entity_type = '' then
        raise exception 'entity_type and entity_event_type must not be empty' using errcode = 'invalid_parameter_value';
    end if;

    select array_agg(a.attname::text order by k.position) into key_columns
      from pg_index as i
     cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
      join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = tracked and i.indisprimary and k.position <= i.indnkeyatts;
    if key_columns is null then
        raise exception 'table % has no primary key', tracked
            using errcode = 'invalid_table_definition', hint = 'Changes can be tracked only by key: add a primary key.';
    end if;
    select string_agg(quote_ident(name), ', ') into unknown
      from unnest(exclude || mask) as name
     where not exists (select from pg_attribute as a
                        where a.attrelid = tracked and a.attname = name and a.attnum > 0 and not a.attisdropped);
    if unknown is not null then
        raise exception 'table % has no column %', tracked, unknown using errcode = 'undefined_column';
    elsif key_columns && (exclude || mask) then
        raise exception 'the key columns of % can be neither excluded nor masked', tracked
            using errcode = 'invalid_parameter_value';
    elsif exclude && mask then
        raise exception 'a column of % is both excluded and masked', tracked using errcode = 'invalid_parameter_value';
    end if;
    select a.attname into type_column from pg_attribute as a
     where a.attrelid = tracked and a.attname = 'entity_type_id' and a.atttypid = 'uuid'::regtype;

    perform bridge.disable_tracking(tracked);
    arguments := format('%L, %L, %L, %L, %L, %L, %L, %L', coalesce(entity_type, relation.relname), entity_event_type,
                        key_columns, coalesce(exclude, '{}'),
                        (select coalesce(jsonb_object_agg(name, '[masked]'), '{}') from unnest(mask) as name),
                        coalesce(type_column, ''), coalesce(activity, false), coalesce(truncate_rows, 0));
    if level = 'row' then
        execute format('create trigger bridge_track_row after insert or delete on %s for each row'
                       ' execute function bridge.track_row(%s)', tracked, arguments);
        execute format('create trigger bridge_track_row_update after update on %s for each row'
                       ' when (old.* *<> new.*) execute function bridge.track_row(%s)', tracked, arguments);
    end if;
    for leaf in select tracked where relation.relkind = 'r'
                union all select p.relid from pg_partition_tree(tracked) as p where relation.relkind = 'p' loop
        if level = 'statement' then
            execute format('create trigger bridge_track_insert after insert on %s referencing new table as new_rows'
                           ' for each statement execute function bridge.track_insert(%s)', leaf, arguments);
            execute format('create trigger bridge_track_update after update on %s referencing old table as old_rows'
                           ' new table as new_rows for each statement execute function bridge.track_update(%s)',
                           leaf, arguments);
            execute format('create trigger bridge_track_delete after delete on %s referencing old table as old_rows'
                           ' for each statement execute function bridge.track_delete(%s)', leaf, arguments);
        end if;
        -- TRUNCATE fires the triggers of all partitions, too: those with rows suffice.
        continue when (select c.relkind from pg_class as c where c.oid = leaf) = 'p';
        execute format('create trigger bridge_track_truncate before truncate on %s'
                       ' for each statement execute function bridge.track_truncate(%s)', leaf, arguments);
    end loop;
end $$;

revoke execute on function
    bridge.enable_tracking(regclass, text, text, text[], text[], boolean, text, integer) from public;
