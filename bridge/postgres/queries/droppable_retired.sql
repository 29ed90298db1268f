select r.id, r.leaf
  from bridge.retired_partition as r
 where r.state = 'detached' and r.expiry in ('drop', 'archive') and r.rows is not null
 order by r.id
