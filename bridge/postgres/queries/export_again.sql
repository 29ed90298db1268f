-- Its files so far do not count any more, and none of them is deleted. Not where its table is gone: they are all there is.
with there as (
    select p.id
      from bridge.retired_partition as p
      join pg_catalog.pg_class as c on c.oid = p.relation
     where p.id = %(id)s and p.state in ('detached', 'exported', 'verified')
), forgotten as (
    delete from bridge.cold_file as f using there as t where f.partition = t.id
)
update bridge.retired_partition as p
   set state = 'detached', location = %(location)s, format = coalesce(%(format)s, format), rows = null, checksum = null,
       changed_at = clock_timestamp(), trouble = null
  from there as t
 where p.id = t.id and p.state in ('detached', 'exported', 'verified')
returning p.id
