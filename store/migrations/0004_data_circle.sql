-- What the chain said of access and of money for use, and what documents say that events name by their digest.
-- The rules are those of 0001: one event is one row, never changed; what stands now is a view.

-- ------------------------------------------------------------------ AccessToken

create table access_events (
    position INTEGER NOT NULL PRIMARY KEY,
    kind         BIGINT NOT NULL,  -- 0 GRANTED, 1 BOUGHT, 2 USE_LANDED, 3 RELEASED, 4 REFUNDED, 5 REVOKED
    collection   BLOB   NOT NULL,
    access_right BIGINT NOT NULL,  -- 0 READ, 1 TRAIN
    holder       BLOB   NOT NULL,
    since        BIGINT NOT NULL,  -- 0 where the event does not say, or the right is gone
    expiry       BIGINT NOT NULL,  -- 0 where the event does not say, or the right is gone
    refund_until BIGINT NOT NULL,  -- of a purchase whose money is held back; else 0
    payee        BLOB   NOT NULL,  -- of a purchase or release; else zero
    amount       BLOB   NOT NULL,  -- price, or what was released or returned
    moved        BIGINT NOT NULL   -- 1 where the amount is not 0
);
create index access_events_collection on access_events (collection, position);
create index access_events_holder on access_events (holder, position);
create index access_events_right on access_events (collection, access_right, holder, position);
create index access_events_payee on access_events (payee, position);

create table access_denials (
    position INTEGER NOT NULL PRIMARY KEY,
    collection BLOB   NOT NULL,
    account    BLOB   NOT NULL,
    denied     BIGINT NOT NULL
);
create index access_denials_collection on access_denials (collection, account, position);
create index access_denials_account on access_denials (account, position);

create table trainers (
    position INTEGER NOT NULL PRIMARY KEY,
    collection     BLOB   NOT NULL,
    worker         BLOB   NOT NULL,
    trainer_digest BLOB   NOT NULL,  -- zero: any
    trusted        BIGINT NOT NULL
);
create index trainers_collection on trainers (collection, worker, trainer_digest, position);

create table change_credits (
    position INTEGER NOT NULL PRIMARY KEY,
    buyer  BLOB NOT NULL,
    amount BLOB NOT NULL
);
create index change_credits_buyer on change_credits (buyer, position);

-- ------------------------------------------------------------------ what contracts owe

create table withdrawals (
    position INTEGER NOT NULL PRIMARY KEY,
    contract   BIGINT NOT NULL,    -- 0 AccessToken, 1 UsageBilling, 2 TrainingCoordinator
    account    BLOB   NOT NULL,
    to_account BLOB   NOT NULL,
    amount     BLOB   NOT NULL
);
create index withdrawals_account on withdrawals (account, position);

-- ------------------------------------------------------------------ UsageBilling

-- Sums of amounts and records have to be exact, and no database sums bytes: each is kept a second time in parts of
-- 32 bits, of which 2^31 can be summed in 64 bits.
create table voucher_settlements (
    position INTEGER NOT NULL PRIMARY KEY,
    payer      BLOB   NOT NULL,
    payee      BLOB   NOT NULL,
    collection BLOB   NOT NULL,
    lane       BLOB   NOT NULL,    -- 64 bits, big-endian
    signer     BLOB   NOT NULL,
    records    BLOB   NOT NULL,    -- 64 bits, big-endian: of the lane so far, as the voucher says
    paid       BLOB   NOT NULL,    -- now
    records_0  BIGINT NOT NULL,
    records_1  BIGINT NOT NULL,
    paid_0     BIGINT NOT NULL,
    paid_1     BIGINT NOT NULL,
    paid_2     BIGINT NOT NULL,
    paid_3     BIGINT NOT NULL
);
create index voucher_settlements_collection on voucher_settlements (collection, position);
create index voucher_settlements_payer on voucher_settlements (payer, position);
create index voucher_settlements_payee on voucher_settlements (payee, position);
create index voucher_settlements_signer on voucher_settlements (payer, signer, position);

create table voucher_skips (
    position INTEGER NOT NULL PRIMARY KEY,
    payer      BLOB NOT NULL,
    payee      BLOB NOT NULL,
    collection BLOB NOT NULL,
    lane       BLOB NOT NULL,
    amount     BLOB NOT NULL,
    reason     BLOB NOT NULL       -- selector of the error
);
create index voucher_skips_payer on voucher_skips (payer, position);
create index voucher_skips_payee on voucher_skips (payee, position);
create index voucher_skips_collection on voucher_skips (collection, position);

