-- Every change of these tables goes to bridge.history and bridge.activity_log.
select bridge.enable_tracking('crm.entities', activity => true);
select bridge.enable_tracking('crm.contacts', activity => true);
select bridge.enable_tracking('crm.addresses', activity => true);
select bridge.enable_tracking('crm.opportunities', activity => true);
select bridge.enable_tracking('crm.territories', activity => true);
select bridge.enable_tracking('crm.entity_touchpoints', activity => true);
select bridge.enable_tracking('crm.address_contacts', entity_event_type => 'ENTITY_LINK', activity => true);
