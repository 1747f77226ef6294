//! The gateway as its readers meet it: a real chain with the real contracts, real signatures, HTTP on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod support;
