-- Takes a shard's lease that is free, has run out or is already ours, and reads the ledger. No row: not to be had.
-- A lease that ends too far ahead has run out, too: the server's clock was set back since its owner renewed it last.
-- A stopped shard is for `bridge recover` only, and stays stopped until the ledger is written. A locked row is waited for,
-- for a while: whoever keeps it is no relay, those are ended by end_stale_sessions.sql, and that must be said. The witness
-- is gone when the server has crashed, or another one has taken its place: see write_ledger.sql.
with taken as (
update bridge.shard
   set owner = %(owner)s,
       generation = generation + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
       updated_at = clock_timestamp()
 where shard in (
    select shard
      from bridge.shard
     where shard = %(shard)s
       and (stopped is not null) = %(is_stopped)s
       and (owner is null or owner = %(owner)s or %(is_stopped)s
            or lease_until not between clock_timestamp()
                                   and clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s))
       for update)
returning shard, generation, batch_no, batch_id, previous_id, batch_event_queue, batch_entity_events, batch_dead,
          batch_from, batch_to, scan_from
), witnessed as (
    insert into bridge.witness (shard, nonce)
    select shard, %(nonce)s from taken
        on conflict (shard) do update set nonce = excluded.nonce
)
select generation, batch_no, batch_id, previous_id, batch_event_queue, batch_entity_events, batch_dead,
       batch_from, batch_to, scan_from
  from taken
