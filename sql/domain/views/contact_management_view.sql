-- Contacts with their addresses: a row for each pair, or one row for a contact without an address.
-- bridge.refresh_views() keeps it current.
drop materialized view if exists crm.contact_management_view;

create materialized view crm.contact_management_view as
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
       count(distinct t.id) as touchpoint_count,
       max(t.created_at) as last_touchpoint_date
  from crm.entities as e
  join crm.contacts as c on c.id = e.id
  left join crm.address_contacts as ac on ac.contact_id = c.id
  left join crm.addresses as a on a.id = ac.address_id
  left join crm.entity_touchpoints as t on t.entity_id = e.id
 where e.entity_type_id = (select id from crm.entity_types where display_name = 'Contact')
 group by e.id, e.status, c.id, c.first_name, c.last_name, c.email, a.id, a.street, a.city, a.state, a.postal_code;

-- REFRESH CONCURRENTLY needs it. Without NULLS NOT DISTINCT it would not promise one row for a contact without address.
create unique index contact_management_view_key on crm.contact_management_view (entity_id, address_id)
    nulls not distinct;
create index idx_contact_management_view_name on crm.contact_management_view (first_name, last_name);
create index idx_contact_management_view_email on crm.contact_management_view (email);

insert into bridge.matview_policy (matview, position) values ('crm.contact_management_view', 10)
    on conflict do nothing;
