//! Parameters of calls, read strictly: what is not known or not of its form is refused with its name.

use alloy::primitives::{Address, B256};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use offsetdata_store::chain::Position;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::api::page::{DEFAULT_PAGE, MAX_PAGE};
use crate::api::scalars::{Account, Bytes32};

/// Query parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

/// The id or address in a path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

/// Where a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// With what happened last.
    #[default]
    Newest,
    /// With what happened first.
    Oldest,
}

/// Parameters of a list.
pub(crate) trait Paged {
    /// Rows of a page, the row to go on from, and whether the newest come first.
    fn paging(&self) -> Result<(u32, Option<Position>, bool), Problem>;
}

/// The parameters of a list in their order: `first`, `after`, `order`.
pub(crate) fn checked(
    first: Option<u32>,
    after: Option<&str>,
    order: Order,
) -> Result<(u32, Option<Position>, bool), Problem> {
    let first = first.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&first) {
        return Err(Problem::malformed(format!("first: expected 1 to {MAX_PAGE}, got {first}")));
    }
    let after = match after {
        None => None,
        Some(text) => {
            let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits);
            let number = number.ok_or_else(|| Problem::malformed("after: not a cursor of this list"))?;
            Some(Position::from_number(number))
        }
    };
    Ok((first, after, order == Order::Newest))
}

/// Says that a struct has `first`, `after` and `order`.
macro_rules! paged {
    ($($name:ident),*) => { $(
        impl $crate::api::rest::params::Paged for $name {
            fn paging(
                &self,
            ) -> Result<
                (u32, Option<offsetdata_store::chain::Position>, bool),
                $crate::api::rest::problem::Problem,
            > {
                $crate::api::rest::params::checked(self.first, self.after.as_deref(), self.order)
            }
        }
    )* };
}
pub(crate) use paged;

macro_rules! hex_in_parameters {
    ($($name:ident: $bytes:literal, $make:expr;)*) => { $(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let expected =
                    || serde::de::Error::custom(format!("expected 0x and {} hexadecimal digits", 2 * $bytes));
                let digits =
                    text.strip_prefix("0x").filter(|digits| digits.len() == 2 * $bytes).ok_or_else(expected)?;
                let mut bytes = [0u8; $bytes];
                alloy::hex::decode_to_slice(digits, &mut bytes).map_err(|_| expected())?;
                Ok(Self($make(bytes)))
            }
        }
    )* };
}
hex_in_parameters! {
    Bytes32: 32, B256::from;
    Account: 20, Address::from;
}
