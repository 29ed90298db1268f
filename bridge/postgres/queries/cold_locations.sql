-- Where cold files of these tables may lie: folders of a location, not of a table.
select p.location
  from bridge.partition_policy as p
 where bridge.qualified_name(p.parent) = any (%(parents)s::text[]) and p.location is not null
union
select case when r.checksum is null then r.location else regexp_replace(r.location, '(/[^/]*){4}$', '') end
  from bridge.retired_partition as r
 where r.parent = any (%(parents)s::text[]) and r.expiry = 'files' and r.location is not null
