-- enable_tracking: record every change of a table in bridge.history, which the relay publishes.
--
-- Parameters: tracked            the table; it needs a primary key, or another key that `key` names
--             entity_type        its name in events; at first the table's, with its schema's unless that is public
--             entity_event_type  ENTITY_CHANGE at first; ENTITY_LINK for a table that links entities
--             exclude            columns that are left out; a change of these alone gives no event
--             mask               columns whose values are replaced by "[masked]"; that they changed is still told
--             activity           true: write bridge.activity_log, too
--             truncate_rows      TRUNCATE gives one event for each row of a table of at most that many rows, and a
--                                TRUNCATE event with entity_id '*' in any case
--             key                columns of a unique index without expressions or condition, none of them nullable;
--                                at first, and where the former key is none any more, the primary key
--             replicated         true: what logical replication applies is recorded, too
--             event_key          the key of its events, made of its columns: order:{order_id}. At first, with '' again,
--                                and for a row of which one of them is null, entity_type:key
-- Returns:    nothing. Called again, it changes what is given; what is null stays as it was, and nobody waits for it
-- Writes:     triggers of the table and of its table partitions, with the caller's rights; what is bridge's by
--             bridge.answer_request()
-- Errors:     42501 insufficient_privilege (the caller does not own the table), 42P16 invalid_table_definition (no such
--             key, or one that is checked at the end of the transaction), 42703 undefined_column, 42809
--             wrong_object_type, 22023 invalid_parameter_value, 23505 unique_violation (another table has that
--             entity_type), 55P03 lock_not_available (the table is too busy), 55000 object_not_in_prerequisite_state
--             (outside READ COMMITTED)
--
-- With the caller's rights: a table's triggers are for its owner to make.
create or replace function bridge.enable_tracking(
    tracked           regclass,
    entity_type       text default null,
    entity_event_type text default null,
    exclude           text[] default null,
    mask              text[] default null,
    activity          boolean default null,
    truncate_rows     integer default null,
    key               text[] default null,
    replicated        boolean default null,
    event_key         text default null
) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    is_new constant boolean := not exists (select from bridge.tracked_table as t where t.relation = tracked);
    lock_table text;
    tracked_id integer;
begin
    -- Nobody may be writing to a table of whose changes the first is recorded from now on.
    select format('lock table %s %s in %s mode', case when is_new and c.relkind = 'p' then '' else 'only' end, tracked,
                  case when is_new then 'share row exclusive' else 'access share' end)
      into strict lock_table
      from pg_class as c
     where c.oid = tracked;
    perform bridge.execute_briefly(lock_table);
    perform bridge.grant_table(tracked);
    insert into bridge.tracking_request (tracked, entity_type, entity_event_type, exclude, mask, activity,
                                         truncate_rows, key, replicated, event_key)
    values (tracked, entity_type, entity_event_type, exclude, mask, activity, truncate_rows, key, replicated,
            event_key);
    tracked_id := (select t.id from bridge.tracked_table as t where t.relation = tracked);
    perform bridge.attach_triggers(tracked_id);
    perform bridge.enable_triggers(tracked_id);
    if is_new and (select sum(pg_relation_size(m.relation)) from bridge.member_tables(tracked) as m (relation)) > 0 then
        raise notice 'the rows that % has already have no events', tracked
            using hint = format('bridge snapshot %s publishes them.', bridge.qualified_name(tracked));
    end if;
end $$;

revoke execute on function
    bridge.enable_tracking(regclass, text, text, text[], text[], boolean, integer, text[], boolean, text) from public;
