-- How much the partitioned tables take, and in which tablespaces they and the database are.
select bridge.qualified_name(p.parent) as parent, count(*) as leaves,
       coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint as bytes,
       pg_database_size(current_database()) as database_bytes,
       array_agg(distinct coalesce(s.spcname, d.spcname)::text) as tablespaces
  from bridge.partition_policy as p
 cross join lateral pg_partition_tree(p.parent) as t
  join pg_class as c on c.oid = t.relid
  left join pg_tablespace as s on s.oid = c.reltablespace
  join (select e.spcname from pg_database as b join pg_tablespace as e on e.oid = b.dattablespace
         where b.datname = current_database()) as d on true
 where t.isleaf
 group by 1
 order by 1
