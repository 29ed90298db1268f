-- was_processed_by: had a table partition's events all been read by a moment?
--
-- Parameters: leaf     a partition of bridge.outbox or bridge.history
--             moment
-- Returns:    whether the ticks of each of its shards say so; false where they are not kept for so long
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.was_processed_by(leaf regclass, moment timestamptz) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    later boolean;
begin
    execute format('select exists (select from (select e.shard, max(e.seq) as seq from %s as e group by 1) as s'
                   ' where s.seq > coalesce((select max(t.scan_from) from bridge.tick as t'
                   '                          where t.shard = s.shard and t.at <= $1), 0))', leaf)
        into later using moment;
    return not later;
end $$;

revoke execute on function bridge.was_processed_by(regclass, timestamptz) from public;
