-- Territories, and what is linked to them: contacts, addresses, and opportunities with what those still open are worth
-- (in US dollars; other currencies are not added up).
-- The keeper keeps it current.
select bridge.create_matview('crm.territory_management_view', $$
select e.id as entity_id,
       e.status as entity_status,
       t.id as territory_id,
       t.name,
       t.region,
       t.country,
       count(c.id) as contact_count,
       count(a.id) as address_count,
       count(o.id) as opportunity_count,
       coalesce(sum(o.amount) filter (where o.stage not in ('WON', 'LOST') and o.currency = 'USD'), 0)
           as open_amount_usd,
       (select count(*) from crm.entity_touchpoints as p where p.entity_id = e.id) as touchpoint_count,
       (select max(p.created_at) from crm.entity_touchpoints as p where p.entity_id = e.id) as last_touchpoint_date
  from crm.entities as e
  join crm.territories as t on t.id = e.id
  left join (select entity1_id as territory_id, entity2_id as member_id from crm.entity_relationships
             union
             select entity2_id, entity1_id from crm.entity_relationships) as link on link.territory_id = t.id
  left join crm.contacts as c on c.id = link.member_id
  left join crm.addresses as a on a.id = link.member_id
  left join crm.opportunities as o on o.id = link.member_id
 where e.entity_type_id = (select id from crm.entity_types where display_name = 'Territory')
 group by e.id, t.id
$$);

create unique index if not exists territory_management_view_key on crm.territory_management_view (entity_id);
create index if not exists idx_territory_management_view_name on crm.territory_management_view (name);
create index if not exists idx_territory_management_view_name_any_case on crm.territory_management_view
    (lower(name) text_pattern_ops);
create index if not exists idx_territory_management_view_region on crm.territory_management_view (country, region);

insert into bridge.matview_policy (matview, position, skip_unchanged) values ('crm.territory_management_view', 30, true)
    on conflict do nothing;
