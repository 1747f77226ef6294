-- Where branches left the chain, so that whoever knew a block that is gone is told from where on to forget. This is memory of
-- this index and not of the chain: a rebuild has none of it.

create table undone_blocks (
    number      BIGINT NOT NULL,
    hash        BLOB   NOT NULL,
    fork_number BIGINT NOT NULL,   -- the highest block that was kept
    fork_hash   BLOB   NOT NULL,
    PRIMARY KEY (number, hash)
);

-- Requests that retrain one.
create index requests_parent on requests (parent, position);
