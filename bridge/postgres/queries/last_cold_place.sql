-- After which row the next file begins, and since when what is known of its table partition is as it is.
select coalesce((select f.last_place from bridge.cold_file as f where f.partition = p.id order by f.number desc limit 1),
                '(0,0)')::text, p.changed_at::text
  from bridge.retired_partition as p
 where p.id = %(id)s
