//! Calls that the relayer pays for: signed for the forwarder, posted, waited for. A refusal of the contract comes as the
//! contract's, whether it is found here, at the relayer or in the block.

use std::time::Duration;

use alloy::primitives::aliases::U48;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use offsetdata_protocol::bindings::forwarder::ERC2771Forwarder;
use offsetdata_protocol::gateway_api::Text;
use offsetdata_protocol::messages::{ForwardRequest, forwarder_domain};
use offsetdata_protocol::relay_api::{SponsorAnswer, SponsorRequest, SponsorState};
use tokio::time::Instant;

use super::Relayer;
use crate::{Account, SdkError};

/// Seconds within which a forward request has to land, by the chain's clock.
const VALID_SECONDS: u64 = 600;
/// How long a sponsored call may take.
const LANDED_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(250);
/// A request whose nonce was taken meanwhile, by another process of the same account, is signed anew so often.
const TRIES: u32 = 5;
/// What the forwarder and a context that reads the sender behind the calldata take, in gas.
const FORWARDED: u64 = 20_000;

impl Relayer {
    /// Has a call made in the account's name: signs it for the forwarder, hands it in and waits until it is in a block.
    /// `gas` is what the call would take as the account's own transaction. Answers the transaction.
    ///
    /// # Errors
    /// The contract's refusal; a relayer that does not pay for this, or not now.
    pub async fn sponsor(
        &self,
        account: &Account,
        to: Address,
        data: Bytes,
        gas: u64,
    ) -> Result<B256, SdkError> {
        let _turn = self.turn.lock().await;
        let mut tries = 1;
        loop {
            let request = self.forward(account, to, data.clone(), gas).await?;
            match self.land(&request).await {
                Err(SdkError::RelayerRefused(problem)) if problem.code == "wrongNonce" && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(POLL * tries).await;
                }
                answer => return answer,
            }
        }
    }

    /// Has a call landed that anyone may send, as its arguments carry the user's signature.
    ///
    /// # Errors
    /// As [`Relayer::sponsor`].
    pub async fn sponsor_direct(&self, to: Address, data: Bytes) -> Result<B256, SdkError> {
        self.land(&SponsorRequest::Direct { to, data }).await
    }

    async fn forward(
        &self,
        account: &Account,
        to: Address,
        data: Bytes,
        gas: u64,
    ) -> Result<SponsorRequest, SdkError> {
        let deployment = self.chain.deployment();
        let owner = account.address();
        let nonce = self.chain.call(deployment.forwarder, &ERC2771Forwarder::noncesCall { owner }).await?;
        let deadline = self.chain.now().await?.saturating_add(VALID_SECONDS);
        let gas = gas.saturating_add(gas / 4).saturating_add(FORWARDED);
        let message = ForwardRequest {
            from: owner,
            to,
            value: U256::ZERO,
            gas: U256::from(gas),
            nonce,
            deadline: U48::saturating_from(deadline),
            data: data.clone(),
        };
        let domain = forwarder_domain(deployment.chain_id, deployment.forwarder);
        let signature = account
            .signer()
            .sign_hash_sync(&message.eip712_signing_hash(&domain))
            .map_err(|error| SdkError::Account(format!("signing: {error}")))?;
        let signature = Bytes::copy_from_slice(&signature.as_bytes());
        Ok(SponsorRequest::Forward { from: owner, to, gas, nonce: Text(nonce), deadline, data, signature })
    }

    async fn land(&self, request: &SponsorRequest) -> Result<B256, SdkError> {
        let mut answer: SponsorAnswer =
            self.wire.post("/v1/sponsor", request).await.map_err(contract_first)?;
        let id = request.id(self.chain.deployment().forwarder);
        if answer.id != id {
            return Err(self.wire.failed(format!("it names the call {}, expected {id}", answer.id)));
        }
        let until = Instant::now() + LANDED_WITHIN;
        loop {
            match (answer.state, answer.transaction) {
                (SponsorState::Included, Some(hash)) => return Ok(hash),
                (SponsorState::Failed, _) => {
                    let reason = answer.reason.unwrap_or_else(|| "the relayer does not say why".to_owned());
                    return Err(SdkError::Refused { reason });
                }
                _ if Instant::now() >= until => {
                    return Err(self.wire.failed(format!(
                        "call {id} did not land within {} s; it still may",
                        LANDED_WITHIN.as_secs()
                    )));
                }
                _ => {}
            }
            tokio::time::sleep(POLL).await;
            answer = self.wire.get(&format!("/v1/sponsor/{id}")).await?;
        }
    }
}

/// The relayer found that the contract refuses: its reason is what the caller is told.
fn contract_first(error: SdkError) -> SdkError {
    match error {
        SdkError::RelayerRefused(problem) if problem.code == "reverts" => {
            SdkError::Refused { reason: problem.detail.unwrap_or(problem.title) }
        }
        other => other,
    }
}
