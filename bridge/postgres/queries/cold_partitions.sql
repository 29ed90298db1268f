-- Table partitions that lie, or are to lie, in cold files: where, and under which manifest.
select r.id, r.parent, r.leaf, r.state,
       case when r.checksum is null then r.location else regexp_replace(r.location, '(/[^/]*){4}$', '') end as location,
       case when r.checksum is not null then r.location end as manifest
  from bridge.retired_partition as r
 where r.parent = any (%(parents)s::text[]) and r.expiry = 'files' and r.location is not null
 order by r.id
