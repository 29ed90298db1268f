-- configure_tracking: bridge's part of bridge.enable_tracking(): its settings, and the trigger function.
--
-- Parameters: those of bridge.enable_tracking()
-- Returns:    nothing
-- Writes:     bridge.tracked_table, a function in bridge_tracking
-- Errors:     those of bridge.enable_tracking(). Whether the caller owns the table is not looked at here
create or replace function bridge.configure_tracking(
    tracked           regclass,
    entity_type       text,
    entity_event_type text,
    exclude           text[],
    mask              text[],
    activity          boolean,
    truncate_rows     integer,
    key               text[],
    replicated        boolean,
    event_key         text
) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
#variable_conflict use_variable
declare
    relation pg_class;
    former bridge.tracked_table := (select t from bridge.tracked_table as t where t.relation = tracked);
    former_key text[];
    unknown text;
    hidden jsonb;    -- {"email": "masked", ...}
    key_index pg_index;
    key_numbers int2[];
    event_key_names text[];
    event_key_texts text[];
    holder bridge.tracked_table;
    tracked_id integer;
begin
    select c.* into strict relation from pg_class as c where c.oid = tracked;
    entity_type := coalesce(entity_type, former.entity_type,
                            case when relation.relnamespace = to_regnamespace('public') then relation.relname
                                 else (select n.nspname || '.' || relation.relname from pg_namespace as n
                                        where n.oid = relation.relnamespace) end);
    entity_event_type := coalesce(entity_event_type, former.entity_event_type, 'ENTITY_CHANGE');
    if relation.relkind not in ('r', 'p') then
        raise exception '% is not a table', tracked using errcode = 'wrong_object_type';
    elsif relation.relispartition and former.id is null then
        raise exception '% is a partition', tracked
            using errcode = 'wrong_object_type', hint = 'Track the partitioned table; its partitions follow.';
    elsif relation.relnamespace in ('bridge'::regnamespace, 'pg_catalog'::regnamespace) then
        raise exception '% belongs to % itself', tracked, relation.relnamespace::regnamespace
            using errcode = 'wrong_object_type';
    elsif relation.relpersistence = 't' then
        raise exception '% is a temporary table', tracked using errcode = 'wrong_object_type';
    elsif entity_event_type = '' or entity_type = '' then
        raise exception 'entity_type and entity_event_type must not be empty' using errcode = 'invalid_parameter_value';
    elsif length(entity_type) > 200 then
        raise exception 'entity_type is longer than 200 characters: %...', left(entity_type, 40)
            using errcode = 'invalid_parameter_value';
    end if;

    select string_agg(quote_ident(wanted.name), ', ') into unknown
      from unnest(coalesce(exclude, '{}') || coalesce(mask, '{}') || coalesce(key, '{}')) as wanted (name)
     where not exists (select from bridge.current_columns(tracked) as c where c.name::text = wanted.name);
    if unknown is not null then
        raise exception 'table % has no column %', tracked, unknown using errcode = 'undefined_column';
    elsif exclude && mask then
        raise exception 'a column of % is both excluded and masked', tracked using errcode = 'invalid_parameter_value';
    end if;
    -- What is hidden stays so, also should it be added again, unless somebody says anything else.
    select coalesce(jsonb_object_agg(w.name, w.use order by w.step), '{}') into hidden
      from (select d.key, d.value, 1 from jsonb_each_text(former.dropped) as d
            union all
            select c.name, c.use, 1 from bridge.tracked_columns(former) as c
             where former.id is not null and c.use in ('masked', 'excluded')
            union all
            select k.value, case when k.key::int2 = any (former.masked) then 'masked' else 'excluded' end, 1
              from jsonb_each_text(former.columns) as k
             where k.key::int2 = any (former.masked || former.excluded)
               and not exists (select from bridge.current_columns(tracked) as c
                                where c.number = k.key::int2 or c.name::text = k.value)
            union all
            select e, 'excluded', 2 from unnest(exclude) as e
            union all
            select m, 'masked', 2 from unnest(mask) as m) as w (name, use, step)
     where w.step = 2 or w.use = 'masked' and mask is null or w.use = 'excluded' and exclude is null;

    select array_agg(c.name::text order by c.key_position) into former_key
      from bridge.tracked_columns(former) as c where former.id is not null and c.use = 'key';
    if key is null and cardinality(former_key) = cardinality(former.key) then
        begin
            key_index := bridge.find_key(tracked, former_key);
        exception when invalid_table_definition then
            key_index := bridge.find_key(tracked, null);
        end;
    else
        key_index := bridge.find_key(tracked, key);
    end if;
    key_numbers := bridge.index_columns(key_index);
    if exists (select from bridge.current_columns(tracked) as k
                where k.number = any (key_numbers) and (hidden ? k.name or hidden ?| k.computed_from::text[])) then
        raise exception 'the key columns of % can be neither excluded nor masked, nor computed from such columns',
            tracked using errcode = 'invalid_parameter_value';
    end if;

    if event_key is null then
        event_key_names := bridge.event_key_names(former);
        event_key_texts := former.event_key_texts;
    elsif event_key <> '' then
        event_key_names := array(select f.m[1]
                                   from regexp_matches(event_key, '\{([^{}]+)\}', 'g') with ordinality as f (m, n)
                                  order by f.n);
        event_key_texts := regexp_split_to_array(event_key, '\{[^{}]+\}');
        if event_key_names = '{}' or array_to_string(event_key_texts, '') ~ '[{}]' then
            raise exception 'the event key % names no column of %, or is not closed', event_key, tracked
                using errcode = 'invalid_parameter_value', hint = 'Write it as order:{order_id}.';
        end if;
        select string_agg(quote_ident(n.name), ', ') into unknown
          from unnest(event_key_names) as n (name)
         where not exists (select from bridge.current_columns(tracked) as c where c.name::text = n.name);
        if unknown is not null then
            raise exception 'table % has no column %', tracked, unknown using errcode = 'undefined_column';
        end if;
    end if;
    if exists (select from bridge.current_columns(tracked) as c
                where c.name::text = any (event_key_names)
                  and (hidden ? c.name::text or hidden ?| c.computed_from::text[] or c.generated = 'v')) then
        raise exception 'the columns of the event key of % can be neither excluded nor masked, nor be virtual', tracked
            using errcode = 'invalid_parameter_value',
                  hint = 'Give another event_key, or an empty one for the usual key.';
    end if;

    for holder in select t.* from bridge.tracked_table as t
                   where t.relation <> tracked
                     and (t.entity_type = configure_tracking.entity_type
                          or t.known_as = bridge.qualified_name(tracked)) loop
        if not exists (select from pg_class as c where c.oid = holder.relation) then
            perform bridge.disable_tracking(holder.relation);    -- it was dropped
        elsif holder.entity_type = entity_type then
            raise exception '% is tracked as % already', holder.relation, entity_type
                using errcode = 'unique_violation', hint = 'Give another entity_type: bridge track --name.';
        end if;
    end loop;
    insert into bridge.tracked_table as t (relation, entity_type, entity_event_type, key, event_key_columns,
                                           event_key_texts, excluded, masked, columns, dropped, known_as,
                                           fingerprint, home, activity, truncate_rows, replicated)
    select tracked, entity_type, entity_event_type, key_numbers,
           (select array_agg(w.number order by n.position)
              from unnest(event_key_names) with ordinality as n (name, position)
              join bridge.current_columns(tracked) as w on w.name::text = n.name),
           case when event_key_names is not null then event_key_texts end,
           coalesce(array_agg(c.number) filter (where hidden ->> c.name::text = 'excluded'), '{}'),
           coalesce(array_agg(c.number) filter (where hidden ->> c.name::text = 'masked'), '{}'),
           jsonb_object_agg(c.number, c.name), hidden - array_agg(c.name::text), bridge.qualified_name(tracked),
           bridge.table_fingerprint(tracked), bridge.tracking_home(), coalesce(activity, former.activity, false),
           coalesce(truncate_rows, former.truncate_rows, 10000), coalesce(replicated, former.replicated, false)
      from bridge.current_columns(tracked) as c
    on conflict on constraint relation_is_tracked_once do update
       set entity_type = excluded.entity_type, entity_event_type = excluded.entity_event_type, key = excluded.key,
           event_key_columns = excluded.event_key_columns, event_key_texts = excluded.event_key_texts,
           excluded = excluded.excluded, masked = excluded.masked, columns = excluded.columns,
           dropped = excluded.dropped, known_as = excluded.known_as, fingerprint = excluded.fingerprint,
           home = excluded.home, activity = excluded.activity,
           truncate_rows = excluded.truncate_rows, replicated = excluded.replicated, trouble = null
    returning t.id into tracked_id;
    perform bridge.generate_capture(tracked_id);
    -- Under another name, by another key, or with columns that were left out, it is another history; and others wrote
    -- while the lock was waited for.
    if former.id is null or (former.entity_type, former.key) is distinct from (entity_type, key_numbers)
       or exists (select from jsonb_each_text(former.columns) as k
                   where k.key::int2 = any (former.excluded) and hidden ->> k.value is distinct from 'excluded') then
        update bridge.tracked_table as t
           set since = clock_timestamp(), since_xid = pg_snapshot_xmax(pg_current_snapshot())
         where t.id = tracked_id;
    end if;
end $$;

revoke execute on function bridge.configure_tracking(
    regclass, text, text, text[], text[], boolean, integer, text[], boolean, text) from public;
