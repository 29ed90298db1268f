-- Opportunities with the contacts linked to them: a row for each pair, or one row for an opportunity without a contact.
-- The keeper keeps it current.
select bridge.create_matview('crm.sales_opportunity_view', $$
select e.id as entity_id,
       e.status as entity_status,
       o.id as opportunity_id,
       o.name,
       o.stage,
       o.amount,
       o.currency,
       o.probability,
       round(o.amount * o.probability / 100, 2) as weighted_amount,
       o.close_date,
       c.id as contact_id,
       c.first_name as contact_first_name,
       c.last_name as contact_last_name,
       c.email as contact_email,
       count(distinct t.id) as touchpoint_count,
       max(t.created_at) as last_touchpoint_date
  from crm.entities as e
  join crm.opportunities as o on o.id = e.id
  left join (select entity1_id as opportunity_id, entity2_id as contact_id from crm.entity_relationships
             union
             select entity2_id, entity1_id from crm.entity_relationships) as link
    join crm.contacts as c on c.id = link.contact_id
    on link.opportunity_id = o.id
  left join crm.entity_touchpoints as t on t.entity_id = e.id
 where e.entity_type_id = (select id from crm.entity_types where display_name = 'Opportunity')
 group by e.id, o.id, c.id
$$);

create unique index if not exists sales_opportunity_view_key on crm.sales_opportunity_view (entity_id, contact_id)
    nulls not distinct;
create index if not exists idx_sales_opportunity_view_name on crm.sales_opportunity_view (name);
create index if not exists idx_sales_opportunity_view_stage on crm.sales_opportunity_view (stage, close_date);

insert into bridge.matview_policy (matview, position, skip_unchanged) values ('crm.sales_opportunity_view', 20, true)
    on conflict do nothing;
