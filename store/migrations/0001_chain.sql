-- What the chain said. Only the indexer writes here.
--
-- Every event is one row, never changed: what stands now follows from the rows (the views at the end), and a reorg
-- is undone by deleting the rows of the blocks that are gone. `position` is block number * 2^20 + log index.
-- Names are those of the contracts; `user` is a reserved word and became `user_account`.

create table blocks (
    number      INTEGER NOT NULL PRIMARY KEY,
    hash        BLOB   NOT NULL,
    timestamp   BIGINT NOT NULL,
    eventful    BIGINT NOT NULL    -- 1 where a row of it is kept; others leave once they are too deep for a reorg
);

create table chain_cursor (
    id           BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    chain_id     BIGINT NOT NULL,
    genesis      BLOB   NOT NULL,
    coordinator  BLOB   NOT NULL,
    start_block  BIGINT NOT NULL,
    number       BIGINT NOT NULL,  -- last indexed block
    hash         BLOB   NOT NULL,
    timestamp    BIGINT NOT NULL,
    chain_head   BIGINT NOT NULL,  -- last known block of the chain
    safe         BIGINT NOT NULL,
    finalized    BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- ------------------------------------------------------------------ of everything that has metadata and an end

create table metadata_revisions (
    position INTEGER NOT NULL PRIMARY KEY,
    subject         BLOB   NOT NULL,   -- collection, base, project or model
    metadata_digest BLOB   NOT NULL,
    metadata_uri    TEXT   NOT NULL
);
create index metadata_revisions_subject on metadata_revisions (subject, position);

create table retirements (
    position BIGINT NOT NULL PRIMARY KEY,
    subject  BLOB   NOT NULL           -- collection or base that was retired, model that was deleted
);
create index retirements_subject on retirements (subject);

-- ------------------------------------------------------------------ CollectionRegistry

create table collections (
    position INTEGER NOT NULL PRIMARY KEY,
    id              BLOB   NOT NULL,
    registrant      BLOB   NOT NULL,
    previous        BLOB   NOT NULL,
    content_root    BLOB   NOT NULL,
    record_count    BIGINT NOT NULL,
    manifest_digest BLOB   NOT NULL,
    policy_digest   BLOB   NOT NULL,
    shares_root     BLOB   NOT NULL,
    salt            BLOB   NOT NULL
);
create unique index collections_id on collections (id);
create index collections_registrant on collections (registrant, position);
create index collections_previous on collections (previous, position);

create table collection_appends (
    position INTEGER NOT NULL PRIMARY KEY,
    collection     BLOB   NOT NULL,
    previous       BLOB   NOT NULL,
    previous_count BIGINT NOT NULL
);
create index collection_appends_collection on collection_appends (collection);

create table collection_keys (
    position INTEGER NOT NULL PRIMARY KEY,
    collection  BLOB   NOT NULL,
    gateway_key BLOB   NOT NULL,
    sealed_key  BLOB   NOT NULL
);
create index collection_keys_collection on collection_keys (collection, gateway_key, position);

create table collection_flags (
    position INTEGER NOT NULL PRIMARY KEY,
    collection    BLOB   NOT NULL,
    curator       BLOB   NOT NULL,
    flags_root    BLOB   NOT NULL,
    flag_count    BIGINT NOT NULL,
    reason_digest BLOB   NOT NULL
);
create index collection_flags_collection on collection_flags (collection, position);

create table publisher_transfers (
    position INTEGER NOT NULL PRIMARY KEY,
    collection   BLOB   NOT NULL,
    from_account BLOB   NOT NULL,
    to_account   BLOB   NOT NULL,
    accepted     BIGINT NOT NULL       -- 0 named, 1 accepted
);
create index publisher_transfers_collection on publisher_transfers (collection, accepted, position);

-- ------------------------------------------------------------------ AccessToken

create table offers (
    position INTEGER NOT NULL PRIMARY KEY,
    collection       BLOB   NOT NULL,
    access_right     BIGINT NOT NULL,  -- 0 READ, 1 TRAIN
    cleared          BIGINT NOT NULL,  -- 1: withdrawn, the rest is zero
    price            BLOB   NOT NULL,
    price_per_record BLOB   NOT NULL,
    payee            BLOB   NOT NULL,
    duration         BIGINT NOT NULL,
    refund_window    BIGINT NOT NULL,
    timed            BIGINT NOT NULL,
    metered          BIGINT NOT NULL,
    policy           BLOB   NOT NULL
);
create index offers_collection on offers (collection, access_right, position);

-- ------------------------------------------------------------------ ModelRegistry

create table bases (
    position INTEGER NOT NULL PRIMARY KEY,
    id              BLOB   NOT NULL,
    developer       BLOB   NOT NULL,
    metadata_digest BLOB   NOT NULL,
    metadata_uri    TEXT   NOT NULL,
    salt            BLOB   NOT NULL
);
create unique index bases_id on bases (id);
create index bases_developer on bases (developer, position);

create table methods (
    position INTEGER NOT NULL PRIMARY KEY,
    base                 BLOB   NOT NULL,
    method               BLOB   NOT NULL,
    withdrawn            BIGINT NOT NULL,  -- 1: withdrawn, the rest is zero
    name                 TEXT   NOT NULL,
    unit_price           BLOB   NOT NULL,
    max_units_per_second BLOB   NOT NULL,
    holdback_bps         BIGINT NOT NULL,
    intake               BIGINT NOT NULL,
    scheduler            BLOB   NOT NULL,
    trainer_digest       BLOB   NOT NULL,
    schema_digest        BLOB   NOT NULL
);
create index methods_base on methods (base, method, position);

create table workers (
    position BIGINT NOT NULL PRIMARY KEY,
    base     BLOB   NOT NULL,
    worker   BLOB   NOT NULL,
    allowed  BIGINT NOT NULL
);
create index workers_base on workers (base, worker, position);

create table projects (
    position INTEGER NOT NULL PRIMARY KEY,
    id              BLOB   NOT NULL,
    owner           BLOB   NOT NULL,
    metadata_digest BLOB   NOT NULL,
    metadata_uri    TEXT   NOT NULL,
    salt            BLOB   NOT NULL
);
create unique index projects_id on projects (id);
create index projects_owner on projects (owner, position);

create table models (
    position INTEGER NOT NULL PRIMARY KEY,
    id              BLOB   NOT NULL,
    base            BLOB   NOT NULL,
    project         BLOB   NOT NULL,
    first_owner     BLOB   NOT NULL,
    visibility      BIGINT NOT NULL,  -- 0 RESTRICTED, 1 PUBLIC, when it was made
    metadata_digest BLOB   NOT NULL,
    metadata_uri    TEXT   NOT NULL,
    salt            BLOB   NOT NULL
);
create unique index models_id on models (id);
create index models_base on models (base, position);
create index models_project on models (project, position);

create table model_transfers (
    position INTEGER NOT NULL PRIMARY KEY,
    model        BLOB   NOT NULL,
    from_account BLOB   NOT NULL,
    to_account   BLOB   NOT NULL
);
create index model_transfers_model on model_transfers (model, position);

create table model_visibilities (
    position INTEGER NOT NULL PRIMARY KEY,
    model      BLOB   NOT NULL,
    visibility BIGINT NOT NULL
);
create index model_visibilities_model on model_visibilities (model, position);

create table model_accesses (
    position BIGINT NOT NULL PRIMARY KEY,
    model    BLOB   NOT NULL,
    account  BLOB   NOT NULL,
    allowed  BIGINT NOT NULL,
    denied   BIGINT NOT NULL
);
create index model_accesses_model on model_accesses (model, account, position);

-- ------------------------------------------------------------------ TrainingCoordinator

create table requests (
    position INTEGER NOT NULL PRIMARY KEY,
    id                    BLOB   NOT NULL,
    model                 BLOB   NOT NULL,
    method                BLOB   NOT NULL,
    user_account          BLOB   NOT NULL,
    developer             BLOB   NOT NULL,
    scheduler             BLOB   NOT NULL,
    parent                BLOB   NOT NULL,
    hyperparameters_digest BLOB  NOT NULL,
    trainer_digest        BLOB   NOT NULL,
    unit_limit            BIGINT NOT NULL,
    opened_at             BIGINT NOT NULL,
    start_deadline        BIGINT NOT NULL,
    deadline              BIGINT NOT NULL,
    grace_period          BIGINT NOT NULL,
    escrow                BLOB   NOT NULL,  -- abi.encode(EscrowTerms)
    details               BLOB   NOT NULL,  -- abi.encode(RequestDetails)
    inputs                BLOB   NOT NULL   -- abi.encode(DataInput[])
);
create unique index requests_id on requests (id);
create index requests_scheduler on requests (scheduler, position);
create index requests_model on requests (model, position);
create index requests_user_account on requests (user_account, position);

create table request_inputs (
    position         BIGINT NOT NULL,
    input            BIGINT NOT NULL,  -- place in the request, from 0
    request          BLOB   NOT NULL,
    collection       BLOB   NOT NULL,
    selection        BIGINT NOT NULL,  -- 0 ALL, 1 RANGE, 2 BITMAP, 3 DIRECT
    selection_root   BLOB   NOT NULL,
    first            BIGINT NOT NULL,
    count            BIGINT NOT NULL,
    record_cap       BIGINT NOT NULL,
    price_per_record BLOB   NOT NULL,
    payee            BLOB   NOT NULL,
    PRIMARY KEY (position, input)
);
create index request_inputs_request on request_inputs (request, input);
create index request_inputs_collection on request_inputs (collection, position);

create table attempts (
    position INTEGER NOT NULL PRIMARY KEY,
    request      BLOB   NOT NULL,
    worker       BLOB   NOT NULL,
    attempt      BIGINT NOT NULL,
    resume_point BIGINT NOT NULL,
    valid_until  BIGINT NOT NULL
);
create unique index attempts_request on attempts (request, attempt);

create table commitments (
    position INTEGER NOT NULL PRIMARY KEY,
    request       BLOB   NOT NULL,
    sequence      BIGINT NOT NULL,
    point_count   BIGINT NOT NULL,
    units         BIGINT NOT NULL,
    points_digest BLOB   NOT NULL,
    last_values   BLOB   NOT NULL,
    relayer       BLOB   NOT NULL
);
create unique index commitments_request on commitments (request, sequence);

create table data_payments (
    position INTEGER NOT NULL PRIMARY KEY,
    request      BLOB   NOT NULL,
    payee        BLOB   NOT NULL,
    worker       BLOB   NOT NULL,
    input        BIGINT NOT NULL,
    records      BIGINT NOT NULL,
    records_root BLOB   NOT NULL,
    amount       BLOB   NOT NULL
);
create index data_payments_request on data_payments (request, position);
create index data_payments_payee on data_payments (payee, position);

create table unit_collections (
    position  BIGINT NOT NULL PRIMARY KEY,
    request   BLOB   NOT NULL,
    developer BLOB   NOT NULL,
    units     BIGINT NOT NULL,
    amount    BLOB   NOT NULL
);
create index unit_collections_request on unit_collections (request, position);

create table cancellations (
    position INTEGER NOT NULL PRIMARY KEY,
    request       BLOB   NOT NULL,
    grace_ends_at BIGINT NOT NULL
);
create unique index cancellations_request on cancellations (request);

create table versions (
    position INTEGER NOT NULL PRIMARY KEY,
    model           BLOB   NOT NULL,
    request         BLOB   NOT NULL,
    version         BIGINT NOT NULL,
    worker          BLOB   NOT NULL,
    attempt         BIGINT NOT NULL,
    sequence        BIGINT NOT NULL,
    point_count     BIGINT NOT NULL,
    units           BIGINT NOT NULL,
    artifact_digest BLOB   NOT NULL,
    artifact_cid    BLOB   NOT NULL,
    series_root     BLOB   NOT NULL,
    inputs_root     BLOB   NOT NULL,
    result_values   BLOB   NOT NULL
);
create unique index versions_model on versions (model, version);
create index versions_request on versions (request);

create table closings (
    position INTEGER NOT NULL PRIMARY KEY,
    request        BLOB   NOT NULL,
    status         BIGINT NOT NULL,
    units          BIGINT NOT NULL,
    developer_paid BLOB   NOT NULL,
    relay_paid     BLOB   NOT NULL,
    refunded       BLOB   NOT NULL,
    reason_digest  BLOB   NOT NULL
);
create unique index closings_request on closings (request);

create table data_releases (
    position INTEGER NOT NULL PRIMARY KEY,
    request      BLOB   NOT NULL,
    user_account BLOB   NOT NULL,
    amount       BLOB   NOT NULL
);
create index data_releases_request on data_releases (request);

-- ------------------------------------------------------------------ metric points: blocks that commitments name

create table points_fetches (
    position INTEGER NOT NULL PRIMARY KEY,  -- of the commitment
    request     BLOB   NOT NULL,
    status      BIGINT NOT NULL,  -- 0 waiting, 1 stored, 2 unavailable (asked again from time to time), 3 invalid
    tries       BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL
);
create index points_fetches_next on points_fetches (status, next_try_at);

create table metric_points (
    position BIGINT NOT NULL,  -- of the commitment
    sequence BIGINT NOT NULL,  -- of the point in its series
    request  BLOB   NOT NULL,
    attempt  BIGINT NOT NULL,
    step     BLOB   NOT NULL,  -- 64 bits, big-endian
    key      TEXT   NOT NULL,
    value    BIGINT NOT NULL,  -- times 1,000,000; codes as in docs/protocol.md
    PRIMARY KEY (position, sequence)
);
create index metric_points_request on metric_points (request, position, sequence);
create index metric_points_key on metric_points (request, key, position, sequence);

-- ------------------------------------------------------------------ what stands now

-- A commitment says neither worker nor attempt: they are those of the last assignment before it.
create view landed_commitments as
select c.*,
       (select a.worker from attempts a where a.request = c.request and a.position < c.position
        order by a.attempt desc limit 1) as worker,
       (select a.attempt from attempts a where a.request = c.request and a.position < c.position
        order by a.attempt desc limit 1) as attempt
from commitments c;

create view collection_states as
select c.*,
       coalesce((select t.to_account from publisher_transfers t
                 where t.collection = c.id and t.accepted = 1 order by t.position desc limit 1),
                c.registrant) as publisher,
       (select count(*) from retirements r where r.subject = c.id) as retired,
       (select r.metadata_digest from metadata_revisions r
        where r.subject = c.id order by r.position desc limit 1) as metadata_digest,
       (select r.metadata_uri from metadata_revisions r
        where r.subject = c.id order by r.position desc limit 1) as metadata_uri,
       (select count(*) from collection_appends a where a.collection = c.id) as append_proofs
from collections c;

create view offer_states as
select o.* from offers o
where o.cleared = 0
  and not exists (select 1 from offers n where n.collection = o.collection and n.access_right = o.access_right
                  and n.position > o.position);

create view base_states as
select b.position, b.id, b.developer,
       coalesce((select r.metadata_digest from metadata_revisions r
                 where r.subject = b.id order by r.position desc limit 1), b.metadata_digest) as metadata_digest,
       coalesce((select r.metadata_uri from metadata_revisions r
                 where r.subject = b.id order by r.position desc limit 1), b.metadata_uri) as metadata_uri,
       (select count(*) from retirements r where r.subject = b.id) as retired
from bases b;

create view method_states as
select m.* from methods m
where m.withdrawn = 0
  and not exists (select 1 from methods n where n.base = m.base and n.method = m.method and n.position > m.position);

create view worker_states as
select w.* from workers w
where w.allowed = 1
  and not exists (select 1 from workers n where n.base = w.base and n.worker = w.worker and n.position > w.position);

create view project_states as
select p.position, p.id, p.owner,
       coalesce((select r.metadata_digest from metadata_revisions r
                 where r.subject = p.id order by r.position desc limit 1), p.metadata_digest) as metadata_digest,
       coalesce((select r.metadata_uri from metadata_revisions r
                 where r.subject = p.id order by r.position desc limit 1), p.metadata_uri) as metadata_uri
from projects p;

create view model_states as
select m.position, m.id, m.base, m.project,
       coalesce((select t.to_account from model_transfers t
                 where t.model = m.id order by t.position desc limit 1), m.first_owner) as owner,
       coalesce((select v.visibility from model_visibilities v
                 where v.model = m.id order by v.position desc limit 1), m.visibility) as visibility,
       coalesce((select r.metadata_digest from metadata_revisions r
                 where r.subject = m.id order by r.position desc limit 1), m.metadata_digest) as metadata_digest,
       coalesce((select r.metadata_uri from metadata_revisions r
                 where r.subject = m.id order by r.position desc limit 1), m.metadata_uri) as metadata_uri,
       (select count(*) from retirements r where r.subject = m.id) as deleted
from models m;

create view model_access_states as
select a.* from model_accesses a
where not exists (select 1 from model_accesses n
                  where n.model = a.model and n.account = a.account and n.position > a.position);

create view request_states as
select r.*,
       coalesce((select c.status from closings c where c.request = r.id),
                (select 2 from cancellations c where c.request = r.id),
                1) as status,
       (select c.grace_ends_at from cancellations c where c.request = r.id) as grace_ends_at,
       coalesce((select max(a.attempt) from attempts a where a.request = r.id), 0) as attempt,
       (select a.worker from attempts a where a.request = r.id order by a.attempt desc limit 1) as worker,
       coalesce((select max(c.sequence) from commitments c where c.request = r.id), 0) as sequence,
       coalesce((select c.point_count from commitments c
                 where c.request = r.id order by c.sequence desc limit 1), 0) as point_count,
       coalesce((select c.units from closings c where c.request = r.id),
                (select max(c.units) from commitments c where c.request = r.id),
                0) as units,
       b.number as block_number,
       b.hash as block_hash,
       b.timestamp as block_timestamp
from requests r join blocks b on b.number = r.position / 1048576;
