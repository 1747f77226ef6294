-- Several commitments in one transaction, and several signers that share one queue.

-- The transaction (commitBatch) that carries this one now: it has no nonce and no envelope of its own then.
alter table relay_transactions add column carrier bigint;
-- Only the signer that was named may send it. What is not pinned waits under the signer 0 until one takes it.
alter table relay_transactions add column pinned bigint not null default 0;
create index relay_transactions_carrier on relay_transactions (carrier);
create index relay_envelopes_nonce on relay_envelopes (nonce);
