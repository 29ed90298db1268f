-- The files that a manifest names are in place of another one's, of a table that is gone.
with replaced as (
    update bridge.retired_partition
       set location = %(manifest)s, checksum = %(checksum)s, changed_at = clock_timestamp()
     where location = %(former)s and state in ('dropped', 'restored')
    returning id
), forgotten as (
    delete from bridge.cold_file as f using replaced as r where f.partition = r.id and f.number > %(files)s
)
insert into bridge.cold_file as f (partition, number, path, rows, bytes, sha256, checksum, last_place)
select r.id, w.number, w.path, w.rows, w.bytes, w.sha256, w.checksum, '(0,0)'
  from replaced as r
 cross join jsonb_to_recordset(%(known)s) as w (number integer, path text, rows bigint, bytes bigint, sha256 text,
                                                checksum text)
    on conflict (partition, number) do update
   set path = excluded.path, rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256,
       checksum = excluded.checksum
