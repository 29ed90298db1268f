-- The outbox as people see it: each event with what became of it. An INSERT writes to bridge.outbox.
--
-- What a row of bridge.parked says counts; else an event that the shard's position has read is published. A shard that
-- was taken away (bridge.set_shard_count) had published all. processed_at is the time of the first tick behind the
-- event, so it may be a second late; of an event that had waited, it is the time at which it was read. A replay changes
-- neither.
create or replace view bridge.event_queue as
select o.id, o.event_type, o.event_key, o.payload, o.headers, b.status, coalesce(p.deaths, 0) as retry_count,
       o.created_at, o.available_at,
       case when p.state in ('dead', 'skipped', 'published') then p.since
            when b.status = 'PROCESSED' then coalesce(
                (select t.at from bridge.tick as t
                  where t.shard = o.shard and t.cursor >= o.seq
                    and (o.seq <= t.scan_from or pg_visible_in_snapshot(o.xid, t.snapshot))
                  order by t.cursor, t.batch_no
                  limit 1), s.updated_at) end as processed_at,
       case when b.status <> 'PROCESSED' then p.reason end as error_message, o.seq, o.shard
  from bridge.outbox as o
  left join bridge.shard as s on s.shard = o.shard
  left join bridge.parked as p on p.event_id = o.id and p.seq = o.seq
 cross join lateral (
    select case when p.state in ('dead', 'skipped') then 'DEAD'
                when p.state in ('waiting', 'deferred', 'retried') then 'PENDING'
                when p.state in ('published', 'replayed', 'refused')
                  or s.shard is null
                  or o.seq <= s.all_to
                  or o.seq <= s.cursor and pg_visible_in_snapshot(o.xid, s.snapshot)
                  or o.seq <= s.late_cursor and pg_visible_in_snapshot(o.xid, s.late_snapshot) then 'PROCESSED'
                else 'PENDING' end as status
 ) as b;

-- rewrite_inserts: what an INSERT into the view becomes, for a number of shards (bridge.set_shard_count).
--
-- What a writer cannot choose is not among the columns, whatever was given for it; no error, because applications and
-- their libraries fill in all that a table has. Without an event_key, an event has one of its own, in any shard: its
-- order to others does not matter. COPY knows no rules, and calls the trigger. What the rule has, each statement that
-- was not prepared plans anew: so there is no function in SQL and, with one shard, no subquery, which evaluates the
-- writer's expression for the key once where it is needed twice (docs/decisions/0016).
create or replace function bridge.rewrite_inserts(shards integer) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    values_written constant text := case when shards = 1
        then 'values (0, new.event_type, coalesce(new.event_key, gen_random_uuid()::text), new.payload,'
             ' coalesce(new.headers, ''{}''), new.available_at)'
        else format('select (hashtextextended(coalesce(w.event_key, clock_timestamp()::text), 0)'
                    ' & 9223372036854775807) %% %s,'
                    ' w.event_type, coalesce(w.event_key, gen_random_uuid()::text), w.payload, w.headers,'
                    ' w.available_at from (select new.event_type, new.event_key, new.payload,'
                    ' coalesce(new.headers, ''{}'') as headers, new.available_at offset 0) as w', shards)
    end;
begin
    execute format('create or replace rule bridge_insert as on insert to bridge.event_queue do instead'
                   ' insert into bridge.outbox (shard, event_type, event_key, payload, headers, available_at) %s'
                   ' returning id, event_type, event_key, payload, headers, ''PENDING''::text, 0, created_at,'
                   ' available_at, null::timestamptz, null::text, seq, shard', values_written);
end $$;

revoke execute on function bridge.rewrite_inserts(integer) from public;

select bridge.rewrite_inserts(bridge.shard_count());

create or replace trigger bridge_insert instead of insert on bridge.event_queue
    for each row execute function bridge.insert_event();
