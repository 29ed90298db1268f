-- Fails while a relay is at work that is too old for what is to be applied.
do $$ begin
    if exists (
        select from bridge.relay
         where seen_until >= pg_catalog.clock_timestamp()
           and migration < (select max(oldest_program) from bridge.schema_migration)) then
        raise exception 'relays of an older version are still at work' using hint = 'Run this again when they have ended';
    end if;
end $$
