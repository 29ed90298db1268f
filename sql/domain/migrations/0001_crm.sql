-- The reference application: contacts, addresses, opportunities and territories. Each is an entity, and has its own
-- table whose id is the entity's id.

create schema if not exists crm;

comment on schema crm is 'The reference application of bridge';

create table crm.entity_types (
    id           uuid        primary key default gen_random_uuid(),
    display_name text        not null,
    table_name   name        not null,   -- where the type's own columns are
    event_prefix text        not null,   -- its events are <prefix>.created, .updated, .deleted
    created_at   timestamptz not null default clock_timestamp(),
    constraint display_name_is_unique unique (display_name),
    constraint table_name_is_unique unique (table_name),
    constraint table_is_known check (table_name in ('contacts', 'addresses', 'opportunities', 'territories'))
);

-- Fixed ids, so that they are the same in every database.
insert into crm.entity_types (id, display_name, table_name, event_prefix) values
    ('c0000000-0000-4000-8000-000000000001', 'Contact',     'contacts',      'contact'),
    ('c0000000-0000-4000-8000-000000000002', 'Address',     'addresses',     'address'),
    ('c0000000-0000-4000-8000-000000000003', 'Opportunity', 'opportunities', 'opportunity'),
    ('c0000000-0000-4000-8000-000000000004', 'Territory',   'territories',   'territory');

create table crm.entities (
    id             uuid        primary key default gen_random_uuid(),
    entity_type_id uuid        not null,
    status         text        not null default 'ACTIVE',
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    constraint entity_type_exists foreign key (entity_type_id) references crm.entity_types,
    constraint status_is_known check (status in ('ACTIVE', 'INACTIVE', 'ARCHIVED'))
);

create index entities_entity_type_id_idx on crm.entities (entity_type_id);

create table crm.contacts (
    id         uuid        primary key,
    first_name text        not null,
    last_name  text        not null,
    email      text,
    phone      text,
    company    text,
    job_title  text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint contact_is_an_entity foreign key (id) references crm.entities on delete cascade,
    constraint email_has_an_at check (email ~ '^[^@\s]+@[^@\s]+$')
);

create table crm.addresses (
    id          uuid        primary key,
    street      text        not null,
    city        text        not null,
    state       text,
    postal_code text,
    country     text        not null default 'US',
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp(),
    constraint address_is_an_entity foreign key (id) references crm.entities on delete cascade,
    constraint country_is_two_letters check (country ~ '^[A-Z]{2}$')
);

create table crm.opportunities (
    id          uuid          primary key,
    name        text          not null,
    stage       text          not null default 'PROSPECTING',
    amount      numeric(14,2),
    currency    text          not null default 'USD',
    probability integer,                      -- in per cent
    close_date  date,                         -- when it is expected to be won
    created_at  timestamptz   not null default clock_timestamp(),
    updated_at  timestamptz   not null default clock_timestamp(),
    constraint opportunity_is_an_entity foreign key (id) references crm.entities on delete cascade,
    constraint stage_is_known check (
        stage in ('PROSPECTING', 'QUALIFICATION', 'PROPOSAL', 'NEGOTIATION', 'WON', 'LOST')),
    constraint close_date_is_in_our_calendar check (close_date between '1900-01-01' and '9999-12-31'),
    constraint amount_is_not_negative check (amount >= 0),
    constraint currency_is_three_letters check (currency ~ '^[A-Z]{3}$'),
    constraint probability_is_a_percentage check (probability between 0 and 100)
);

create table crm.territories (
    id          uuid        primary key,
    name        text        not null,
    region      text,
    country     text        not null default 'US',
    description text,
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp(),
    constraint territory_is_an_entity foreign key (id) references crm.entities on delete cascade,
    constraint country_is_two_letters check (country ~ '^[A-Z]{2}$')
);

-- Links between a contact and an address; all other links are in crm.entity_relationships.
create table crm.address_contacts (
    address_id        uuid        not null,
    contact_id        uuid        not null,
    relationship_type varchar(50) not null default 'RESIDENCE',
    created_at        timestamptz not null default clock_timestamp(),
    primary key (address_id, contact_id),
    constraint address_exists foreign key (address_id) references crm.addresses on delete cascade,
    constraint contact_exists foreign key (contact_id) references crm.contacts on delete cascade,
    constraint relationship_type_is_given check (relationship_type <> '')
);

create index address_contacts_contact_id_idx on crm.address_contacts (contact_id);

create table crm.entity_relationships (
    id                uuid        primary key default gen_random_uuid(),
    entity1_id        uuid        not null,
    entity2_id        uuid        not null,
    relationship_type varchar(50) not null,
    created_at        timestamptz not null default clock_timestamp(),
    constraint entity1_exists foreign key (entity1_id) references crm.entities on delete cascade,
    constraint entity2_exists foreign key (entity2_id) references crm.entities on delete cascade,
    constraint link_is_unique unique (entity1_id, entity2_id, relationship_type),
    constraint link_has_two_ends check (entity1_id <> entity2_id),
    constraint relationship_type_is_given check (relationship_type <> '')
);

create index entity_relationships_entity2_id_idx on crm.entity_relationships (entity2_id);

-- Every contact that somebody had with an entity: a call, a mail, a visit.
create table crm.entity_touchpoints (
    id          uuid        primary key default gen_random_uuid(),
    entity_id   uuid        not null,
    channel     text        not null,
    direction   text        not null default 'OUTBOUND',
    summary     text,
    created_at  timestamptz not null default clock_timestamp(),
    constraint entity_exists foreign key (entity_id) references crm.entities on delete cascade,
    constraint channel_is_known check (channel in ('EMAIL', 'CALL', 'MEETING', 'VISIT', 'MESSAGE')),
    constraint direction_is_known check (direction in ('INBOUND', 'OUTBOUND'))
);

create index entity_touchpoints_entity_id_idx on crm.entity_touchpoints (entity_id, created_at);
