-- The change history with what became of each event, as bridge.event_queue has it. An INSERT writes to
-- bridge.history; what bridge.enable_tracking() records goes there by itself.
create or replace view bridge.entity_events as
select h.id, h.entity_type, h.entity_id, h.entity_type_id, h.entity_event_type, h.action, h.performed_by,
       h.actor_status, h.previous_state, h.new_state, h.changed_fields, h.change_summary, h.headers, h.occurred_at,
       b.status, coalesce(p.deaths, 0) as retry_count,
       case when p.state in ('dead', 'skipped', 'published') then p.since
            when b.status = 'PROCESSED' then coalesce(
                (select t.at from bridge.tick as t
                  where t.shard = h.shard and t.cursor >= h.seq
                    and (h.seq <= t.scan_from or pg_visible_in_snapshot(h.xid, t.snapshot))
                  order by t.cursor, t.batch_no
                  limit 1), s.updated_at) end as processed_at,
       case when b.status <> 'PROCESSED' then p.reason end as error_message, h.seq, h.shard,
       coalesce(h.event_key, h.entity_type || ':' || h.entity_id) as event_key
  from bridge.history as h
  left join bridge.shard as s on s.shard = h.shard
  left join bridge.parked as p on p.event_id = h.id and p.seq = h.seq
 cross join lateral (
    select case when p.state in ('dead', 'skipped') then 'DEAD'
                when p.state in ('waiting', 'deferred', 'retried') then 'PENDING'
                when p.state in ('published', 'replayed', 'refused')
                  or s.shard is null
                  or h.seq <= s.all_to
                  or h.seq <= s.cursor and pg_visible_in_snapshot(h.xid, s.snapshot)
                  or h.seq <= s.late_cursor and pg_visible_in_snapshot(h.xid, s.late_snapshot) then 'PROCESSED'
                else 'PENDING' end as status
 ) as b;

create or replace trigger bridge_insert instead of insert on bridge.entity_events
    for each row execute function bridge.insert_change();
