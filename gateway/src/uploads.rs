//! What payers sign beside vouchers: permits, authorizations of spender keys, words of use. Checked now, landed by the
//! settlement job.

use alloy::eips::BlockId;
use alloy::primitives::aliases::{U24, U40, U96};
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{Allowance, PermitUpload, SpenderUpload, Text, UseUpload, code};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::{AccessUsed, SpenderAuthorization};
use offsetdata_store::gateway::lanes::{LaneRow, list_lanes_of};
use offsetdata_store::gateway::signed::{
    PermitRow, SpenderRow, UseRow, find_permit, find_spender, put_permit, put_spender, put_use,
};
use offsetdata_store::{Conn, Count, StoreError};

use crate::context::Shared;
use crate::rights::READ;
use crate::voucher::uint40;
use crate::{Refused, signature};

/// EIP-2612.
const PERMIT_TYPE: &str =
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";

impl Shared {
    /// What UsageBilling may take from an account, and what is promised of it.
    ///
    /// # Errors
    /// A database or node that does not answer.
    pub async fn allowance(&self, account: Address, now: u64) -> Result<Allowance, Refused> {
        let allowed = self.allowance_at(account, now, BlockId::latest()).await?;
        let mut conn = self.pool.acquire().await?;
        let open = open_of_allowance(&mut conn, account).await?;
        Ok(Allowance { allowed: Text(allowed), open: Text(open) })
    }

