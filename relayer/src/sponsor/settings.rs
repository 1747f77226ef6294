//! How much is paid for users, in gas. It holds no key.

/// Budgets of the sponsor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct SponsorSettings {
    /// Gas that is paid within 24 hours for users without ETH; 0 pays for nobody.
    #[arg(long, env = "OFFSETDATA_SPONSOR_GAS_PER_DAY", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    pub sponsor_gas_per_day: u64,
    /// Of it, for one account.
    #[arg(long, env = "OFFSETDATA_SPONSOR_GAS_PER_ACCOUNT", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    pub sponsor_gas_per_account: u64,
    /// Of it, for one call.
    #[arg(long, env = "OFFSETDATA_SPONSOR_GAS_PER_CALL", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(50_000..=10_000_000))]
    pub sponsor_gas_per_call: u64,
    /// Calls of one account within a minute.
    #[arg(long, env = "OFFSETDATA_SPONSOR_CALLS_PER_MINUTE", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub sponsor_calls_per_minute: u32,
}

impl SponsorSettings {
    /// Whether anything is paid for.
    pub fn is_on(&self) -> bool {
        self.sponsor_gas_per_day > 0
    }
}

impl Default for SponsorSettings {
    fn default() -> Self {
        Self {
            sponsor_gas_per_day: 0,
            sponsor_gas_per_account: 5_000_000,
            sponsor_gas_per_call: 2_000_000,
            sponsor_calls_per_minute: 30,
        }
    }
}
