-- The gateway's tables: sessions, what payers signed, and every key that was given out. The gateway is their only writer.
-- Ids, digests and addresses are blobs, amounts are 16-byte big-endian blobs, lanes and counts of records 8-byte ones,
-- times are unix seconds.

-- A bearer token is kept as its SHA-256 only. A challenge counts once: its nonce stays here until the time is over, also
-- where the session was ended before (`ended`).
create table gateway_sessions (
    token_hash blob   not null primary key,
    account    blob   not null,
    nonce      text   not null,
    expires_at bigint not null,
    ended      bigint not null,
    constraint gateway_sessions_nonce unique (nonce)
);
create index gateway_sessions_account on gateway_sessions (account, expires_at);
create index gateway_sessions_end on gateway_sessions (expires_at);

-- ERC-2612 permits of the settlement token to UsageBilling. The newest of an owner; whether it landed the token says.
create table gateway_permits (
    owner      blob   not null primary key,
    value      blob   not null,
    deadline   blob   not null,
    nonce      blob   not null,
    signature  blob   not null,
    stored_at  bigint not null
);

-- Authorizations of spender keys. The newest of a key; whether it landed the contract says.
create table gateway_spenders (
    payer      blob   not null,
    spender    blob   not null,
    cap        blob   not null,
    expiry     bigint not null,
    nonce      bigint not null,
    signature  blob   not null,
    stored_at  bigint not null,
    primary key (payer, spender)
);

-- Words of use, to be landed before the money of a purchase counts as earned.
create table gateway_uses (
    collection blob   not null,
    holder     blob   not null,
    since      bigint not null,
    signature  blob   not null,
    landed     bigint not null,
    due_at     bigint not null,
    tries      bigint not null,
    failure    text,
    primary key (collection, holder, since)
);
create index gateway_uses_due on gateway_uses (landed, due_at);

-- The last voucher of each lane: vouchers are cumulative, so it stands for all before it. `settled` is what the newest
-- block says was paid, `confirmed` what the block at the configured depth says.
create table gateway_lanes (
    payer        blob   not null,
    payee        blob   not null,
    collection   blob   not null,
    lane         blob   not null,
    amount       blob   not null,
    records      blob   not null,
    valid_until  bigint not null,
    from_deposit bigint not null,
    signer       blob   not null,
    signature    blob   not null,
    settled      blob   not null,
    confirmed    blob   not null,
    open         bigint not null,  -- 1 while amount is above confirmed
    due_at       bigint not null,
    tries        bigint not null,
    failure      text,
    updated_at   bigint not null,
    primary key (payer, payee, collection, lane)
);
create index gateway_lanes_due on gateway_lanes (open, due_at);
create index gateway_lanes_collection on gateway_lanes (collection, payer, payee, lane);

-- Keys that were given out. A row stands before the key is answered, with the very bytes of the answer.
create table gateway_releases (
    account       blob   not null,
    collection    blob   not null,
    chunk         bigint not null,
    reader_key    blob   not null,  -- zero: records were given instead of a key
    paid          bigint not null,  -- 1: charged for by a voucher, even where the price was 0
    payee         blob   not null,
    lane          blob   not null,
    charged       blob   not null,
    lane_amount   blob   not null,  -- what the voucher said
    key_digest    blob   not null,
    sealed_secret blob   not null,
    signature     blob   not null,
    released_at   bigint not null,
    primary key (account, collection, chunk, reader_key, paid)
);
-- One charge for a chunk.
create unique index gateway_releases_paid on gateway_releases (account, collection, chunk) where paid = 1;
