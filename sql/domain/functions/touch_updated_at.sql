-- touch_updated_at: trigger function; sets updated_at of a changed row. Its triggers skip rows that stay as they are.
--
-- Writes:     the row
-- Errors:     none
create or replace function crm.touch_updated_at() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end $$;
