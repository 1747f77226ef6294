//! How many calls a client may make: by account where there is a session, else by address. It remembers no more clients
//! than were here lately.

use std::net::IpAddr;
use std::num::NonZeroU32;

use alloy::primitives::Address;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use offsetdata_protocol::gateway_api::code;

use crate::Refused;

/// More clients than this are thinned out.
const MANY: usize = 10_000;
/// So many seconds' calls may come at once.
const BURST_SECONDS: u32 = 5;

/// Whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Account(Address),
    Peer(IpAddr),
}

impl Client {
    /// Of IPv6 the network: one client has many addresses.
    pub(crate) fn peer(address: IpAddr) -> Self {
        match address {
            IpAddr::V6(wide) if wide.to_ipv4_mapped().is_none() => {
                let network = wide.to_bits() >> 64 << 64;
                Self::Peer(IpAddr::V6(network.into()))
            }
            other => Self::Peer(other.to_canonical()),
        }
    }
}

/// Counts calls by client.
#[derive(Debug)]
pub struct Limits(Option<DefaultKeyedRateLimiter<Client>>);

impl Limits {
    /// So many calls a second for each; 0 for no limit.
    pub fn new(calls_per_second: u32) -> Self {
        Self(NonZeroU32::new(calls_per_second).map(|calls| {
            let burst = calls.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
            RateLimiter::keyed(Quota::per_second(calls).allow_burst(burst))
        }))
    }

    /// # Errors
    /// `tooMany`.
    pub(crate) fn check(&self, client: Client) -> Result<(), Refused> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        let checked = limiter.check_key(&client);
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        checked.map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            Refused::new(code::TOO_MANY, "more calls than this gateway takes from one client")
                .again_after(wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_for_itself() {
        let limits = Limits::new(1);
        let (one, other) = (Client::peer([10, 0, 0, 1].into()), Client::Account(Address::ZERO));
        for _ in 0..BURST_SECONDS {
            assert_eq!(limits.check(one), Ok(()));
        }
        assert_eq!(limits.check(one).unwrap_err().code(), code::TOO_MANY);
        assert_eq!(limits.check(other), Ok(()));
        assert_eq!(Client::peer("fd00::1".parse().unwrap()), Client::peer("fd00::2".parse().unwrap()));
        assert_eq!(Client::peer("::ffff:10.0.0.1".parse().unwrap()), one);
        let free = Limits::new(0);
        for _ in 0..100 {
            assert_eq!(free.check(one), Ok(()));
        }
    }
}
