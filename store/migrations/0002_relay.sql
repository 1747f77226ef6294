-- The relayer's tables: sessions, jobs, signed work and transactions. The relayer is their only writer.
-- Ids, digests and addresses are blobs, fees are 16-byte big-endian blobs, times are unix seconds.

-- A bearer token is kept as its SHA-256 only. The newest hello of a worker ends older ones.
create table relay_sessions (
    token_hash blob not null primary key,
    worker     blob not null,
    trainers   blob not null,
    issued_at  bigint not null,
    expires_at bigint not null
);
create index relay_sessions_worker on relay_sessions (worker, issued_at);

-- Our work for a request. The terms are copied: a job outlives a reorg of its request.
create table relay_jobs (
    request         blob   not null primary key,
    state           text   not null,
    model           blob   not null,
    trainer         blob   not null,
    escrow          blob   not null,
    details         blob   not null,
    inputs          blob   not null,
    hyperparameters text,
    attempt         bigint not null,
    worker          blob,
    lease_until     bigint,
    progress_ppm    bigint not null,
    -- After the last accepted commitment, over all attempts.
    sequence        bigint not null,
    head            blob   not null,
    -- Within the attempt.
    point_count     bigint not null,
    units           bigint not null,
    reason          text,
    created_at      bigint not null,
    updated_at      bigint not null
);
create index relay_jobs_state on relay_jobs (state, created_at);
create index relay_jobs_worker on relay_jobs (worker);

-- One try by one worker, with the scheduler's word on it.
create table relay_attempts (
    request      blob   not null,
    attempt      bigint not null,
    worker       blob   not null,
    resume_point bigint not null,
    valid_until  bigint not null,
    signature    blob   not null,
    started_at   bigint not null,
    ended_at     bigint,
    outcome      text,
    primary key (request, attempt)
);

-- Commitments that were accepted from workers.
create table relay_commitments (
    request       blob   not null,
    sequence      bigint not null,
    attempt       bigint not null,
    previous_head blob   not null,
    head          blob   not null,
    points_digest blob   not null,
    point_count   bigint not null,
    units         bigint not null,
    last_values   blob   not null,
    signature     blob   not null,
    accepted_at   bigint not null,
    primary key (request, sequence)
);

-- Artifacts that the relayer keeps in its own directory, by digest.
create table relay_artifacts (
    request   blob   not null,
    attempt   bigint not null,
    digest    blob   not null,
    cid       text   not null,
    bytes     bigint not null,
    stored_at bigint not null,
    primary key (request, attempt)
);

-- The signed result, abi.encode(Settlement).
create table relay_settlements (
    request     blob   not null primary key,
    attempt     bigint not null,
    settlement  blob   not null,
    signature   blob   not null,
    accepted_at bigint not null
);

-- Who may use a signer's nonces: one holder, and each new one raises the epoch.
create table relay_signers (
    signer      blob   not null primary key,
    holder      text   not null,
    epoch       bigint not null,
    lease_until bigint not null,
    next_nonce  bigint not null
);

-- What is to stand on the chain. Transactions of one request land in the order of their ids.
create table relay_transactions (
    id           bigint not null primary key,
    dedupe       text   not null,
    signer       blob   not null,
    kind         text   not null,
    request      blob,
    target       blob   not null,
    calldata     blob   not null,
    expires_at   bigint not null,
    state        text   not null,
    reason       text,
    reverts      bigint not null,
    nonce        bigint,
    hash         blob,
    block_number bigint,
    block_hash   blob,
    gas_used     bigint,
    created_at   bigint not null,
    updated_at   bigint not null,
    constraint relay_transactions_dedupe unique (dedupe)
);
create index relay_transactions_state on relay_transactions (signer, state, id);
create index relay_transactions_request on relay_transactions (request, id);
create index relay_transactions_block on relay_transactions (signer, block_number);

-- Signed forms of a transaction, written before they are sent. Replacements share the nonce.
create table relay_envelopes (
    hash           blob   not null primary key,
    transaction_id bigint not null references relay_transactions (id),
    nonce          bigint not null,
    raw            blob   not null,
    max_fee        blob   not null,
    priority_fee   blob   not null,
    gas_limit      bigint not null,
    signed_at      bigint not null,
    signed_block   bigint not null,
    sent_block     bigint
);
create index relay_envelopes_transaction on relay_envelopes (transaction_id);
