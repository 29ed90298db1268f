-- generate_capture: write the trigger function of a tracked table, by its definition and settings of this moment.
--
-- Parameters: tracked_id   of bridge.tracked_table
-- Returns:    nothing
-- Writes:     the function bridge_tracking.record_<id>; takes no lock on the table. That it is altered meanwhile is
--             noticed by its next row: the fingerprint in bridge.tracked_table was taken before all else was read
-- Errors:     55P03 lock_not_available where the columns' types cannot be read, 42501 insufficient_privilege where that
--             is because the owner of bridge may not use the table's schema
--
-- What decides the function's speed: how many expressions it evaluates for a row, because plpgsql prepares each anew in
-- each transaction; and how many settings it pins, at a microsecond each. So it does the usual only: a row that can be
-- converted as a whole, of a table that was not altered since. All else is bridge.record_row()'s, slower by far. Where
-- to_jsonb() cannot fail, it stands in the INSERT itself; else in a block that catches what fails.
--
-- The table's owner may execute it, because Postgres asks that of whoever makes a table partition, which gets the
-- partitioned table's triggers. Nobody else: it could not be dropped, nor its table be followed, while a table of his
-- had it. The owner can attach it to another table, where `new.id::text` might be a cast of his; of a row that is not
-- the tracked table's it converts nothing. To know that costs nothing for a table, and 1.8 microseconds a row for a
-- table partition; one of a partitioned table that was attached to another goes the slow way.
create or replace function bridge.generate_capture(tracked_id integer) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
declare
    tracked constant bridge.tracked_table := (select t from bridge.tracked_table as t where t.id = tracked_id);
    routine constant text := format('bridge_tracking.record_%s()', tracked_id);
    home constant regnamespace := (select c.relnamespace from pg_class as c where c.oid = tracked.relation);
    -- to_jsonb() of these prints the same whatever the settings are; and of these it fails only for a text too long
    alike constant oid[] := '{int2,int4,int8,text,varchar,bpchar,bool,uuid,numeric,jsonb,date,timestamp}'::regtype[];
    bounded constant oid[] := '{int2,int4,int8,text,varchar,bool,uuid,numeric,date,timestamp,timestamptz}'::regtype[];
    old_key constant text := bridge.key_expression(tracked, 'old');
    new_key constant text := bridge.key_expression(tracked, 'new');
    old_event_key constant text := bridge.event_key_expression(tracked, 'old');
    new_event_key constant text := bridge.event_key_expression(tracked, 'new');
    usual_key constant text := quote_literal(tracked.entity_type || ':') || ' || ';
    -- A table partition's generated column may come to show a hidden one: then the partitioned table is not altered.
    can_be_known constant boolean := tracked.excluded || tracked.masked = '{}' and tracked.dropped = '{}'
        or not bridge.parts_compute(tracked.relation);
    types oid[];
    is_bounded boolean;
    sizes text[];    -- of the old row, of the new one
    type_id text;
    settings text;
    before text;
    after text;
    read_fields text;
    parts jsonb;
    reads jsonb;
