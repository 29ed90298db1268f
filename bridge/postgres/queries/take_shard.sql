-- Takes a shard's lease that is free, has run out or is already ours, and reads the ledger. No row: not to be had.
-- A lease that ends too far ahead has run out, too: the server's clock was set back since its owner renewed it last.
-- A stopped shard is for `bridge recover` only, and stays stopped until the ledger is written. A locked row is waited for,
-- for a while: whoever keeps it is no relay, those are ended by end_stale_sessions.sql, and that must be said. The witness
-- is gone when the server has crashed, or another one has taken its place: see write_ledger.sql.
-- Nor is it for a program that is too old for the database: see compatibility.py.
-- Whose transaction ids the position holds is noted with the first takeover; is_copied: they are another database's.
with taken as (
update bridge.shard
   set owner = %(owner)s,
       generation = generation + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
       system_identifier = coalesce(shard.system_identifier, here.system_identifier),
       database = coalesce(shard.database, here.database),
       updated_at = clock_timestamp()
  from (select c.system_identifier, d.oid as database
          from pg_control_system() as c, pg_database as d where d.datname = current_database()) as here
 where shard in (
    select shard
      from bridge.shard
     where shard = %(shard)s
       and (stopped is not null) = %(is_stopped)s
       and (owner is null or owner = %(owner)s or %(is_stopped)s
            or lease_until not between clock_timestamp()
                                   and clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s))
       and not exists (select from bridge.schema_migration where oldest_program > %(program)s)
       for update)
returning shard.shard, generation, batch_no, batch_id, previous_id, in_flight, scan_from, cursor, snapshot,
          late_cursor, late_snapshot, decisions,
          (shard.system_identifier, shard.database) is distinct from (here.system_identifier, here.database) as is_copied
), witnessed as (
    insert into bridge.witness (shard, nonce)
    select shard, %(nonce)s from taken
        on conflict (shard) do update set nonce = excluded.nonce
)
select generation, batch_no, batch_id, previous_id, in_flight, scan_from, cursor, snapshot::text, late_cursor,
       late_snapshot::text, decisions, is_copied
  from taken
