-- Only what was read back just now.
update bridge.retired_partition
   set state = 'verified', changed_at = clock_timestamp(), trouble = null
 where id = %(id)s and state = 'exported' and location = %(manifest)s
returning id