create table spender_events (
    position INTEGER NOT NULL PRIMARY KEY,
    payer   BLOB   NOT NULL,
    spender BLOB   NOT NULL,
    revoked BIGINT NOT NULL,       -- 1: revoked, cap and expiry are zero
    cap     BLOB   NOT NULL,
    expiry  BIGINT NOT NULL,
    nonce   BIGINT NOT NULL
);
create index spender_events_payer on spender_events (payer, spender, position);

create table deposit_events (
    position INTEGER NOT NULL PRIMARY KEY,
    kind     BIGINT NOT NULL,      -- 0 DEPOSITED, 1 THAWING, 2 WITHDRAWN
    payer    BLOB   NOT NULL,
    payee    BLOB   NOT NULL,
    amount   BLOB   NOT NULL,
    balance  BLOB,                 -- after it, where the event says
    thaws_at BIGINT NOT NULL       -- 0 where nothing thaws
);
create index deposit_events_payer on deposit_events (payer, payee, position);
create index deposit_events_payee on deposit_events (payee, position);

create table revenue_collections (
    position INTEGER NOT NULL PRIMARY KEY,
    collection BLOB   NOT NULL,
    payee      BLOB   NOT NULL,
    amount     BLOB   NOT NULL,
    shared     BIGINT NOT NULL     -- 1: went into the contributors' pool
);
create index revenue_collections_collection on revenue_collections (collection, position);
create index revenue_collections_payee on revenue_collections (payee, position);

create table share_claims (
    position INTEGER NOT NULL PRIMARY KEY,
    collection BLOB   NOT NULL,
    account    BLOB   NOT NULL,
    parts      BIGINT NOT NULL,    -- of 1,000,000,000
    amount     BLOB   NOT NULL
);
create index share_claims_collection on share_claims (collection, position);
create index share_claims_account on share_claims (account, position);

-- ------------------------------------------------------------------ documents: manifests and metadata, by digest

create table document_fetches (
    position INTEGER NOT NULL PRIMARY KEY,  -- of the event that names it
    kind        BIGINT NOT NULL,   -- 0 manifest (dag-cbor), 1 metadata (raw, JSON)
    subject     BLOB   NOT NULL,   -- collection, base, project or model
    digest      BLOB   NOT NULL,
    status      BIGINT NOT NULL,   -- 0 waiting, 1 stored, 2 unavailable (asked again from time to time), 3 invalid
    tries       BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    reason      TEXT               -- why it is unavailable or invalid
);
create index document_fetches_next on document_fetches (status, next_try_at);
create index document_fetches_subject on document_fetches (subject, position);

create table descriptions (
    position INTEGER NOT NULL PRIMARY KEY,  -- of the event that names the document
    kind        BIGINT NOT NULL,   -- as in document_fetches
    subject     BLOB   NOT NULL,
    name        TEXT,
    description TEXT,
    licence     TEXT
);
create index descriptions_subject on descriptions (subject, kind, position);

create table manifests (
    position INTEGER NOT NULL PRIMARY KEY,  -- of the registration
    collection     BLOB   NOT NULL,
    series         BLOB   NOT NULL,
    public         BIGINT NOT NULL,  -- 1: the key stands in the manifest
    licence        TEXT   NOT NULL,
    chunk_count    BIGINT NOT NULL,
    quality_report BLOB              -- SHA-256, where there is one
);
create index manifests_collection on manifests (collection);
create index manifests_licence on manifests (licence, position);

create table manifest_fields (
    position    BIGINT NOT NULL,
    field       BIGINT NOT NULL,   -- place in the manifest, from 0
    collection  BLOB   NOT NULL,
    name        TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    optional    BIGINT NOT NULL,
    media_type  TEXT,
    description TEXT,
    PRIMARY KEY (position, field)
);
create index manifest_fields_collection on manifest_fields (collection, field);

-- An index of words that every database has: a word or its beginning is a range of the index.
create table description_terms (
    position BIGINT NOT NULL,
    term     TEXT   NOT NULL,      -- lower case
    subject  BLOB   NOT NULL,
    PRIMARY KEY (position, term)
);
create index description_terms_term on description_terms (term, subject, position);

-- ------------------------------------------------------------------ what stands now

-- One row for each (collection, right, holder) that ever appeared. `position` is that of its first event, so that a page
-- goes on where it ended whatever happens later.
create view access_states as
select f.position, f.collection, f.access_right, f.holder,
       coalesce((select e.since from access_events e
                 where e.collection = f.collection and e.access_right = f.access_right and e.holder = f.holder
                   and e.kind in (0, 1, 4, 5) order by e.position desc limit 1), 0) as since,
       coalesce((select e.expiry from access_events e
                 where e.collection = f.collection and e.access_right = f.access_right and e.holder = f.holder
                   and e.kind in (0, 1, 4, 5) order by e.position desc limit 1), 0) as expiry,
       coalesce((select e.refund_until from access_events e
                 where e.collection = f.collection and e.access_right = f.access_right and e.holder = f.holder
                   and e.kind in (1, 3, 4, 5) order by e.position desc limit 1), 0) as refund_until,
       coalesce((select d.denied from access_denials d
                 where d.collection = f.collection and d.account = f.holder order by d.position desc limit 1), 0)
           as denied
