-- record_present: a READ event for each of these rows of a tracked table: its state as it is at this moment.
--
-- Parameters: tracked_id   of bridge.tracked_table
--             keys         an array for each row: a text for each column of its key, in the key's order
-- Returns:    how many rows there were; one that has left its key meanwhile has events of that
-- Writes:     bridge.history; row locks on the table until the transaction ends
-- Errors:     55P03 lock_not_available, 40P01 deadlock_detected, 40001 serialization_failure: somebody keeps a row, or
--             has moved it; try again, with fewer. 42704 undefined_object: not tracked any more. 42501
--             insufficient_privilege, also where a policy would hide rows, or reading would run code of the table's
--             owner with the caller's rights
--
-- With the caller's rights, who must own both the table and the history. FOR SHARE, and no weaker lock: FOR KEY SHARE
-- lets others change the row, who would then have a lower number than the older state. The numbers are drawn above the
-- lock (outside of the subquery, which is not pulled up because it locks), so each is above those of all that was
-- recorded of the row before, and below those of all that will be; what an older snapshot saw is read again once the
-- lock is there.
--
-- Whoever hides a column waits until this transaction has ended, for the row of bridge.tracked_table is locked; and who
-- alters the table waits, too.
create or replace function bridge.record_present(tracked_id integer, keys text[]) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'                -- the same JSON whatever the session's settings are
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set xmloption = content
    set quote_all_identifiers = off
    set row_security = off              -- a policy would hide rows: rather fail
    set constraint_exclusion = off
    set enable_seqscan = off            -- by the key's index, whatever ANALYZE saw last
    set enable_hashjoin = off
    set enable_mergejoin = off
    set lock_timeout = '200ms'          -- others wait behind us
    set jit = off
as $$
declare
    template constant text := $each$
        insert into bridge.history (seq, xid, shard, entity_type, entity_id, event_key, entity_type_id,
                                    entity_event_type, action,
                                    performed_by, actor_status, new_state, change_summary, headers, relation, filenode,
                                    version)
        select nextval('bridge.event_seq'), $1, bridge.shard_of(coalesce(p.event_key, $2 || ':' || p.key)), $2, p.key,
               p.event_key, p.entity_type_id, $3,
               'READ', $4, $5, p.state, bridge.change_summary('READ', $2), $6, p.relation,
               pg_relation_filenode(p.relation), p.version
          from (select {{key}} as key, {{event_key}} as event_key, {{state}} as state,
                       {{type_id}} as entity_type_id, v.part as relation, v.version
                  from (values {{wanted}}) as w
                  join {{pinned}} as v on {{matches}}
                   for share of v) as p
        $each$;
    context constant record := bridge.change_context();
    xact constant xid8 := pg_current_xact_id();
    tracked bridge.tracked_table;
    pinned text;
    types text[];
    parts jsonb;
    row_count bigint;
begin
    select t.* into tracked from bridge.tracked_table as t where t.id = tracked_id for share;
    if not found then
        raise exception 'the table is not tracked any more' using errcode = 'undefined_object';
    end if;
    pinned := bridge.open_tracked(tracked);
    select array_agg(c.type order by c.position),
           jsonb_build_object(
               'key', bridge.key_expression(tracked, '(v.entire)'),
               'event_key', bridge.event_key_expression(tracked, '(v.entire)'),
               'state', bridge.state_expression(tracked, '(v.entire)'),
               'type_id', coalesce((select format('(v.entire).%I', u.name) from bridge.tracked_columns(tracked) as u
                                     where u.name = 'entity_type_id' and u.use in ('key', 'plain')
                                       and bridge.base_type(u.type) = 'uuid'::regtype), 'null::uuid'),
               'pinned', pinned,
               'matches', string_agg(format('(v.entire).%I%s %s w.column%s', c.name, c.collation, c.equal, c.position),
                                     ' and '))
      into types, parts
      from bridge.key_columns(tracked) with ordinality
               as c (name, type, "collation", less, equal, at_most, greater, position);
    parts := parts || (
        select jsonb_build_object('wanted', string_agg(format('(%s)', k.literals), ', '))
          from (select string_agg(format('%L::%s', keys[n][t.position], t.type), ', ' order by t.position) as literals
                  from generate_subscripts(keys, 1) as n
                 cross join unnest(types) with ordinality as t (type, position)
                 group by n) as k);
    begin
        execute bridge.fill_template(template, parts)
          using xact, tracked.entity_type, tracked.entity_event_type, context.performed_by, context.status,
                context.headers;
    exception when program_limit_exceeded or data_exception then    -- a row that cannot be converted as a whole
        execute bridge.fill_template(template, parts || '{"state": "bridge.careful_state($7, v.entire)"}')
          using xact, tracked.entity_type, tracked.entity_event_type, context.performed_by, context.status,
                context.headers, tracked;
    end;
    get diagnostics row_count = row_count;
    execute format('drop view %s', pinned);
    return row_count;
end $$;

revoke execute on function bridge.record_present(integer, text[]) from public;
