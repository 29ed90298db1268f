-- Marks the events that can never be published as they are, with the reason, if the claim in this transaction held; the
-- later events of their keys wait from now on, if they are to.
with dead as (
    update bridge.event_queue e
       set status = 'DEAD', processed_at = now(), retry_count = retry_count + 1, error_message = d.reason
      from unnest(%(seqs)s::bigint[], %(reasons)s::text[]) as d (seq, reason)
     where e.shard = %(shard)s
       and e.seq = d.seq
       and e.created_at between %(batch_from)s and %(batch_to)s
       and e.status = 'PENDING'
       and exists (select from bridge.shard
                    where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)
    returning e.id, e.seq, e.shard, e.event_type as event_type, e.event_key as event_key, e.error_message
), noted as (
    insert into bridge.dead_event (event_id, source, seq, shard, event_type, event_key, reason, holds_key)
    select id, 'event_queue', seq, shard, event_type, event_key, error_message, %(hold)s from dead
)
select from dead
