//! By what an account may read, at the head and at the depth that counts: a grant that a reorg takes away never counted.
//! It charges nothing.

use alloy::eips::BlockId;
use alloy::primitives::Address;
use offsetdata_protocol::bindings::access::AccessToken::{self, Access, Offer};
use offsetdata_protocol::gateway_api::{Basis, code};
use offsetdata_protocol::ids::CollectionId;

use crate::Refused;
use crate::catalog::Served;
use crate::chain::CallFailure;
use crate::context::Shared;

/// READ, as the contract counts rights.
pub const READ: u8 = 0;

/// What an account may, and on which terms.
#[derive(Debug, Clone)]
pub struct Right {
    /// By what.
    pub basis: Basis,
    /// The READ offer at the head, all zero where there is none.
    pub offer: Offer,
    /// What it holds at the head.
    pub access: Access,
}

impl Shared {
    /// By what the account may read this chunk.
    ///
    /// # Errors
    /// `denied`, `noRight`, `staleHead`.
    pub async fn right_of(
        &self,
        served: &Served,
        ordinal: u32,
        account: Address,
        now: u64,
    ) -> Result<Right, Refused> {
        let id = served.state.id;
        let head = self.fresh_head(now).await?;
        let at_head = self.look(id, account, head.hash.into());
        let Some(depth) = head.number.checked_sub(self.terms.confirmations.into()) else {
            return Err(Refused::new(code::NO_RIGHT, "the chain is shorter than the depth that counts"));
        };
        let at_depth = self.look(id, account, BlockId::number(depth));
        let (now_held, held) = futures::try_join!(at_head, at_depth)?;
        let now_held = now_held
            .ok_or_else(|| Refused::new(code::TRY_AGAIN, "the newest block changed while it was read"))?;
        let right = |basis| Right { basis, offer: now_held.offer.clone(), access: now_held.access.clone() };
        if served.is_open(ordinal) {
            return Ok(right(Basis::Open));
        }
        if served.is_publisher(account) {
            return Ok(right(Basis::Publisher));
        }
        if now_held.access.denied {
            return Err(Refused::new(code::DENIED, format!("the publisher denied {account}")));
        }
        let Some(held) = held.filter(|held| now_held.may_read && held.may_read) else {
            let detail = if now_held.may_read {
                format!("{account} holds READ only since less than {} blocks", self.terms.confirmations)
            } else {
                format!("{account} holds no READ right, and no metered offer admits it")
            };
            return Err(Refused::new(code::NO_RIGHT, detail));
        };
        // A token counts where it is held in both blocks; otherwise what both have is the metered offer.
        if now_held.has_token(head.timestamp) && held.has_token(head.timestamp) {
            return Ok(right(Basis::Token));
        }
        if !now_held.offer.metered {
            let detail =
                format!("{account} holds READ only since less than {} blocks", self.terms.confirmations);
            return Err(Refused::new(code::NO_RIGHT, detail));
        }
        Ok(right(Basis::Metered))
    }

    /// The READ offer at the head.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn offer_of(&self, id: CollectionId) -> Result<Offer, Refused> {
        let call = AccessToken::offerOfCall { collection: id.0, right: READ };
        Ok(self.chain.read_now(self.deployment.access_token, &call).await?)
    }

    async fn look(&self, id: CollectionId, account: Address, at: BlockId) -> Result<Option<Held>, Refused> {
        let token = self.deployment.access_token;
        let has = AccessToken::hasAccessCall { collection: id.0, account, right: READ };
        let access = AccessToken::accessOfCall { collection: id.0, right: READ, holder: account };
        let offer = AccessToken::offerOfCall { collection: id.0, right: READ };
        let all = futures::try_join!(
            self.chain.read(token, &has, at),
            self.chain.read(token, &access, at),
            self.chain.read(token, &offer, at)
        );
        match all {
            Ok((may_read, access, offer)) => Ok(Some(Held { may_read, access, offer })),
            // A block below the deployment: nobody held anything.
            Err(CallFailure::Reverted(_)) => Ok(None),
            Err(CallFailure::Failed(error)) => Err(error.into()),
        }
    }
}

/// What an account holds in one block.
struct Held {
    may_read: bool,
    access: Access,
    offer: Offer,
}

impl Held {
    fn has_token(&self, time: u64) -> bool {
        !self.access.denied && self.access.expiry.to::<u64>() > time
    }
}
