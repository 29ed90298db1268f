-- Contacts with their addresses: a row for each pair, or one row for a contact without an address.
-- The keeper keeps it current.
--
-- Nothing is grouped by what it shows, and no join is by a column that may be null: a hash join would have all contacts
-- without an address in one batch, which cannot be split.
select bridge.create_matview('crm.contact_management_view', $$
select e.id as entity_id,
       e.status as entity_status,
       c.id as contact_id,
       c.first_name,
       c.last_name,
       c.email,
       a.id as address_id,
       a.street,
       a.city,
       a.state,
       a.postal_code,
       coalesce(t.touchpoint_count, 0) as touchpoint_count,
       t.last_touchpoint_date
  from crm.entities as e
  join crm.contacts as c on c.id = e.id
  left join crm.address_contacts as ac
    join crm.addresses as a on a.id = ac.address_id
    on ac.contact_id = c.id
  left join (select p.entity_id, count(*) as touchpoint_count, max(p.created_at) as last_touchpoint_date
               from crm.entity_touchpoints as p
              group by p.entity_id) as t on t.entity_id = e.id
 where e.entity_type_id = (select id from crm.entity_types where display_name = 'Contact')
$$);

-- REFRESH CONCURRENTLY needs it. Without NULLS NOT DISTINCT it would not promise one row for a contact without address.
create unique index if not exists contact_management_view_key on crm.contact_management_view (entity_id, address_id)
    nulls not distinct;
create index if not exists idx_contact_management_view_name on crm.contact_management_view (first_name, last_name);
create index if not exists idx_contact_management_view_email on crm.contact_management_view (email);
-- Searches without regard to case. By email, whole or how it begins: lower(email) = '...', lower(email) like '...%'.
create index if not exists idx_contact_management_view_email_any_case on crm.contact_management_view
    (lower(email) text_pattern_ops);
-- By how a name begins: lower(last_name) like '...%', with lower(first_name) or without.
create index if not exists idx_contact_management_view_last_name on crm.contact_management_view
    (lower(last_name) text_pattern_ops, lower(first_name) text_pattern_ops);
create index if not exists idx_contact_management_view_first_name on crm.contact_management_view
    (lower(first_name) text_pattern_ops);
-- By words of a name in any order, each whole or how it begins:
-- to_tsvector('simple', first_name || ' ' || last_name) @@ to_tsquery('simple', 'ada & love:*').
create index if not exists idx_contact_management_view_words on crm.contact_management_view
    using gin (to_tsvector('simple', first_name || ' ' || last_name));

insert into bridge.matview_policy (matview, position, skip_unchanged) values ('crm.contact_management_view', 10, true)
    on conflict do nothing;
