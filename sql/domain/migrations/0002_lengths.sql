-- What the views are searched by has a length, because an index holds only so much: with a longer name, the view that
-- shows it could not be refreshed any more.
alter table crm.contacts
    add constraint first_name_has_a_length check (length(first_name) <= 200),
    add constraint last_name_has_a_length check (length(last_name) <= 200),
    add constraint email_has_a_length check (length(email) <= 320);
alter table crm.opportunities
    add constraint name_has_a_length check (length(name) <= 500);
alter table crm.territories
    add constraint name_has_a_length check (length(name) <= 500),
    add constraint region_has_a_length check (length(region) <= 200);