    /// Keeps a permit of the settlement token to UsageBilling.
    ///
    /// # Errors
    /// `wrongNonce`, `expired`, `foreignSignature`; `unfunded` where it takes the place of one that covers what is open,
    /// and does not.
    pub async fn keep_permit(&self, owner: Address, permit: &PermitUpload, now: u64) -> Result<(), Refused> {
        let (value, deadline, nonce) = (permit.value.0, permit.deadline.0, permit.nonce.0);
        let least = U256::from(now + self.terms.voucher_seconds);
        if deadline < least {
            let detail = format!("the permit's deadline is {deadline}, expected at least {least}");
            return Err(Refused::new(code::EXPIRED, detail));
        }
        let fields = (keccak256(PERMIT_TYPE), owner, self.deployment.usage_billing, value, nonce, deadline)
            .abi_encode();
        let parts = [&[0x19, 0x01], self.token_domain.as_slice(), &keccak256(fields).0].concat();
        let digest = keccak256(parts);
        // Permits are by keys only: the token asks no contract.
        match signature::recover(digest, &permit.signature) {
            Ok(signer) if signer == owner => {}
            found => {
                let found = found.map_or_else(|reason| reason, |other| format!("it is of {other}"));
                let detail = format!("permit: expected a signature of {owner}, {found}");
                return Err(Refused::new(code::FOREIGN_SIGNATURE, detail));
            }
        }
        let expected = self.chain.read_now(self.deployment.token, &DevToken::noncesCall { owner }).await?;
        if nonce != expected {
            let detail = format!("the permit's nonce is {nonce}, the token's next one is {expected}");
            return Err(Refused::new(code::WRONG_NONCE, detail));
        }
        let signature = permit.signature.clone();
        let mut tx = self.pool.write().await?;
        let before = find_permit(&mut tx, owner).await?;
        if before.is_some_and(|before| before.nonce == nonce && before.value > value) {
            let open = open_of_allowance(&mut tx, owner).await?;
            if value < U256::from(open) {
                let detail = format!("{open} are promised and not paid, the permit is for {value}");
                return Err(Refused::new(code::UNFUNDED, detail));
            }
        }
        put_permit(&mut tx, PermitRow { owner, value, deadline, nonce, signature, stored_at: Count(now) })
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Keeps the authorization of a spender key. One that landed already is no error.
    ///
    /// # Errors
    /// `wrongNonce`, `expired`, `foreignSignature`.
    pub async fn keep_spender(
        &self,
        payer: Address,
        upload: &SpenderUpload,
        now: u64,
    ) -> Result<(), Refused> {
        let least = now + self.terms.voucher_seconds;
        if upload.expiry < least {
            let detail = format!("the authorization ends at {}, expected at least {least}", upload.expiry);
            return Err(Refused::new(code::EXPIRED, detail));
        }
        let message = authorization(payer, upload)?;
        let digest = message.eip712_signing_hash(&self.billing_domain());
        signature::require(&self.chain, "authorization", payer, digest, &upload.signature).await?;
        let call = UsageBilling::spenderOfCall { payer, spender: upload.spender };
        let state = self.chain.read_now(self.deployment.usage_billing, &call).await?;
        let next = state.nonce.to::<u32>();
        let landed = upload.nonce + 1 == next && state.expiry == message.expiry && state.cap == message.cap;
        if upload.nonce != next && !landed {
            let detail =
                format!("the authorization's nonce is {}, the contract's next one is {next}", upload.nonce);
            return Err(Refused::new(code::WRONG_NONCE, detail));
        }
        let row = SpenderRow {
            payer,
            spender: upload.spender,
            cap: upload.cap.0,
            expiry: Count(upload.expiry),
            nonce: upload.nonce,
            signature: upload.signature.clone(),
            stored_at: Count(now),
        };
        let mut tx = self.pool.write().await?;
        let same = find_spender(&mut tx, payer, upload.spender)
            .await?
            .is_some_and(|kept| kept.nonce == row.nonce && kept.cap >= row.cap);
        // A second authorization with the same nonce may not shrink what open vouchers count on.
        if !same {
            put_spender(&mut tx, row).await?;
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Keeps the word that a purchase was used.
    ///
    /// # Errors
    /// `foreignSignature`, `noRight` where there is no such purchase.
    pub async fn keep_use(
        &self,
        holder: Address,
        collection: CollectionId,
        upload: &UseUpload,
        now: u64,
    ) -> Result<(), Refused> {
        let message = AccessUsed {
            collection: collection.0,
            right: READ,
            holder,
            since: uint40("since", upload.since)?,
        };
        let digest = message.eip712_signing_hash(&self.access_domain());
        signature::require(&self.chain, "word of use", holder, digest, &upload.signature).await?;
        let call = AccessToken::accessOfCall { collection: collection.0, right: READ, holder };
        let access = self.chain.read_now(self.deployment.access_token, &call).await?;
        if access.since != U40::from(upload.since) || access.since.is_zero() {
            let detail = format!("{holder} has no purchase of {}", upload.since);
            return Err(Refused::new(code::NO_RIGHT, detail));
        }
        let row = UseRow {
            collection,
            holder,
            since: Count(upload.since),
            signature: upload.signature.clone(),
            landed: access.refundUntil.is_zero(),
            due_at: Count(now),
            tries: 0,
            failure: None,
        };
        let mut tx = self.pool.write().await?;
        put_use(&mut tx, row).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.wanted.notify_one();
        Ok(())
    }

    /// The token's EIP-712 domain separator (ERC-2612 has every such token tell it).
    pub(crate) async fn read_token_domain(
        chain: &crate::chain::Chain,
        token: Address,
    ) -> Result<B256, crate::chain::CallFailure> {
        chain.read_now(token, &DevToken::DOMAIN_SEPARATORCall {}).await
    }
}

/// Promised and not paid by an account, without what its deposits pay.
async fn open_of_allowance(conn: &mut Conn, account: Address) -> Result<u128, StoreError> {
    let lanes = list_lanes_of(conn, account).await?;
    let open = lanes.iter().filter(|row| !row.from_deposit).map(LaneRow::unsettled);
    Ok(open.fold(0, u128::saturating_add))
}

fn authorization(payer: Address, upload: &SpenderUpload) -> Result<SpenderAuthorization, Refused> {
    let refused =
        |what: &str| Refused::new(code::MALFORMED, format!("{what} is larger than the contract keeps"));
    Ok(SpenderAuthorization {
        payer,
        spender: upload.spender,
        cap: U96::try_from(upload.cap.0).map_err(|_| refused("cap"))?,
        expiry: uint40("expiry", upload.expiry)?,
        nonce: U24::try_from(upload.nonce).map_err(|_| refused("nonce"))?,
    })
}
