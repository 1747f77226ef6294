-- The relayer's tables for checkpoints, sponsored calls and predictions. The relayer is their only writer.

-- How often a worker gave the job back: these attempts do not count as failures.
alter table relay_jobs add column released bigint not null default 0;

-- Where a sponsor said how much gas it pays: an envelope never has more.
alter table relay_transactions add column max_gas bigint;

-- The newest checkpoint of a job; its bytes lie in the relayer's directory, by digest. It stands after a commitment.
create table relay_checkpoints (
    request     blob   not null primary key,
    attempt     bigint not null,
    sequence    bigint not null,
    point_count bigint not null,
    units       bigint not null,
    digest      blob   not null,
    bytes       bigint not null,
    stored_at   bigint not null
);

-- What is paid for users, and the gas that counts for it: the limit until it is known, then what was used. The call is
-- in relay_transactions, under 'sponsor:' and the id.
create table relay_sponsored (
    id         blob   not null primary key,
    account    blob   not null,
    -- Of the forwarder; null for calls that carry the user's signature themselves.
    nonce      blob,
    gas        bigint not null,
    settled    bigint not null,
    created_at bigint not null
);
create index relay_sponsored_account on relay_sponsored (account, created_at);
create index relay_sponsored_created on relay_sponsored (created_at);
create index relay_sponsored_settled on relay_sponsored (settled, created_at);

-- Predictions. Records leave with the answer, rows after a day.
create table relay_predictions (
    id              blob   not null primary key,
    model           blob   not null,
    version         bigint not null,
    account         blob   not null,
    request         blob   not null,
    trainer         blob   not null,
    version_worker  blob   not null,
    artifact_digest blob   not null,
    artifact_cid    text   not null,
    -- A JSON list of base64 texts.
    records         text   not null,
    record_count    bigint not null,
    state           text   not null,
    worker          blob,
    lease_until     bigint,
    tries           bigint not null,
    -- label(4) and scorePpm(4), big-endian, for each record.
    predictions     blob,
    signature       blob,
    failure         text,
    valid_until     bigint not null,
    created_at      bigint not null,
    updated_at      bigint not null
);
create index relay_predictions_state on relay_predictions (state, created_at);
create index relay_predictions_account on relay_predictions (account, created_at);
create index relay_predictions_created on relay_predictions (created_at);
