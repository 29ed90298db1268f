-- finish_partitions: find out up to when the table partitions of outbox and history hold nothing that is still to be
-- read, so that the relay's reads leave them out.
--
-- Returns:    that moment, at least a day ago
-- Writes:     bridge.finished; a trigger on each partition before it
-- Errors:     55000 object_not_in_prerequisite_state in a transaction with one snapshot for all its statements, which
--             would not see what was written before a lock was had; 55P03 lock_not_available after a second, where a
--             transaction that has written to a default partition is still open
--
-- A partition is locked against writers, who are done with it, until its trigger is there and its events were found
-- read: what is written later moves the moment back (bridge.reopen_partition). If that happens meanwhile, it counts. At
-- most 500 partitions at a time, for their locks. Both tables are named here, because bridge.partition_policy is the
-- owner's to change, and one that lacks would be lost.
create or replace function bridge.finish_partitions() returns timestamptz
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '1s'
as $$
declare
    latest constant timestamptz := date_trunc('day', now() - interval '1 day');
    moment timestamptz := latest;
    known timestamptz;
    part record;
    looked_at integer := 0;
    unread text;
    first_unread timestamptz;
begin
    perform bridge.require_read_committed('partitions cannot be finished');
    lock table only bridge.outbox, only bridge.history in share update exclusive mode;
    select up_to into known from bridge.finished;
    if exists (select from bridge.shard where renumber) then
        return known;   -- some that are unread have numbers as if they were not
    end if;
    for part in
        select b.leaf, p.control, b.range_from, b.range_to, b.is_default
          from (values ('bridge.outbox'::regclass, 'created_at'::name),
                       ('bridge.history', 'occurred_at')) as p (parent, control)
         cross join lateral bridge.partition_bounds(p.parent) as b
         where b.is_default
            or b.range_from < latest
               and (b.range_to > known
                    or not exists (select from pg_trigger as t    -- it was attached by hand, or restored without
                                    where t.tgrelid = b.leaf and t.tgname = 'bridge_reopen' and t.tgenabled = 'A'))
         order by b.is_default, b.range_from, b.leaf::oid
    loop
        continue when part.range_from >= moment;
        looked_at := looked_at + 1;
        first_unread := part.range_from;   -- unless it is known better
        if part.is_default or part.range_to <= latest and looked_at <= 500 then
            begin
                execute format('lock table %s in share row exclusive mode', part.leaf);
                perform bridge.guard_partition(part.leaf, part.control);
                unread := format('from bridge.shard as s join %s as e on e.shard = s.shard and e.seq > s.scan_from',
                                 part.leaf);
                if part.is_default then
                    execute format('select min(e.%I) ', part.control) || unread into first_unread;
                else
                    execute 'select $1 where exists (select ' || unread || ')' into first_unread using part.range_from;
                end if;
            exception when lock_not_available then
                if part.is_default then
                    raise;
                end if;
            end;
        end if;
        moment := least(moment, first_unread);
    end loop;
    perform from bridge.finished where up_to = known for update skip locked;
    if found then
        update bridge.finished set up_to = moment where up_to <> moment;
    end if;
    return (select up_to from bridge.finished);
end $$;

revoke execute on function bridge.finish_partitions() from public;
