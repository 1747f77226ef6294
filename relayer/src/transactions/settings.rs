//! How transactions are sent and followed. It holds no key.

use alloy::primitives::Address;

/// Settings of a signer's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct TransactionSettings {
    /// Blocks that have to stand, with the including one, until a transaction counts.
    #[arg(long, env = "OFFSETDATA_CONFIRMATIONS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub confirmations: u64,
    /// Transactions in so many of the newest blocks are looked after, in case a reorg takes them away.
    #[arg(long, env = "OFFSETDATA_REORG_DEPTH", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub reorg_depth: u64,
    /// Blocks after which a transaction that is not included is replaced by one that pays more.
    #[arg(long, env = "OFFSETDATA_BUMP_AFTER_BLOCKS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub bump_after_blocks: u64,
    /// No transaction pays more wei for a unit of gas.
    #[arg(long, env = "OFFSETDATA_MAX_FEE_PER_GAS", default_value_t = 500_000_000_000)]
    pub max_fee_per_gas: u128,
    /// Gas on top of the estimate, in percent.
    #[arg(long, env = "OFFSETDATA_GAS_MARGIN_PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub gas_margin_percent: u64,
    /// Transactions that wait for a block at the same time.
    #[arg(long, env = "OFFSETDATA_MAX_IN_FLIGHT", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_in_flight: u32,
    /// Seconds after which another process may take over a signer that is not heard.
    #[arg(long, env = "OFFSETDATA_SIGNER_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub signer_lease_seconds: u64,
    /// Seconds for which a renewed assignment is valid.
    #[arg(skip = 600u64)]
    pub assignment_seconds: u64,
    /// The forwarder: what reverts behind it is asked for its own reason.
    #[arg(skip)]
    pub forwarder: Option<Address>,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            confirmations: 1,
            reorg_depth: 128,
            bump_after_blocks: 3,
            max_fee_per_gas: 500_000_000_000,
            gas_margin_percent: 25,
            max_in_flight: 32,
            signer_lease_seconds: 15,
            assignment_seconds: 600,
            forwarder: None,
        }
    }
}
