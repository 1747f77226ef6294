//! The RPC endpoints of a chain: which one is asked, and when another one is. It knows no contract, holds no key and
//! believes no answer more than another: who asks compares.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod call;
mod endpoints;
mod health;
#[cfg(test)]
mod tests;

pub use endpoints::{EndpointError, Endpoints, Look};