begin
    if exists (select from bridge.current_columns(tracked.relation) as c where c.type is null) then
        if not has_schema_privilege(home, 'usage') then
            raise exception 'the owner of bridge may not use the schema of %', tracked.relation
                using errcode = 'insufficient_privilege',
                      hint = format('GRANT USAGE ON SCHEMA %s TO %I, bridge_capture, bridge_reader.', home,
                                    current_user);
        end if;
        raise exception 'the types of the columns of % cannot be read', tracked.relation
            using errcode = 'lock_not_available', hint = 'It is locked.';
    end if;
    select coalesce(array_agg(w.type), '{}'),
           coalesce(bool_and(w.type = any (bounded) and coalesce(l.collisdeterministic, w.collation = 0)), false),
           array[coalesce(string_agg(format('coalesce(octet_length(old.%I), 0)', w.name), ' + ')
                          filter (where w.is_text), '0'),
                 coalesce(string_agg(format('coalesce(octet_length(new.%I), 0)', w.name), ' + ')
                          filter (where w.is_text), '0')],
           coalesce(min('new.entity_type_id')
                    filter (where w.name = 'entity_type_id' and w.type = 'uuid'::regtype), 'null')
      into types, is_bounded, sizes, type_id
      from (select c.name, c.collation, bridge.base_type(c.type) as type,
                   bridge.base_type(c.type) in ('text'::regtype, 'varchar'::regtype) as is_text
              from bridge.tracked_columns(tracked) as c
             where c.use in ('key', 'plain')) as w
      left join pg_collation as l on l.oid = w.collation;
    settings := case
        when types <@ alike then ''
        when types <@ (alike || 'timestamptz'::regtype::oid) then 'set timezone = ''UTC'''
        else 'set timezone = ''UTC'' set datestyle = ''ISO, YMD'' set intervalstyle = ''iso_8601'''
             ' set bytea_output = ''hex'' set extra_float_digits = 1 set lc_monetary = ''C'' set xmloption = content'
             ' set quote_all_identifiers = off set jit = off' end;
    parts := jsonb_build_object(
        'table', regexp_replace(tracked.known_as, '[\n\r]', ' ', 'g'),
        'settings', quote_literal(to_jsonb(tracked) - '{fingerprint,since,since_xid,trouble,locked_at}'::text[]
                                  || jsonb_build_object('relation', tracked.relation::oid::text)) || '::jsonb',
        'is_as_known', format('%s = %L and bridge.table_fingerprint(%2$L::regclass) = %3$L',
                              case when exists (select from pg_class as c
                                                 where c.oid = tracked.relation and c.relkind = 'p')
                                   then 'pg_partition_root(tg_relid)' else 'tg_relid' end, tracked.relation::oid,
                              case when can_be_known then tracked.fingerprint else 'never' end),
        'entity_type', quote_literal(tracked.entity_type),
        'entity_event_type', quote_literal(tracked.entity_event_type),
        'old_key', old_key,
        'new_key', new_key,
        'variables', concat(case when tracked.activity
                                 then 'context record; event_id uuid; occurred_at timestamptz; ' end,
                            case when not is_bounded then 'old_state jsonb; new_state jsonb;' end),
        'before', case when tracked.activity then
            'event_id := bridge.new_event_id(); occurred_at := clock_timestamp(); context := bridge.change_context();'
            ' performed_by := context.performed_by; actor_status := context.status; headers := context.headers;'
            else 'if concat(current_setting(''bridge.actor'', true), current_setting(''app.current_user_id'', true),'
            ' current_setting(''bridge.traceparent'', true)) <> '''' then actor_status := bridge.actor_status();'
            ' performed_by := bridge.performed_by(actor_status); headers := bridge.trace_headers(); end if;' end,
        'event_id', case when tracked.activity then 'event_id' else 'bridge.new_event_id()' end,
        'occurred_at', case when tracked.activity then 'occurred_at' else 'clock_timestamp()' end);
    before := bridge.state_expression(tracked, 'old');
    after := bridge.state_expression(tracked, 'new');
    select format('fields := case when record_image_eq(row(%s), row(%s)) then %s end;',
                  coalesce(string_agg(format('old.%I', c.name), ', '), '1'),
                  coalesce(string_agg(format('new.%I', c.name), ', '), '1'),
                  bridge.changed_expression(tracked, 'old', 'new', 'old_state', 'new_state'))
      into read_fields
      from bridge.tracked_columns(tracked) as c
     where c.use = 'key' or c.name::text = any (bridge.event_key_names(tracked));
    if is_bounded then
        reads := jsonb_build_object(
            'read_update', read_fields,
            'update_fits', format('%s + %s < 100000000', sizes[1], sizes[2]),
            'key_fits', format('%s + %s < 100000000', sizes[1], sizes[2]),
            'insert_fits', format('%s < 100000000', sizes[2]), 'delete_fits', format('%s < 100000000', sizes[1]));
    else
        reads := jsonb_build_object(
            'read_update', format('begin old_state := %s; new_state := %s; %s'
                                  ' exception when others then fields := null; old_state := null; end;',
                                  before, after, read_fields),
            'read_insert', format('begin new_state := %s; exception when others then new_state := null; end;', after),
            'read_delete', format('begin old_state := %s; exception when others then old_state := null; end;', before),
            'update_fits', 'true', 'key_fits', 'old_state is not null',
            'insert_fits', 'new_state is not null', 'delete_fits', 'old_state is not null');
        before := 'old_state';
        after := 'new_state';
    end if;
    parts := parts || jsonb_build_object('old_state', before, 'new_state', after);
    execute format('create or replace function %s returns trigger language plpgsql security definer'
                   ' set search_path = pg_catalog, pg_temp %s as %L', routine, settings,
                   bridge.fill_template(bridge.capture_template(),
                       parts || reads
                       || (select jsonb_object_agg('insert_' || lower(v.action), bridge.fill_template(
                               bridge.insert_template(), parts || jsonb_build_object(
                                   'action', v.action, 'key', v.key, 'event_key', v.event_key,
                                   'record_key', case when v.event_key = 'null::text' then usual_key || v.key
                                                      else format('coalesce(%s, %s)', v.event_key,
                                                                  usual_key || v.key) end,
                                   'type_id', v.type_id, 'version', v.version,
                                   'previous_state', v.previous_state, 'state', v.state, 'replaced', v.replaced,
                                   'summary', quote_literal(v.action || ' of ' || tracked.entity_type) || v.summary,
                                   'log_activity', case when tracked.activity then format(
                                       'perform bridge.log_activity(event_id, occurred_at, %L, %s, %L, %s, fields, '
                                       'context, %s);', tracked.entity_type, v.key, v.action, v.type_id,
                                       coalesce(nullif(v.state, 'null'), v.previous_state)) end)))
                             from (values
                                 ('INSERT', new_key, new_event_key, type_id, 'new.ctid', 'null', after, 'null', ''),
                                 ('UPDATE', new_key, new_event_key, type_id, 'new.ctid', before, after,
                                  'case when age(old.xmin) <= age(pg_current_xact_id()::xid)'
                                  ' and bridge.is_own_version(old.xmin, pg_current_xact_id()) then old.ctid end',
                                  ' || '': '' || array_to_string(fields, '', '')'),
                                 ('DELETE', old_key, old_event_key, replace(type_id, 'new.', 'old.'), 'null', before,
                                  'null',
                                  'case when age(old.xmin) <= age(pg_current_xact_id()::xid)'
                                  ' and bridge.is_own_version(old.xmin, pg_current_xact_id()) then old.ctid end', '')
                             ) as v (action, key, event_key, type_id, version, previous_state, state, replaced,
                                     summary))));
    execute format('revoke execute on function %s from public', routine);
    execute (select format('grant execute on function %s to %s', routine, c.relowner::regrole)
               from pg_class as c where c.oid = tracked.relation);
    perform bridge.grant_capture();
end $$;

revoke execute on function bridge.generate_capture(integer) from public;
