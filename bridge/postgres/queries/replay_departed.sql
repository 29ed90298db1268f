-- Table partitions of a time that have left, so that their events cannot be replayed: how many, of what time, and how many
-- rows those have that were counted. One that was attached again is there.
select r.parent, count(*) as partitions, min(r.range_from) as since, max(r.range_to) as until, sum(r.rows)::bigint as rows,
       bool_or(r.checksum is not null) as has_files
  from bridge.retired_partition as r
 where r.parent in ('bridge.outbox', 'bridge.history')
   and r.range_from < %(until)s::timestamptz
   and r.range_to > %(since)s::timestamptz
   and r.state <> 'restored'
   and not exists (select from bridge.partition_bounds(r.parent::regclass) as b
                    where b.range_from <= r.range_from and b.range_to >= r.range_to)
 group by r.parent
 order by r.parent desc
