-- retirement_obstacle: why a table partition may not leave, although its time is over.
--
-- Parameters: leaf, and its bounds
-- Returns:    what stands against it; null: nothing
-- Writes:     nothing
-- Errors:     none
--
-- Events that no relay has read lie behind bridge.finished; those that are parked, and not for good, have a row there,
-- whose time is to a millisecond.
create or replace function bridge.retirement_obstacle(leaf regclass, range_from timestamptz, range_to timestamptz)
    returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    parent constant regclass := (select i.inhparent from pg_inherits as i where i.inhrelid = leaf);
    expiry constant text := (select p.expiry from bridge.partition_policy as p where p.parent = (
                                select i.inhparent from pg_inherits as i where i.inhrelid = leaf));
    parked bigint;
    has_rows boolean;
begin
    if expiry = 'archive' then
        execute format('select exists (select from %s)', leaf) into has_rows;
        return case when has_rows then 'its rows are not in the archive table yet' end;
    elsif expiry = 'files' and (select c.relkind from pg_class as c where c.oid = leaf) = 'p' then
        return 'it has partitions itself, and cold files are written of plain tables';
    elsif (select i.inhdetachpending from pg_inherits as i where i.inhrelid = leaf) then
        return 'somebody has begun to detach it: ALTER TABLE ... DETACH PARTITION ... FINALIZE ends that';
    elsif parent not in ('bridge.outbox'::regclass, 'bridge.history'::regclass) then
        return null;
    end if;
    if range_to > (select f.up_to from bridge.finished as f) then
        return 'it has, or may have, events that no relay has read';
    end if;
    select count(*) into parked
      from bridge.parked as p
     where p.state not in ('skipped', 'published', 'refused')
       and p.source = case parent when 'bridge.outbox'::regclass then 'event_queue' else 'entity_events' end
       and p.at >= range_from - interval '1 ms'
       and p.at < range_to + interval '1 ms';
    return case when parked > 0 then format('%s of its events are parked: dead, or waiting', parked) end;
end $$;

revoke execute on function bridge.retirement_obstacle(regclass, timestamptz, timestamptz) from public;
