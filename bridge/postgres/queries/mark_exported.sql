-- Only where these are all of its files.
update bridge.retired_partition as p
   set state = 'exported', location = %(manifest)s, rows = %(rows)s, checksum = %(checksum)s,
       changed_at = clock_timestamp(), trouble = null
 where p.id = %(id)s and p.state = 'detached'
   and %(files)s::text[] = array(select f.path from bridge.cold_file as f where f.partition = p.id order by f.number)
returning p.id
