//! Transactions: queued with the rows that cause them, signed, sent, replaced and followed until they are on the chain
//! for good or can't be. It does not know why one is wanted.

mod alone;
mod batch;
mod fees;
mod flight;
mod followed;
mod holes;
pub(crate) mod lanes;
mod queued;
mod reconciler;
mod settings;
mod signing;
mod state;
mod superseded;
mod together;

#[cfg(test)]
mod anvil;
#[cfg(test)]
mod tests;

pub use fees::Fees;
pub use lanes::{Lane, Lanes};
pub use reconciler::{Common, Reconciler, Report};
pub use settings::TransactionSettings;
pub use state::{Kind, TransactionState};
