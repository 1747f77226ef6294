//! Signing in at a gateway (EIP-4361). It keeps no token.

use alloy::primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};

/// An account wants to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeRequest {
    /// The account.
    pub account: Address,
}

/// What goes into the sign-in message. Valid once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// `Nonce`.
    pub nonce: String,
    /// `Issued At`, RFC 3339.
    pub issued_at: String,
    /// `Expiration Time`, RFC 3339.
    pub expiration_time: String,
}

impl Challenge {
    /// The EIP-4361 message that the account signs (EIP-191). `audience` is the URL that the client itself calls:
    /// a challenge passed on by somebody else then yields a message that is no use to them.
    ///
    /// # Errors
    /// [`crate::ProtocolError::Invalid`] for an audience without scheme and host, or a challenge with other than
    /// letters, digits and the marks of times in it.
    pub fn message(
        &self,
        audience: &str,
        account: Address,
        chain_id: u64,
    ) -> Result<String, crate::ProtocolError> {
        let invalid =
            |what| crate::ProtocolError::Invalid { what, reason: "not of the form expected".into() };
        let authority = audience
            .split_once("://")
            .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
            .filter(|host| !host.is_empty() && !audience.contains(char::is_whitespace))
            .ok_or_else(|| invalid("audience"))?;
        let plain = |text: &str, marks: &str| {
            (8..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
        };
        if !plain(&self.nonce, "") || !plain(&self.issued_at, "-:.+") || !plain(&self.expiration_time, "-:.+")
        {
            return Err(invalid("challenge"));
        }
        Ok(format!(
            "{authority} wants you to sign in with your Ethereum account:\n{account}\n\n\
             Sign in to an Offsetdata gateway.\n\n\
             URI: {audience}\nVersion: 1\nChain ID: {chain_id}\nNonce: {}\nIssued At: {}\nExpiration Time: {}",
            self.nonce, self.issued_at, self.expiration_time
        ))
    }
}

/// The signed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignIn {
    /// The EIP-4361 message.
    pub message: String,
    /// Signature over it (EIP-191; ERC-1271 for contracts).
    pub signature: Bytes,
}

/// A session of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Bearer token.
    pub token: String,
    /// Whose it is.
    pub account: Address,
    /// Unix seconds.
    pub expires_at: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
