-- Each shard's lease, and what is unread of it, at a bounded cost: above the cursor no more events of each source are
-- counted than %(most)s, with the last one's number, by which the rest is estimated; below it, where only late commits
-- are unread, no more are looked at. -infinity: as in read_pending.sql.
select s.shard, coalesce(s.owner is not null and s.lease_until > clock_timestamp(), false) as is_leased,
       s.stopped is not null as is_stopped, s.cursor, q.drawn,
       o.events as outbox_events, o.last_seq as outbox_last, h.events as history_events, h.last_seq as history_last,
       late.events as late_events,
       extract(epoch from clock_timestamp() - least(o.oldest_at, h.oldest_at, late.oldest_at))::float8 as oldest_age_seconds
  from bridge.shard as s
 cross join (select coalesce(pg_sequence_last_value('bridge.event_seq'), 0) as drawn) as q
 cross join lateral (
    select count(*) as events, max(seq) as last_seq, min(at) filter (where isfinite(at)) as oldest_at
      from (select seq, created_at as at
              from bridge.outbox
             where shard = s.shard and created_at >= '-infinity' and seq > s.cursor
               and (s.late_cursor is null or seq > s.late_cursor or not pg_visible_in_snapshot(xid, s.late_snapshot))
             order by seq
             limit %(most)s) as unread
 ) as o
 cross join lateral (
    select count(*) as events, max(seq) as last_seq, min(at) filter (where isfinite(at)) as oldest_at
      from (select seq, occurred_at as at
              from bridge.history
             where shard = s.shard and occurred_at >= '-infinity' and seq > s.cursor
               and (s.late_cursor is null or seq > s.late_cursor or not pg_visible_in_snapshot(xid, s.late_snapshot))
             order by seq
             limit %(most)s) as unread
 ) as h
 cross join lateral (
    select count(*) as events, min(at) filter (where isfinite(at)) as oldest_at
      from ((select xid, seq, created_at as at
               from bridge.outbox
              where shard = s.shard and created_at >= '-infinity' and seq > s.scan_from and seq <= s.cursor
              order by seq
              limit %(most)s)
            union all
            (select xid, seq, occurred_at
               from bridge.history
              where shard = s.shard and occurred_at >= '-infinity' and seq > s.scan_from and seq <= s.cursor
              order by seq
              limit %(most)s)) as passed
     where not pg_visible_in_snapshot(xid, s.snapshot)
       and (s.late_cursor is null or seq > s.late_cursor or not pg_visible_in_snapshot(xid, s.late_snapshot))
 ) as late
 order by s.shard