from access_events f
where not exists (select 1 from access_events n
                  where n.collection = f.collection and n.access_right = f.access_right and n.holder = f.holder
                    and n.position < f.position);

create view access_denial_states as
select d.* from access_denials d
where d.denied = 1
  and not exists (select 1 from access_denials n
                  where n.collection = d.collection and n.account = d.account and n.position > d.position);

create view trainer_states as
select t.* from trainers t
where t.trusted = 1
  and not exists (select 1 from trainers n
                  where n.collection = t.collection and n.worker = t.worker and n.trainer_digest = t.trainer_digest
                    and n.position > t.position);

-- What a key may still spend counts from its present authorization.
create view spender_states as
select s.*,
       cast(coalesce((select sum(v.paid_0) from voucher_settlements v
                 where v.payer = s.payer and v.signer = s.spender and v.position > s.position), 0) as bigint) as paid_0,
       cast(coalesce((select sum(v.paid_1) from voucher_settlements v
                 where v.payer = s.payer and v.signer = s.spender and v.position > s.position), 0) as bigint) as paid_1,
       cast(coalesce((select sum(v.paid_2) from voucher_settlements v
                 where v.payer = s.payer and v.signer = s.spender and v.position > s.position), 0) as bigint) as paid_2,
       cast(coalesce((select sum(v.paid_3) from voucher_settlements v
                 where v.payer = s.payer and v.signer = s.spender and v.position > s.position), 0) as bigint) as paid_3
from spender_events s
where not exists (select 1 from spender_events n
                  where n.payer = s.payer and n.spender = s.spender and n.position > s.position);

-- Who paid whom for which collection, a view for each reason: each has an index in the order of a list, which their union
-- would not. A refund gives the payer back what it had paid to this payee.
create view voucher_payments as
select v.position as position, 0 as kind, v.payer as payer, v.payee as payee, v.collection as collection,
       null as request, v.paid as amount
from voucher_settlements v;

create view purchase_payments as
select e.position as position, 1 as kind, e.holder as payer, e.payee as payee, e.collection as collection,
       null as request, e.amount as amount
from access_events e where e.kind = 1 and e.moved = 1;

create view refund_payments as
select e.position as position, 2 as kind, e.holder as payer, b.payee as payee, e.collection as collection,
       null as request, e.amount as amount
from access_events e
join access_events b on b.collection = e.collection and b.access_right = e.access_right and b.holder = e.holder
where e.kind in (4, 5) and e.moved = 1 and b.kind = 1 and b.position < e.position
  and not exists (select 1 from access_events n
                  where n.collection = e.collection and n.access_right = e.access_right and n.holder = e.holder
                    and n.kind = 1 and n.position > b.position and n.position < e.position);

create view training_payments as
select p.position as position, 3 as kind, r.user_account as payer, p.payee as payee, i.collection as collection,
       p.request as request, p.amount as amount
from data_payments p
join requests r on r.id = p.request
join request_inputs i on i.request = p.request and i.input = p.input;

-- What AccessToken and UsageBilling came to owe.
create view purchase_credits as
select e.position as position, 0 as contract, 0 as kind, e.payee as account, e.collection as collection,
       e.amount as amount
from access_events e where e.kind = 1 and e.refund_until = 0 and e.moved = 1;

create view release_credits as
select e.position as position, 0 as contract, 1 as kind, e.payee as account, e.collection as collection,
       e.amount as amount
from access_events e where e.kind = 3;

create view refund_credits as
select e.position as position, 0 as contract, 2 as kind, e.holder as account, e.collection as collection,
       e.amount as amount
from access_events e where e.kind in (4, 5) and e.moved = 1;

create view buyer_credits as
select c.position as position, 0 as contract, 3 as kind, c.buyer as account, null as collection, c.amount as amount
from change_credits c;

create view deposit_credits as
select d.position as position, 1 as contract, 4 as kind, d.payer as account, null as collection, d.amount as amount
from deposit_events d where d.kind = 2;

create view revenue_credits as
select r.position as position, 1 as contract, 5 as kind, r.payee as account, r.collection as collection,
       r.amount as amount
from revenue_collections r where r.shared = 0;

create view share_credits as
select s.position as position, 1 as contract, 6 as kind, s.account as account, s.collection as collection,
       s.amount as amount
from share_claims s;
