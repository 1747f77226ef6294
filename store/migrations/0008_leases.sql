-- Who writes: the tables of chain, relay and gateway have one writer each, whichever of its instances has the lease. The epoch
-- rises with each new holder, so that one who slept through the end of its lease can't write any more.

create table chain_leases (
    name        text   not null primary key,
    holder      text   not null,
    epoch       bigint not null,
    lease_until bigint not null
);

create table relay_leases (
    name        text   not null primary key,
    holder      text   not null,
    epoch       bigint not null,
    lease_until bigint not null
);

create table gateway_leases (
    name        text   not null primary key,
    holder      text   not null,
    epoch       bigint not null,
    lease_until bigint not null
);
