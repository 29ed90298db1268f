select r.id, r.leaf from bridge.retired_partition as r where r.rows is null and r.state = 'detached' order by r.id
