-- cold_columns: the columns of a table as cold files have them.
--
-- Parameters: relation   a table
-- Returns:    a row for each column, in their order: its type as SQL writes it; how a file keeps its values (a type of
--             Avro, or a logical one; "string": Postgres' own text); and the expression, of the row t, that yields a
--             value as text from which a file's value can be made and the other way round
-- Writes:     nothing
-- Errors:     none
--
-- Text is made by a type's output function, which only a superuser can have installed; a cast to text may be anybody's,
-- and leaves the blanks of a char(n) out. Times that calendars of other programs do not know are kept as text: before
-- the year 1, after 9999, infinite. A name that a reg... type stands for may be gone when it is read back: they are
-- numbers.
create or replace function bridge.cold_columns(relation oid)
    returns table (number integer, name text, type text, is_not_null boolean, kind text, expression text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select a.attnum::integer, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, k.kind,
           format(case k.kind
                      when 'double' then 'encode(float8send(t.%1$I), ''hex'')'
                      when 'float' then 'encode(float4send(t.%1$I), ''hex'')'
                      when 'oid' then 't.%1$I::oid::text'
                      when 'timestamp-micros' then
                          'case when t.%1$I >= ''0001-01-01 00:00:00+00'' and t.%1$I < ''10000-01-01 00:00:00+00'' '
                          'then (extract(epoch from t.%1$I) * 1000000)::bigint::text '
                          'when t.%1$I is not null then format(''%%s'', t.%1$I) end'
                      when 'local-timestamp-micros' then
                          'case when t.%1$I >= ''0001-01-01 00:00:00'' and t.%1$I < ''10000-01-01 00:00:00'' '
                          'then (extract(epoch from t.%1$I) * 1000000)::bigint::text '
                          'when t.%1$I is not null then format(''%%s'', t.%1$I) end'
                      else 'case when t.%1$I is distinct from null then format(''%%s'', t.%1$I) end'
                  end, a.attname)
      from pg_attribute as a
     cross join lateral (
           select case when a.atttypid in ('int2'::regtype, 'int4'::regtype) then 'int'
                       when a.atttypid = 'int8'::regtype then 'long'
                       when a.atttypid = 'bool'::regtype then 'boolean'
                       when a.atttypid = 'float4'::regtype then 'float'
                       when a.atttypid = 'float8'::regtype then 'double'
                       when a.atttypid = 'bytea'::regtype then 'bytes'
                       when a.atttypid = 'uuid'::regtype then 'uuid'
                       when a.atttypid = 'timestamptz'::regtype then 'timestamp-micros'
                       when a.atttypid = 'timestamp'::regtype then 'local-timestamp-micros'
                       when a.atttypid < 16384 and a.atttypid::regtype::text like 'reg%' then 'oid'
                       else 'string'
                  end
           ) as k (kind)
     where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
     order by a.attnum
$$;

revoke execute on function bridge.cold_columns(oid) from public;
