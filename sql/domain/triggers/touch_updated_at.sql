-- updated_at of every changed row; rows that an UPDATE leaves as they were keep theirs.
create or replace trigger touch_updated_at before update on crm.entities
    for each row when (old.* is distinct from new.*) execute function crm.touch_updated_at();
create or replace trigger touch_updated_at before update on crm.contacts
    for each row when (old.* is distinct from new.*) execute function crm.touch_updated_at();
create or replace trigger touch_updated_at before update on crm.addresses
    for each row when (old.* is distinct from new.*) execute function crm.touch_updated_at();
create or replace trigger touch_updated_at before update on crm.opportunities
    for each row when (old.* is distinct from new.*) execute function crm.touch_updated_at();
create or replace trigger touch_updated_at before update on crm.territories
    for each row when (old.* is distinct from new.*) execute function crm.touch_updated_at();
