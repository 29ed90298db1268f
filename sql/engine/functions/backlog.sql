-- backlog: how many events could be published now, by more relays than there are: what an autoscaler asks.
--
-- Returns:    what is unread or parked, of all shards and both tables, but for what only time or a person can help:
--             events that are not due yet, that are behind a dead one, whose topic a relay has to hold, or whose shard
--             is stopped. Of what is unread, each shard's first 2,000 events of each table are counted, and the rest
--             estimated, as bridge_backlog_events does; of what is parked, the first 2,000 of each shard and kind
-- Writes:     nothing
-- Errors:     none
--
-- So it costs milliseconds, whatever is pending. Its caller needs no right on any table, and sees no event. The moment
-- up to which partitions are finished is a literal in the statement, so that its plan leaves them out; and the plans
-- must follow the indexes that yield the order, whatever ANALYZE saw last.
create or replace function bridge.backlog() returns bigint
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    set jit = off
as $$
declare
    most constant integer := 2000;
    held constant text[] := array(
        select distinct w.topic
          from bridge.relay as r
         cross join lateral jsonb_to_recordset(r.waits) as w (topic text)
         where r.seen_until >= clock_timestamp() and w.topic is not null);
    unread bigint;
    parked bigint;
begin
    -- Above the cursor all is unread, but for what a newer scan has read; below it, what committed late.
    execute format($query$
        select coalesce(sum(case when u.passed < $1 then u.events
                                 else round(u.events * (q.drawn - s.cursor)::numeric / (u.last_seq - s.cursor)) end), 0)
          from bridge.shard as s
         cross join (select coalesce(pg_sequence_last_value('bridge.event_seq'), 0) as drawn) as q
         cross join lateral (
            select count(*) as passed, max(seq) as last_seq,
                   count(*) filter (where available_at is null or available_at <= clock_timestamp()) as events
              from (select seq, available_at
                      from bridge.outbox
                     where shard = s.shard and created_at >= %1$L and seq > s.cursor
                       and (s.late_cursor is null or seq > s.late_cursor
                            or not pg_visible_in_snapshot(xid, s.late_snapshot))
                     order by seq
                     limit $1) as above
            union all
            select count(*), max(seq), count(*)
              from (select seq
                      from bridge.history
                     where shard = s.shard and occurred_at >= %1$L and seq > s.cursor
                       and (s.late_cursor is null or seq > s.late_cursor
                            or not pg_visible_in_snapshot(xid, s.late_snapshot))
                     order by seq
                     limit $1) as above
            union all
            select 0, null, count(*)
              from ((select xid, seq, available_at
                       from bridge.outbox
                      where shard = s.shard and created_at >= %1$L and seq > s.scan_from and seq <= s.cursor
                      order by seq
                      limit $1)
                    union all
                    (select xid, seq, null
                       from bridge.history
                      where shard = s.shard and occurred_at >= %1$L and seq > s.scan_from and seq <= s.cursor
                      order by seq
                      limit $1)) as below
             where not pg_visible_in_snapshot(xid, s.snapshot)
               and (s.late_cursor is null or seq > s.late_cursor or not pg_visible_in_snapshot(xid, s.late_snapshot))
               and (available_at is null or available_at <= clock_timestamp())
         ) as u
         where s.stopped is null
        $query$, (select f.up_to from bridge.finished as f))
        into unread using most;

    select count(*) into parked
      from bridge.shard as s
     cross join lateral (
        (select *
           from bridge.parked
          where shard = s.shard and state in ('waiting', 'retried')
          order by seq
          limit most)
        union all
        (select *
           from bridge.parked
          where shard = s.shard and state = 'deferred' and due_at <= clock_timestamp()
          order by due_at
          limit most)
        union all
        (select *
           from bridge.parked
          where shard = s.shard and state = 'replayed'
          order by seq
          limit most)
     ) as p
     where s.stopped is null
       and p.topic <> all (held)
       and (p.waits_for is null or p.waits_for <> all (held))
       and (p.state = 'replayed'      -- which waits for no dead one
            or (select true
                  from bridge.parked as d
                 where d.shard = p.shard and d.key_hash = p.key_hash and d.topic = p.topic and d.seq < p.seq
                   and d.is_stuck and d.state = 'dead'
                 limit 1) is null
               and (select true
                      from bridge.parked as d
                     where d.topic = p.topic and d.seq < p.seq and d.stops
                     limit 1) is null);
    return unread + parked;
end $$;

revoke execute on function bridge.backlog() from public;
