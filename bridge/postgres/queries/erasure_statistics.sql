-- Parents of which Postgres keeps statistics, which hold values as samples.
select bridge.qualified_name(p.parent::regclass)
  from unnest(%(parents)s::text[]) as p (parent)
 where exists (select from pg_stats as s
                where bridge.qualified_name(format('%%I.%%I', s.schemaname, s.tablename)::regclass) = p.parent)
