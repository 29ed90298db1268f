-- settle_changes: put what this transaction has recorded of one key into the order in which the rows changed.
--
-- Parameters: of_type, of_key   as in bridge.history
-- Returns:    nothing
-- Writes:     new numbers of events of this transaction, which nobody else can see yet, and only where they are wrong
-- Errors:     none
--
-- An event is numbered when the AFTER trigger of its row fires. Where a statement has others inside (triggers, or
-- functions that it calls), the inner ones' triggers fire first: an earlier change may be recorded after a later one.
--
-- A life is a chain of versions of one row under this key: an event that replaced a version follows the one that made
-- it. No two rows hold a key at a time, so lives that have ended come before the one that has not. Among those, first
-- the row that was there before this transaction; then as first recorded. A life whose end is still to be recorded only
-- looks unended; when its end is recorded, this runs again.
create or replace function bridge.settle_changes(of_type text, of_key text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
declare
    wrong record;
begin
    for wrong in
        with recursive event as materialized (
            select h.id, h.occurred_at, h.seq, h.action, h.filenode, h.replaced, h.version is null as is_end,
                   case when (select exists (select from bridge.moved_version as m where m.xid = pg_current_xact_id()))
                        then coalesce(bridge.latest_version(h.filenode, h.version), h.version)
                        else h.version end as version,
                   row_number() over (order by h.seq) as recorded
              from bridge.history as h
             where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
               and h.entity_id = of_key and h.entity_type = of_type and h.relation is not null
               and h.occurred_at >= bridge.transaction_floor()
               and h.seq > coalesce((      -- TRUNCATE ends all lives, and versions are counted anew
                   select max(t.seq) from bridge.history as t
                    where hashtextextended(t.entity_id, 0) = hashtextextended('*', 0) and t.xid = pg_current_xact_id()
                      and t.entity_id = '*' and t.entity_type = of_type and t.action = 'TRUNCATE'
                      and t.relation = h.relation and t.occurred_at >= bridge.transaction_floor()), 0)
               and h.seq > coalesce((      -- a table that is rewritten has no changes that are still to be recorded
                   select max(t.seq) from bridge.history as t
                    where hashtextextended(t.entity_id, 0) = hashtextextended(of_key, 0)
                      and t.xid = pg_current_xact_id() and t.entity_id = of_key and t.entity_type = of_type
                      and t.filenode <> pg_relation_filenode(t.relation)
                      and t.occurred_at >= bridge.transaction_floor()), 0)
        ), life as (
            select e.id as life, 1 as place, e.*
              from event as e
             where not exists (select from event as f where f.filenode = e.filenode and f.version = e.replaced)
            union all
            select l.life, l.place + 1, e.*
              from life as l
              join event as e on e.filenode = l.filenode and e.replaced = l.version
             where l.place < (select count(*) from event)
        ), described as (
            select l.*, bool_or(is_end) over w as has_ended, min(recorded) over w as first_recorded,
                   bool_or(place = 1 and action = 'INSERT') over w as is_new
              from life as l window w as (partition by l.life)
        ), ordered as (
            select d.id, d.occurred_at, d.recorded,
                   row_number() over (order by not has_ended, is_new, first_recorded, place) as wanted
              from described as d
        )
        select o.id, o.occurred_at
          from ordered as o
         where o.wanted >= (select min(p.wanted) from ordered as p where p.wanted <> p.recorded)
         order by o.wanted
    loop
        update bridge.history as h set seq = nextval('bridge.event_seq')
         where h.id = wrong.id and h.occurred_at = wrong.occurred_at
           and h.occurred_at >= bridge.transaction_floor();
    end loop;
end $$;

revoke execute on function bridge.settle_changes(text, text) from public;
