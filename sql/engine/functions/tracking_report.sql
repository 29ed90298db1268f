-- tracking_report: what is wrong with the tracking of tables, or should be known about it.
--
-- Returns:    relation, entity_type; is_problem: changes are not recorded, or not rightly; finding, advice
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.tracking_report()
    returns table (relation text, entity_type text, is_problem boolean, finding text, advice text)
    language sql stable
    security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with tracked as (
        select t.*, n.name, bridge.shell_word(n.name) as typed,
               to_regprocedure(format('bridge_tracking.record_%s()', t.id)) as routine,
               c.oid is not null as is_there,
               c.relpersistence,
               array(select i.indexrelid from pg_index as i
                      where i.indrelid = t.relation and i.indisunique and i.indisvalid and i.indpred is null
                        and bridge.index_columns(i) @> t.key and bridge.index_columns(i) <@ t.key) as key_indexes,
               array(select c.name::text from bridge.tracked_columns(t) as c
                      where c.use = 'virtual') as virtual_columns,
               (select count(*) from bridge.tracked_columns(t) as c where c.use = 'key') as key_columns,
               bridge.unknown_columns(t) as unknown_columns,
               bridge.event_key_names(t) as event_key_names
          from bridge.tracked_table as t
          left join pg_class as c on c.oid = t.relation
         cross join lateral (select coalesce(bridge.qualified_name(t.relation), t.known_as)) as n (name)
    ), member as (
        select t.id, m.relation from tracked as t cross join lateral bridge.member_tables(t.relation) as m (relation)
    ), firing as (
        select t.id, g.*, g.tgtype & 1 <> 0 as is_of_rows from tracked as t join pg_trigger as g on g.tgfoid = t.routine
    )
    select t.name, t.entity_type, f.is_problem, f.finding, f.advice
      from tracked as t
     cross join lateral (
        select true, 'the table is gone', 'bridge untrack ' || t.typed
         where not t.is_there
        union all
        select true, 'it could not be followed: ' || t.trouble, 'bridge track ' || t.typed
         where t.trouble is not null
        union all
        select true, 'it has no trigger that records its changes', 'bridge track ' || t.typed
         where t.is_there and not exists (select from firing as g
                                           where g.id = t.id and g.tgrelid = t.relation and g.is_of_rows)
        union all
        select true, format('trigger %s of %s %s', g.tgname, g.tgrelid::regclass,
                            case g.tgenabled when 'D' then 'is disabled' else 'fires for replicas only' end),
               format('ALTER TABLE %s ENABLE TRIGGER %I', g.tgrelid::regclass, g.tgname)
          from firing as g
         where g.id = t.id and g.tgenabled not in ('O', 'A')
        union all
        select true, format('TRUNCATE of %s alone is not recorded', m.relation), 'bridge track ' || t.typed
          from member as m
         where m.id = t.id and not exists (select from firing as g where g.id = m.id and g.tgrelid = m.relation
                                                                     and not g.is_of_rows)
        union all
        select true, 'no unique index has just its key''s columns any more: two rows may have one key',
               format('Make one, or name another key: bridge track %s --key ...', t.typed)
         where t.is_there and t.key_indexes = '{}' and t.home = bridge.tracking_home()
        union all
        select true, format('column %s of its key may be null: rows where it is are recorded with the key ?',
                            quote_ident(a.attname)),
               format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', t.relation, a.attname)
          from pg_attribute as a
         where a.attrelid = t.relation and a.attnum = any (t.key) and not a.attnotnull and not a.attisdropped
           and t.home = bridge.tracking_home()
        union all
        select true, 'a column of its key is gone, or shows what is hidden: its rows are recorded with the key ?',
               format('bridge track %s, with a --key', t.typed)
         where t.is_there and t.home = bridge.tracking_home()
           and t.key_columns < cardinality(t.key)
        union all
        select true, format('a column of its event key is gone, or hidden: they have the key %s:...', t.entity_type),
               format('bridge track %s, with an --event-key', t.typed)
         where t.is_there and t.event_key_columns is not null and t.event_key_names is null
        union all
        select true, 'its key is checked at the end of the transaction, so the order of its events may be wrong',
               format('Make the constraint %I anew, NOT DEFERRABLE', c.conname)
          from pg_constraint as c
         where c.conindid = any (t.key_indexes) and c.contype in ('p', 'u') and c.condeferred
        union all
        select true, 'its key can be deferred now, and its trigger is not', 'bridge track ' || t.typed
          from firing as g
         where g.id = t.id and g.tgrelid = t.relation and g.is_of_rows and not g.tgdeferrable
           and exists (select from pg_index as i where i.indexrelid = any (t.key_indexes) and not i.indimmediate)
           and not exists (select from pg_index as i where i.indexrelid = any (t.key_indexes) and i.indimmediate)
        union all
        select true, format('column %s was renamed before a dump: what nobody knows is masked', quote_ident(c.name)),
               format('bridge track %s, with a --mask or --exclude for each', t.typed)
          from unnest(t.unknown_columns) as c (name)
         where t.is_there
        union all
        select true, format('another table has its name now: %s', t.known_as),
               format('Track that one, too, with a --name; or untrack %s first', t.relation)
          from pg_class as c
         where c.oid = to_regclass(t.known_as) and c.oid <> t.relation
           and not exists (select from bridge.tracked_table as o where o.relation = c.oid)
        union all
        select true, format('changes of %s, which inherits from it, are not recorded', i.inhrelid::regclass),
               'bridge track ' || bridge.shell_word(i.inhrelid::regclass::text)
          from pg_inherits as i
          join pg_class as c on c.oid = i.inhrelid and not c.relispartition
         where i.inhparent = t.relation
           and not exists (select from bridge.tracked_table as o where o.relation = i.inhrelid)
        union all
        select true, 'what logical replication applies to it is not recorded',
               format('bridge track %s --replicated', t.typed)
          from pg_subscription_rel as s
         where s.srrelid = t.relation and not t.replicated
        union all
        select true, format('%s belongs to %s, and runs with its rights', p.oid::regprocedure, r.rolname),
               'Create the roles bridge_capture and bridge_reader; bridge track ' || t.typed
          from pg_proc as p join pg_roles as r on r.oid = p.proowner
         where p.oid = t.routine and r.rolname <> 'bridge_capture'
            or p.oid = to_regprocedure('bridge.record_removed(integer,regclass,regclass)')
               and r.rolname <> 'bridge_reader'
        union all
        select false, 'it was altered, and is recorded slowly until a relay has looked at it',
               'A relay does that twice a minute; or: bridge track ' || t.typed
         where t.is_there and t.fingerprint <> bridge.table_fingerprint(t.relation)
        union all
        select false,
               'generated columns that are not stored are left out: ' || array_to_string(t.virtual_columns, ', '),
               'Make them STORED to have them recorded'
         where t.virtual_columns <> '{}'
        union all
        select false, 'it is unlogged: a crash empties it without an event',
               format('ALTER TABLE %s SET LOGGED', t.name)
         where t.relpersistence = 'u'
     ) as f (is_problem, finding, advice)
     order by t.name, f.is_problem desc, f.finding
$$;

revoke execute on function bridge.tracking_report() from public;
