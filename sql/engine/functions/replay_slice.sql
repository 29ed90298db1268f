-- replay_slice: park the next events of a replay, so that the relay publishes them once more, in order of seq.
--
-- Parameters: replay_id             of bridge.replay
--             rules, topics         the routes, as for bridge.matching_route(), and the topic of each
--             most                  events of the outbox and the history to read; few of them may be wanted
-- Returns:    parked, passed   how many of those that are wanted were parked, and how many could not be: they were not
--                              published before, are parked still, were erased, or have no route
--             left_to          up to which number all is done
--             is_last          there is no more; the replay is finished
-- Writes:     bridge.parked, bridge.shard, bridge.replay
-- Errors:     02000 no_data where there is no such replay, or it is finished; 55000 object_not_in_prerequisite_state
--             where a shard is stopped, or numbers were given twice
--
-- Only what is settled can be replayed: published by a batch of which that is known, or parked once, and published
-- since. Which events there are is read before the shards' rows are locked, as a claim does: a claim waits for the
-- parking alone. Their table is locked first, against who changes the number of shards or of events meanwhile. A table
-- partition that is read cannot leave before the end of this transaction; then they are parked.
-- Each shard's events of each table are read by themselves, as the indexes have them, each as many; what lies behind
-- the first of these reads that was cut off is left to the next slice.
create or replace function bridge.replay_slice(
    replay_id bigint, rules text[], topics text[], most integer,
    out parked bigint, out passed bigint, out left_to bigint, out is_last boolean
)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set enable_sort = off             -- the indexes have the order, however many rows the statistics know of
    set enable_incremental_sort = off
as $$
declare
    asked bridge.replay;
    found_events jsonb;
    cut_at bigint;
    stopped_shard smallint;
