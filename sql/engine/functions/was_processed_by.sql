-- was_processed_by: had a table partition's events all been read by a moment?
--
-- Parameters: leaf     a partition of bridge.outbox or bridge.history
--             moment
-- Returns:    whether the ticks of each of its shards say so; false where they are not kept for so long
-- Writes:     nothing
-- Errors:     none
--
-- A shard that came to rest while some transaction was open has a last tick whose scan_from lies behind its events, for
-- ever: so the tick's cursor and snapshot are asked, too, of the events that are not below it. All by the index: a
-- partition that may not leave is asked about again and again, and may be large.
create or replace function bridge.was_processed_by(leaf regclass, moment timestamptz) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    later boolean;
begin
    execute format('select exists (select from (select generate_series(min(e.shard)::integer, max(e.shard)) as shard'
                   '                              from %1$s as e) as s'
                   '  left join lateral (select coalesce(max(a.scan_from), 0) as scan_from, max(a.batch_no) as batch_no'
                   '                       from bridge.tick as a where a.shard = s.shard and a.at <= $1) as p on true'
                   '  left join bridge.tick as t on t.shard = s.shard and t.batch_no = p.batch_no'
                   ' where exists (select from %1$s as e'
                   '                where e.shard = s.shard and e.seq > p.scan_from'
                   '                  and (e.seq <= t.cursor'
                   '                       and pg_visible_in_snapshot(e.xid, t.snapshot)) is not true))', leaf)
        into later using moment;
    return not later;
end $$;

revoke execute on function bridge.was_processed_by(regclass, timestamptz) from public;
