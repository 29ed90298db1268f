-- finish_partitions: find out up to when the table partitions of outbox and history hold nothing that is still to be
-- read, so that the relay's reads leave them out.
--
-- Returns:    that moment, at least a day ago
-- Writes:     bridge.finished; a trigger on each partition before it
-- Errors:     55P03 lock_not_available after a second, where a transaction that has written to one is still open
--
-- A partition is locked against writers, who are done with it, until its trigger is there and its events were found
-- read: what is written later moves the moment back (bridge.reopen_partition). At most 100 partitions at a time. Both
-- tables are named here, because bridge.partition_policy is the owner's to change, and one that lacks would be lost.
create or replace function bridge.finish_partitions() returns timestamptz
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '1s'
as $$
declare
    finished timestamptz;
    moment timestamptz := date_trunc('day', now() - interval '1 day');
    part record;
    is_left boolean;
    first_left timestamptz;
begin
    lock table only bridge.outbox, only bridge.history in share update exclusive mode;
    select up_to into finished from bridge.finished;
    for part in
        select b.leaf, p.control, b.range_from, b.range_to, row_number() over (order by b.range_to, b.leaf::oid) as n
          from (values ('bridge.outbox'::regclass, 'created_at'::name),
                       ('bridge.history', 'occurred_at')) as p (parent, control)
         cross join lateral bridge.partition_bounds(p.parent) as b
         where not b.is_default and b.range_to > finished and b.range_from < moment
         order by b.range_to, b.leaf::oid
    loop
        continue when part.range_from >= moment;
        is_left := part.n > 100 or part.range_to > moment;
        if not is_left then
            execute format('lock table %s in share row exclusive mode', part.leaf);
            perform bridge.guard_partition(part.leaf, part.control);
            execute format('select exists (select from bridge.shard as s join %s as e'
                           ' on e.shard = s.shard and e.seq > s.scan_from)', part.leaf) into is_left;
        end if;
        if is_left then
            moment := least(moment, part.range_from);   -- those that end later may begin sooner
        end if;
    end loop;
    for part in
        select b.leaf, p.control
          from (values ('bridge.outbox'::regclass, 'created_at'::name),
                       ('bridge.history', 'occurred_at')) as p (parent, control)
         cross join lateral bridge.partition_bounds(p.parent) as b
         where b.is_default
    loop
        execute format('lock table %s in share row exclusive mode', part.leaf);
        execute format('select min(e.%I) from bridge.shard as s join %s as e'
                       ' on e.shard = s.shard and e.seq > s.scan_from', part.control, part.leaf) into first_left;
        moment := least(moment, first_left);
    end loop;
    update bridge.finished set up_to = moment where up_to < moment;
    return greatest(finished, moment);
end $$;

revoke execute on function bridge.finish_partitions() from public;