begin
    select r.* into asked from bridge.replay as r
     where r.id = replay_slice.replay_id and r.state = 'unfinished'
       for update;
    if not found then
        raise exception 'there is no unfinished replay %', replay_id using errcode = 'no_data';
    end if;

    lock table bridge.shard in row exclusive mode;
    if bridge.is_set_back() then
        raise exception 'the sequence of event numbers was set back, so that nobody knows which events were published'
            using errcode = 'object_not_in_prerequisite_state', hint = 'Run bridge recover first.';
    end if;

    -- The bounds on time are whole days here, which leave out table partitions and hardly a row in one: so no statement
    -- goes through more than it returns.
    -- A key's events are in its shard, but for those from before the number of shards was changed, up to all_to.
    with origin as materialized (
        select a.shard, ceil(most / 2.0 / count(*) over ())::integer as share
          from (select s.shard from bridge.shard as s union select r.shard from bridge.retired_shard as r) as a
         where asked.event_keys is null
            or asked.last_seq < (select max(s.all_to) from bridge.shard as s)
            or a.shard in (select bridge.shard_of(k.key) from unnest(asked.event_keys) as k (key))
    ), near as materialized (
        select e.*, origin.share
          from origin
         cross join lateral (
            select 'event_queue' as source, o.id, o.seq, o.xid, o.shard, o.event_type, null as entity_type,
                   o.event_key, o.created_at as at, o.headers ? 'bridge_erased' as is_erased
              from bridge.outbox as o
             where o.shard = origin.shard and o.seq > asked.last_seq and o.seq <= asked.until_seq
               and o.created_at >= date_trunc('day', asked.since, 'UTC')
               and o.created_at < date_trunc('day', asked.until, 'UTC') + interval '24 hours'
             order by o.seq
             limit origin.share) as e
        union all
        select e.*, origin.share
          from origin
         cross join lateral (
            select 'entity_events', h.id, h.seq, h.xid, h.shard, 'entity.changed', h.entity_type,
                   coalesce(h.event_key, h.entity_type || ':' || h.entity_id), h.occurred_at,
                   h.headers ? 'bridge_erased'
              from bridge.history as h
             where h.shard = origin.shard and h.seq > asked.last_seq and h.seq <= asked.until_seq
               and h.occurred_at >= date_trunc('day', asked.since, 'UTC')
               and h.occurred_at < date_trunc('day', asked.until, 'UTC') + interval '24 hours'
             order by h.seq
             limit origin.share) as e
    ), cut as materialized (
        select min(c.last_seq) as at
          from (select max(n.seq) as last_seq
                  from near as n
                 group by n.source, n.shard
                having count(*) >= max(n.share)) as c
    )
    select (select c.at from cut as c),
           coalesce(jsonb_agg(jsonb_build_object(
               'source', n.source, 'id', n.id, 'seq', n.seq, 'xid', n.xid::text, 'origin', n.shard, 'at', n.at,
               'topic', case when not n.is_erased then t.topic end, 'key_hash', hashtextextended(n.event_key, 0),
               'shard', (hashtextextended(n.event_key, 0) & 9223372036854775807) % bridge.shard_count()))
               filter (where n.at >= asked.since and n.at < asked.until
                         and (asked.event_types is null or n.event_type = any (asked.event_types))
                         and (asked.event_keys is null or n.event_key = any (asked.event_keys))
                         and (asked.topics is null or t.topic = any (asked.topics))), '[]')
      into cut_at, found_events
      from near as n
     cross join lateral (
        select topics[bridge.matching_route(rules, n.event_type, n.entity_type)] as topic) as t
     where n.seq <= coalesce((select c.at from cut as c), asked.until_seq);

    perform from bridge.shard as s
      where s.shard in (select (e ->> 'shard')::smallint from jsonb_array_elements(found_events) as e)
      order by s.shard
        for update;
    select s.shard into stopped_shard
      from bridge.shard as s
     where s.stopped is not null
       and s.shard in (select (e ->> 'shard')::smallint from jsonb_array_elements(found_events) as e)
     order by s.shard
     limit 1;
    if found then
        raise exception 'shard % is stopped, so nobody knows which of its events were published', stopped_shard
            using errcode = 'object_not_in_prerequisite_state', hint = 'Run bridge recover first.';
    end if;

    with wanted as materialized (
        select e.*
          from jsonb_to_recordset(found_events) as e (source text, id uuid, seq bigint, xid xid8, origin smallint,
                                                      at timestamptz, topic text, key_hash bigint, shard smallint)
    ), added as (
        insert into bridge.parked as p (seq, source, event_id, at, shard, topic, key_hash, state, blocks, replay_id)
        select w.seq, w.source, w.id, w.at, w.shard, w.topic, w.key_hash, 'replayed', false, replay_slice.replay_id
          from wanted as w
          left join bridge.shard as s on s.shard = w.origin
         where w.topic is not null
           and (s.shard is null
                or w.seq <= s.all_to
                or w.seq <= s.cursor and pg_visible_in_snapshot(w.xid, s.snapshot)
                or w.seq <= s.late_cursor and pg_visible_in_snapshot(w.xid, s.late_snapshot))
         order by w.seq
            on conflict (seq) do update
           set state = 'replayed', topic = excluded.topic, replay_id = excluded.replay_id, reason = null,
               since = clock_timestamp()
         where p.event_id = excluded.event_id and p.state in ('published', 'refused')
        returning p.shard
    ), told as (
        update bridge.shard as s
           set decisions = s.decisions + 1
         where s.shard in (select a.shard from added as a)
    )
    select a.count, w.count - a.count into parked, passed
      from (select count(*) from added) as a, (select count(*) from wanted) as w;

    is_last := cut_at is null;
    left_to := coalesce(cut_at, asked.until_seq);
    update bridge.replay as r
       set last_seq = left_to, events_parked = r.events_parked + parked, events_passed = r.events_passed + passed,
           state = case when is_last then 'finished' else r.state end, changed_at = clock_timestamp()
     where r.id = replay_slice.replay_id;
end $$;

revoke execute on function bridge.replay_slice(bigint, text[], text[], integer) from public;
