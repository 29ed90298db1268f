-- True: the shard was stopped because the sequence of event numbers had been set back. Numbers were given twice since
-- then, so `bridge recover` gives new ones to all pending events (bridge.repair_numbers).
alter table bridge.shard add column renumber boolean not null default false;
alter table bridge.retired_shard add column renumber boolean not null default false;  -- the same columns
