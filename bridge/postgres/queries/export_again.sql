-- Its files so far do not count any more, and none of them is deleted.
with forgotten as (
    delete from bridge.cold_file as f
     using bridge.retired_partition as p
     where p.id = %(id)s and p.state in ('detached', 'exported', 'verified') and f.partition = p.id
)
update bridge.retired_partition
   set state = 'detached', location = %(location)s, format = coalesce(%(format)s, format), rows = null, checksum = null, changed_at = clock_timestamp(),
       trouble = null
 where id = %(id)s and state in ('detached', 'exported', 'verified')
returning id
