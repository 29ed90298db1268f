-- Only where it goes on from the file before it, and nobody was faster: of two that write at once one is in vain. So is who
-- read rows before they were erased, or the files were begun anew.
insert into bridge.cold_file (partition, number, path, rows, bytes, sha256, checksum, last_place)
select p.id, %(number)s, %(path)s, %(rows)s, %(bytes)s, %(sha256)s, %(checksum)s, %(last_place)s::tid
  from bridge.retired_partition as p
 where p.id = %(id)s and p.state = 'detached' and p.changed_at = %(as_of)s::timestamptz
   and %(after_place)s::tid = coalesce((select f.last_place from bridge.cold_file as f
                                         where f.partition = p.id and f.number = %(number)s - 1), '(0,0)')
    on conflict do nothing
returning number
