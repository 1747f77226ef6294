-- What workers read for trainings: the trainings that were opened here, every key given for one, and the last receipt
-- of each input, which stands for all before it. The gateway is the only writer.

-- An attempt of a request: its terms, and the scheduler's word on who works on it.
create table gateway_trainings (
    request      blob   not null,
    attempt      bigint not null,
    worker       blob   not null,
    requested_by blob   not null,
    escrow       blob   not null,  -- abi.encode(EscrowTerms)
    details      blob   not null,  -- abi.encode(RequestDetails)
    inputs       blob   not null,  -- abi.encode(DataInput[])
    resume_point bigint not null,
    valid_until  bigint not null,
    signature    blob   not null,
    opened_at    bigint not null,
    primary key (request, attempt)
);

-- `settled` and `confirmed` are records paid of the input, over all attempts, by the newest block and by the one at the
-- configured depth. `frontier` is what the root of the next receipt grows from.
create table gateway_receipts (
    request      blob   not null,
    attempt      bigint not null,
    input        bigint not null,
    collection   blob   not null,
    worker       blob   not null,
    payee        blob   not null,
    price        blob   not null,
    next_index   bigint not null,  -- no record below it is missing from the receipt
    records      bigint not null,
    records_root blob   not null,
    frontier     blob   not null,
    signature    blob   not null,
    settled      bigint not null,
    confirmed    bigint not null,
    open         bigint not null,  -- 1 while it may have something to land
    due_at       bigint not null,
    tries        bigint not null,
    failure      text,
    updated_at   bigint not null,
    primary key (request, attempt, input)
);
create index gateway_receipts_due on gateway_receipts (open, due_at);
create index gateway_receipts_collection on gateway_receipts (collection, request);

-- Keys given for trainings. A row stands before the key is answered, with the very bytes of the answer.
create table gateway_training_keys (
    request       blob   not null,
    attempt       bigint not null,
    input         bigint not null,
    chunk         bigint not null,
    reader_key    blob   not null,
    account       blob   not null,
    collection    blob   not null,
    records       bigint not null,  -- of the receipt that came for it
    records_root  blob   not null,
    charged       blob   not null,
    key_digest    blob   not null,
    sealed_secret blob   not null,
    signature     blob   not null,
    released_at   bigint not null,
    primary key (request, attempt, input, chunk, reader_key)
);
