//! What a reader is refused, with its reason. This is the one place that decides on HTTP statuses.

use offsetdata_content::ContentError;
use offsetdata_protocol::ProtocolError;
use offsetdata_protocol::gateway_api::{LaneQuote, Refusal, code};
use offsetdata_store::StoreError;

use crate::GatewayError;
use crate::chain::CallFailure;

/// Longest detail that is sent, in characters.
const MAX_DETAIL: usize = 500;

/// A call that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    code: &'static str,
    detail: String,
    quote: Option<Box<LaneQuote>>,
    since: Option<u64>,
    retry_after: Option<u64>,
}

impl Refused {
    /// With one of [`code`].
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        let retry_after = (Self::status_of(code) == 503).then_some(1);
        Self {
            code,
            detail: detail.chars().take(MAX_DETAIL).collect(),
            quote: None,
            since: None,
            retry_after,
        }
    }

    /// One of [`code`].
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// With what the next voucher has to say.
    #[must_use]
    pub fn with_quote(mut self, quote: LaneQuote) -> Self {
        self.quote = Some(Box::new(quote));
        self
    }

    /// With the purchase that a word of use is asked for.
    #[must_use]
    pub fn with_since(mut self, since: u64) -> Self {
        self.since = Some(since);
        self
    }

    /// The same call may work after so many seconds.
    #[must_use]
    pub fn again_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        Self::status_of(self.code)
    }

    fn status_of(code: &str) -> u16 {
        match code {
            code::MALFORMED => 400,
            code::NO_SESSION | code::CHALLENGE_USED => 401,
            code::VOUCHER_REQUIRED | code::OVER_CAP | code::UNFUNDED | code::OVER_CREDIT => 402,
            code::NO_RIGHT | code::DENIED | code::NOT_PUBLISHER | code::NOT_ASSIGNED | code::NOT_TRUSTED => {
                403
            }
            code::UNKNOWN_COLLECTION | code::NOT_IN_COLLECTION | code::UNKNOWN_TRAINING | code::NOT_FOUND => {
                404
            }
            code::WRONG_METHOD => 405,
            code::TOO_SLOW => 408,
            code::REPLAYED | code::USE_REQUIRED | code::WRONG_NONCE => 409,
            code::TOO_LARGE => 413,
            code::NOT_JSON => 415,
            code::WRONG_MESSAGE
            | code::FOREIGN_SIGNATURE
            | code::WRONG_PARTY
            | code::WRONG_LANE
            | code::WRONG_AMOUNT
            | code::WRONG_RECEIPT
            | code::EXPIRED
            | code::UNKNOWN_SPENDER => 422,
            code::TOO_MANY => 429,
            code::NOT_AT_HAND | code::STALE_HEAD | code::TRY_AGAIN => 503,
            _ => 500,
        }
    }

    fn title(&self) -> &'static str {
        match self.status() {
            400 => "The call is not of the form that it should have",
            401 => "Sign in first",
            402 => "Payment is needed, or cannot be taken now",
            403 => "This account may not",
            404 => "There is no such thing",
            405 => "Not this method",
            408 => "The call took too long",
            409 => "This does not follow what was accepted before",
            413 => "Too large",
            415 => "Send JSON",
            422 => "What was signed does not hold",
            429 => "Too many calls",
            503 => "Try again",
            _ => "The gateway has an error",
        }
    }

    /// As it is sent.
    pub fn problem(&self) -> Refusal {
        Refusal {
            kind: format!("urn:offsetdata:problem:{}", self.code),
            code: self.code.to_owned(),
            title: self.title().to_owned(),
            status: self.status(),
            detail: Some(self.detail.clone()),
            quote: self.quote.as_deref().copied(),
            since: self.since,
            retry_after_seconds: self.retry_after,
        }
    }
}

impl From<GatewayError> for Refused {
    /// What is of ours is logged, not sent.
    fn from(error: GatewayError) -> Self {
        if let GatewayError::Content(error) = &error
            && error.is_retryable()
        {
            tracing::warn!(%error, "a block is not at hand");
            return Self::new(code::NOT_AT_HAND, "a block of the collection is not at hand").again_after(5);
        }
        if error.is_retryable() {
            tracing::warn!(%error, "a call could not be served now");
            return Self::new(code::TRY_AGAIN, "the gateway can't serve this now");
        }
        tracing::error!(%error, "a call failed");
        Self::new(code::FAULT, "the gateway has an error; its log says more")
    }
}

macro_rules! through_gateway_error {
    ($($error:ty),*) => { $(
        impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                GatewayError::from(error).into()
            }
        }
    )* };
}
through_gateway_error!(StoreError, ContentError, ProtocolError, CallFailure);
