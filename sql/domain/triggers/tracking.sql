-- Every change of these tables goes to bridge.history and bridge.activity_log.
select bridge.enable_tracking('crm.entity_types', 'entity_types', activity => true);
select bridge.enable_tracking('crm.entities', 'entities', activity => true);
select bridge.enable_tracking('crm.contacts', 'contacts', activity => true);
select bridge.enable_tracking('crm.addresses', 'addresses', activity => true);
select bridge.enable_tracking('crm.opportunities', 'opportunities', activity => true);
select bridge.enable_tracking('crm.territories', 'territories', activity => true);
select bridge.enable_tracking('crm.entity_touchpoints', 'entity_touchpoints', activity => true);
select bridge.enable_tracking('crm.address_contacts', 'address_contacts', 'ENTITY_LINK', activity => true);
select bridge.enable_tracking('crm.entity_relationships', 'entity_relationships', 'ENTITY_LINK', activity => true);
