-- For how long the log keeps its rows, if they go to the archive table then.
select p.keep_for::text
  from bridge.partition_policy as p
 where p.parent = %(log)s::regclass and p.expiry = 'archive' and p.keep_for is not null
