-- Where the manifests are, of all table partitions that have one or of this one.
select location
  from bridge.retired_partition
 where expiry = 'files' and checksum is not null
   and (%(id)s::bigint is null or id = %(id)s)
 order by range_from, id
