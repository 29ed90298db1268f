-- Table partitions that are on their way into cold files, the oldest first.
select id, parent, leaf, relation::oid::bigint as relation, range_from::text as range_from, range_to::text as range_to,
       location, format, state, rows, checksum
  from bridge.retired_partition
 where expiry = 'files' and state in ('detached', 'exported', 'verified')
   and (%(id)s::bigint is null or id = %(id)s)
 order by range_from, id
