-- sum_rows: what is to be compared with a table's cold files.
--
-- Parameters: relation   a table
-- Returns:    how many rows it has, and the sum of a hash of each, whatever their order
-- Writes:     nothing that stays
-- Errors:     those of reading it, and of bridge.pin_table()
--
-- A sum, for an XOR would not tell a row that is there twice from one that is there not at all.
-- bridge/keeping/cold_row.py computes the same from a file. The settings are those of the sessions that write files
-- (pin_session.sql, cold_session.sql).
create or replace function bridge.sum_rows(relation oid, out rows bigint, out checksum text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set xmloption = 'content'
    set row_security = off              -- a policy that hides rows is an error
    set jit = off
as $$
declare
    pinned constant text := bridge.pin_table(relation);
begin
    execute format($sql$
        select count(*),
               coalesce(sum(('x' || substr(md5(convert_to(array_to_json(r.stored)::text, 'UTF8')), 1, 15))
                            ::bit(60)::bigint), 0)::text
          from (%s) as r$sql$, bridge.cold_query(relation, pinned))
       into rows, checksum using '(0,0)'::tid;
    execute format('drop view %s', pinned);
end $$;

revoke execute on function bridge.sum_rows(oid) from public;
