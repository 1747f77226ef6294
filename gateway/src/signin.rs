//! Signing in by EIP-4361. A challenge is authenticated and not stored: nothing grows until somebody signs one. It counts
//! once, within its time. Of the token of a session only the hash is kept.

use alloy::primitives::{Address, B256, eip191_hash_message};
use aws_lc_rs::hmac;
use offsetdata_protocol::Digest;
use offsetdata_protocol::gateway_api::{Challenge, Session, SignIn, code};
use offsetdata_store::Count;
use offsetdata_store::StoreError;
use offsetdata_store::gateway::sessions::{SessionRow, find_session, insert_session};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::context::Shared;
use crate::{GatewayError, Refused, signature};

/// Seconds in which a challenge is to be answered.
const CHALLENGE_SECONDS: u64 = 300;
/// Longest sign-in message, in bytes.
const MAX_MESSAGE: usize = 2048;
/// Sessions of one account at the same time; the oldest gives way.
const MAX_SESSIONS: u32 = 16;
const RANDOM_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const TOKEN_DIGITS: usize = 64;

impl Shared {
    /// A challenge for an account.
    ///
    /// # Errors
    /// A machine without randomness.
    pub fn challenge(&self, account: Address, now: u64) -> Result<Challenge, Refused> {
        let random = alloy::hex::encode(&self.entropy()?[..RANDOM_BYTES]);
        let issued_at = rfc3339(now)?;
        let expiration_time = rfc3339(now + CHALLENGE_SECONDS)?;
        let tag = self.challenge_tag(account, &random, &issued_at, &expiration_time);
        Ok(Challenge { nonce: format!("{random}{tag}"), issued_at, expiration_time })
    }

    /// Opens a session for a message that answers a challenge of ours.
    ///
    /// # Errors
    /// `malformed`, `wrongMessage`, `challengeUsed`, `foreignSignature`.
    pub async fn sign_in(&self, sign_in: &SignIn, now: u64) -> Result<Session, Refused> {
        if sign_in.message.len() > MAX_MESSAGE {
            return Err(Refused::new(code::MALFORMED, format!("a message has at most {MAX_MESSAGE} bytes")));
        }
        let message: siwe::Message = sign_in.message.parse().map_err(|error: siwe::ParseError| {
            Refused::new(code::MALFORMED, format!("not a message of EIP-4361: {error}"))
        })?;
        let account = Address::from(message.address);
        self.is_ours(&message)?;
        self.is_of_challenge(&message, account, now)?;
        // The text itself is what was signed, not what was understood of it.
        let digest = eip191_hash_message(sign_in.message.as_bytes());
        signature::require(&self.chain, "sign-in", account, digest, &sign_in.signature).await?;
        let token = alloy::hex::encode(self.entropy()?);
        let expires_at = now + self.terms.session_seconds;
        let row = SessionRow {
            token_hash: hash(&token),
            account,
            nonce: message.nonce,
            expires_at: Count(expires_at),
            ended: false,
        };
        let mut tx = self.pool.write().await?;
        match insert_session(&mut tx, row, now, MAX_SESSIONS).await {
            Err(error) if error.is_duplicate() => {
                return Err(Refused::new(
                    code::CHALLENGE_USED,
                    "this challenge was answered before: ask for another",
                ));
            }
            other => other?,
        }
        tx.commit().await.map_err(StoreError::from)?;
        tracing::info!(%account, "session");
        Ok(Session { token, account, expires_at })
    }

    /// Whose session a bearer token is.
    ///
    /// # Errors
    /// `noSession`.
    pub async fn account_of(&self, token: &str, now: u64) -> Result<Address, Refused> {
        let none = || Refused::new(code::NO_SESSION, "this token is not one of a session that runs: sign in");
        if token.len() != TOKEN_DIGITS || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(none());
        }
        let mut conn = self.pool.acquire().await?;
        let row = find_session(&mut conn, hash(token), now).await?;
        row.map(|row| row.account).ok_or_else(none)
    }

    fn is_ours(&self, message: &siwe::Message) -> Result<(), Refused> {
        let wrong = |what: &str, expected: &str, actual: &str| {
            let detail = format!("{what}: expected {expected}, the message says {actual}");
            Err(Refused::new(code::WRONG_MESSAGE, detail))
        };
        let domain = message.domain.as_str();
        if !domain.eq_ignore_ascii_case(authority(&self.audience)) {
            return wrong("domain", authority(&self.audience), domain);
        }
        let uri = message.uri.as_str();
        if uri.trim_end_matches('/') != self.audience {
            return wrong("URI", &self.audience, uri);
        }
        if message.chain_id != self.deployment.chain_id {
            return wrong("Chain ID", &self.deployment.chain_id.to_string(), &message.chain_id.to_string());
        }
        Ok(())
    }

    fn is_of_challenge(&self, message: &siwe::Message, account: Address, now: u64) -> Result<(), Refused> {
        let used = |detail: &str| Refused::new(code::CHALLENGE_USED, detail);
        let issued_at = message.issued_at.to_string();
        let expiration_time = message.expiration_time.as_ref().map(ToString::to_string).unwrap_or_default();
        let (random, tag) = message
            .nonce
            .split_at_checked(2 * RANDOM_BYTES)
            .filter(|(_, tag)| tag.len() == 2 * TAG_BYTES)
            .ok_or_else(|| used("this nonce is not one of ours"))?;
        let expected = self.challenge_tag(account, random, &issued_at, &expiration_time);
        if aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), tag.as_bytes()).is_err() {
            return Err(used("nonce, times and account are not those of a challenge of ours"));
        }
        let at = i64::try_from(now).ok().and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
        if !at.is_some_and(|at| message.valid_at(&at)) {
            return Err(used("the time of this challenge is over"));
        }
        Ok(())
    }

    fn challenge_tag(
        &self,
        account: Address,
        random: &str,
        issued_at: &str,
        expiration_time: &str,
    ) -> String {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.sealing.reveal());
        let key = hmac::sign(&secret, b"offsetdata/challenge/1");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        let text = format!("{account}\n{random}\n{issued_at}\n{expiration_time}");
        let tag = hmac::sign(&key, text.as_bytes());
        alloy::hex::encode(&tag.as_ref()[..TAG_BYTES])
    }
}

fn hash(token: &str) -> B256 {
    Digest::of(token.as_bytes()).into()
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn rfc3339(seconds: u64) -> Result<String, GatewayError> {
    let wrong = || GatewayError::Setting { setting: "clock", reason: "is no time".into() };
    let seconds = i64::try_from(seconds).map_err(|_| wrong())?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| wrong())?;
    time.format(&Rfc3339).map_err(|_| wrong())
}
