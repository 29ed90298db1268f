-- What a parked event waits behind: of its topic and key, or what stops its topic. A dead one first, for all others
-- wait behind that, too; then the earliest.
select event_id, state, reason, waits_for, stops, since
  from bridge.parked
 where topic = %(topic)s and seq < %(seq)s
   and (stops or shard = %(shard)s and key_hash = %(key_hash)s and blocks)
 order by state <> 'dead', seq
 limit 1
