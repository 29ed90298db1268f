-- Which of these are no names of types that this database has. Anything else that they might be is refused as well.
select t.type from unnest(%(types)s::text[]) as t (type) where pg_catalog.to_regtype(t.type) is null
