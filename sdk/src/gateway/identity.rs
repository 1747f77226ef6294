//! A reader's key for one session, what is asked with it, and whether an answer holds: signed by the gateway, for what was
//! asked, with the secret that the manifest's page names.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::aliases::U40;
use alloy::primitives::{B256, Signature};
use alloy::sol_types::SolStruct;
use offsetdata_content::Collection;
use offsetdata_protocol::ChunkSecret;
use offsetdata_protocol::gateway_api::{KeyAnswer, ReaderKeyUpload, SignedRelease};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::{ReaderKey, gateway_domain};
use offsetdata_protocol::seal::{ChunkPlace, SealingSecret};
use serde::Serialize;

use super::{SignedIn, sign};
use crate::recovery::fill_random;
use crate::{Chain, SdkError};

/// So many times a call that may work later is made again, with the pause that the gateway names.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who asks for chunk secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) session: SignedIn,
    /// What secrets are sealed to.
    pub(super) key: ReaderKeyUpload,
    secret: Arc<SealingSecret>,
}

impl Identity {
    /// A fresh reader key, signed by the session's account for this gateway.
    pub(super) async fn new(chain: &Chain, session: &SignedIn, valid_until: u64) -> Result<Self, SdkError> {
        let deployment = chain.deployment();
        let secret = SealingSecret::from_bytes(random()?);
        let public_key = secret.public_key()?;
        let message = ReaderKey {
            account: session.account.address(),
            publicKey: B256::new(public_key.0),
            audience: session.gateway.info.audience.clone(),
            validUntil: U40::saturating_from(valid_until),
        };
        let domain = gateway_domain(deployment.chain_id, deployment.access_token);
        let signature = sign(&session.account, message.eip712_signing_hash(&domain)).await?;
        let key = ReaderKeyUpload { public_key, valid_until, signature };
        Ok(Self { session: session.clone(), key, secret: Arc::new(secret) })
    }

    /// Asks, and asks again what may be answered later: the same call is charged once.
    pub(super) async fn ask(&self, path: &str, request: &impl Serialize) -> Result<KeyAnswer, SdkError> {
        let wire = &self.session.gateway.wire;
        again(|| wire.post(path, Some(&self.session.token), request)).await
    }

    /// Holds an answer against the gateway's signer and the page, and opens it.
    pub(super) fn open(
        &self,
        right: u8,
        collection: CollectionId,
        content: &Collection,
        ordinal: u32,
        answer: &KeyAnswer,
    ) -> Result<ChunkSecret, SdkError> {
        let (info, wire) = (&self.session.gateway.info, &self.session.gateway.wire);
        let entry = content.entry(ordinal)?;
        let account = self.session.account.address();
        let release: &SignedRelease = &answer.release;
        let said = (release.gateway, release.account, release.collection, release.right, release.chunk);
        let expected = (info.signer, account, collection.0, right, ordinal);
        if said != expected || release.key_digest != entry.key_digest {
            return Err(wire.failed("its release is for something else".into()));
        }
        let digest = release.message().eip712_signing_hash(&gateway_domain(info.chain_id, info.access_token));
        let signer = Signature::try_from(release.signature.as_ref())
            .ok()
            .and_then(|signature| signature.recover_address_from_prehash(&digest).ok());
        if signer != Some(info.signer) {
            return Err(wire.failed("its release is not signed by it".into()));
        }
        let place = ChunkPlace { chain_id: info.chain_id, collection, ordinal, account };
        let secret = place.open(&answer.sealed_secret, &self.secret)?;
        // A wrong secret with a signed release is evidence against the gateway.
        secret.verify(&entry.key_digest)?;
        Ok(secret)
    }
}

/// Makes a call again that may work later.
pub(super) async fn again<T, F: Future<Output = Result<T, SdkError>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, SdkError> {
    let mut tries = 0;
    loop {
        let answer = call().await;
        let pause = match &answer {
            Err(SdkError::GatewayRefused(refusal)) => {
                refusal.retry_after_seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE))
            }
            Err(SdkError::Gateway { .. }) => Some(PAUSE),
            _ => None,
        };
        let Some(pause) = pause.filter(|_| tries < TRIES) else { return answer };
        tries += 1;
        tracing::debug!(tries, "asking again");
        tokio::time::sleep(pause).await;
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SdkError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
