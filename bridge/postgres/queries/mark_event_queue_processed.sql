-- Marks exactly the events of the batch that was published, if the claim in this transaction held.
update bridge.event_queue
   set status = 'PROCESSED', processed_at = now(), error_message = null
 where shard = %(shard)s
   and seq = any (%(seqs)s::bigint[])
   and created_at between %(batch_from)s and %(batch_to)s
   and status = 'PENDING'
   and exists (select from bridge.shard
                where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)
