-- clean_up: remove what the keeping of a database itself leaves behind, a bounded slice at a time.
--
-- Parameters: most   rows of each table
-- Returns:    a row for each table of which something was removed
-- Writes:     bridge.tick, bridge.parked, bridge.maintenance_log, bridge.matview_refresh, bridge.partition_policy,
--             bridge.retired_partition
-- Errors:     none
--
-- Ticks: all for 8 days, or a day longer than the outbox is kept; one a minute for 90 days; the last of each shard for
-- ever, which tells that what is older was processed. Of a parked event that is done with, the row goes once the event
-- has left for good: one that comes back, from cold files, say, would count as published. Logs: 90 days, and the last
-- run of each view. Policies of tables that were dropped go; partitions that were taken out and then dropped or
-- attached by hand are noted as that.
create or replace function bridge.clean_up(most integer default 10000)
    returns table (target text, removed bigint)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
as $$
declare
    of_all_ticks constant timestamptz := now() - greatest(interval '8 days', (
        select p.keep_for + interval '1 day' from bridge.partition_policy as p
         where p.parent = 'bridge.outbox'::regclass));
    of_others constant timestamptz := now() - interval '90 days';
begin
    delete from bridge.tick as t
     using (select o.shard, o.batch_no
              from (select i.shard, i.batch_no, i.at,
                           lead(i.at) over (partition by i.shard order by i.batch_no) as next_at
                      from bridge.tick as i
                     where i.at < of_all_ticks) as o
             where o.next_at is not null
               and (o.at < of_others or date_trunc('minute', o.at) = date_trunc('minute', o.next_at))
             limit most) as old
     where t.shard = old.shard and t.batch_no = old.batch_no;
    get diagnostics removed = row_count;
    target := 'bridge.tick';
    return next;

    delete from bridge.parked as p
     where p.seq in (select o.seq
                       from bridge.parked as o
                       join bridge.retired_partition as r
                         on r.parent = case o.source when 'event_queue' then 'bridge.outbox' else 'bridge.history' end
                        and o.at >= r.range_from + interval '1 ms' and o.at < r.range_to - interval '1 ms'
                        and r.state = 'dropped' and r.expiry <> 'files'
                      where o.state in ('skipped', 'published', 'refused')
                      limit most);
    get diagnostics removed = row_count;
    target := 'bridge.parked';
    return next;

    delete from bridge.maintenance_log as m
     where m.id in (select o.id from bridge.maintenance_log as o where o.at < of_others order by o.id limit most);
    get diagnostics removed = row_count;
    target := 'bridge.maintenance_log';
    return next;

    delete from bridge.matview_refresh as m
     where m.id in (select o.id
                      from bridge.matview_refresh as o
                     where o.started_at < of_others
                       and exists (select from bridge.matview_refresh as n where n.matview = o.matview and n.id > o.id)
                     order by o.id
                     limit most);
    get diagnostics removed = row_count;
    target := 'bridge.matview_refresh';
    return next;

    delete from bridge.partition_policy as p where not exists (select from pg_class as c where c.oid = p.parent);
    get diagnostics removed = row_count;
    target := 'bridge.partition_policy';
    return next;

    update bridge.retired_partition as r
       set state = case when c.oid is null then 'dropped' else 'restored' end, changed_at = clock_timestamp(),
           trouble = null
      from bridge.retired_partition as o
      left join pg_class as c on c.oid = o.relation
     where r.id = o.id and o.state in ('detached', 'exported', 'verified') and (c.oid is null or c.relispartition);
end $$;

revoke execute on function bridge.clean_up(integer) from public;
