//! How an endpoint is doing, and the order in which endpoints are asked. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// Rest after a first failure; it doubles with each further one.
const FIRST_REST: Duration = Duration::from_millis(500);
/// No endpoint rests longer.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// An endpoint that is so many blocks behind another one is asked after it.
const BEHIND: u64 = 5;

/// What is known of an endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Asked again only after this, unless there is no other.
    pub(crate) rests_until: Option<Instant>,
    /// The chain that it serves; `None` while nobody asked it since its last failure.
    pub(crate) chain: Option<u64>,
    /// Its newest block, when it was last looked at.
    pub(crate) head: Option<u64>,
    /// Whether it was behind another endpoint then.
    pub(crate) is_behind: bool,
    /// What went wrong last, until something goes well.
    pub(crate) trouble: Option<String>,
}

impl Health {
    /// After an answer.
    pub(crate) fn answered(&mut self) {
        self.failures = 0;
        self.rests_until = None;
        self.trouble = None;
    }

    /// After a failure. Which chain it serves is asked again: another node may answer there next.
    pub(crate) fn failed(&mut self, why: &str, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let rest = FIRST_REST.saturating_mul(1 << (self.failures - 1).min(10)).min(LONGEST_REST);
        self.rests_until = Some(now + rest);
        self.chain = None;
        self.trouble = Some(why.to_owned());
    }

    /// Whether it serves a chain that is not the expected one.
    pub(crate) fn is_foreign(&self, expected: Option<u64>) -> bool {
        matches!((self.chain, expected), (Some(actual), Some(expected)) if actual != expected)
    }

    fn rank(&self, now: Instant) -> u8 {
        match self.rests_until {
            Some(until) if until > now => 2,
            _ => u8::from(self.is_behind),
        }
    }
}

/// The endpoints in the order in which they are asked: well ones first, as they are listed; then those behind; then
/// those that rest. One that serves another chain is never asked.
pub(crate) fn order(all: &[Health], expected: Option<u64>, now: Instant) -> Vec<usize> {
    let mut usable: Vec<usize> = (0..all.len()).filter(|i| !all[*i].is_foreign(expected)).collect();
    usable.sort_by_key(|i| (all[*i].rank(now), *i));
    usable
}

/// Which endpoints are behind, by their heads.
pub(crate) fn behind(heads: &[Option<u64>]) -> Vec<bool> {
    let best = heads.iter().flatten().max().copied().unwrap_or_default();
    heads.iter().map(|head| head.is_some_and(|head| head.saturating_add(BEHIND) < best)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_well_is_asked_first_and_again_after_its_rest() {
        let now = Instant::now();
        let mut all = vec![Health::default(), Health::default(), Health::default()];
        assert_eq!(order(&all, None, now), [0, 1, 2]);
        all[0].failed("timeout", now);
        assert_eq!(order(&all, None, now), [1, 2, 0]);
        assert_eq!(order(&all, None, now + FIRST_REST), [0, 1, 2]);
        for _ in 0..40 {
            all[0].failed("timeout", now);
        }
        assert_eq!(order(&all, None, now + LONGEST_REST), [0, 1, 2], "no rest is longer");
        all[1].is_behind = true;
        all[0].answered();
        assert_eq!(order(&all, None, now), [0, 2, 1]);
    }

    #[test]
    fn an_endpoint_of_another_chain_is_never_asked() {
        let now = Instant::now();
        let all =
            [Health { chain: Some(5), ..Health::default() }, Health { chain: Some(1), ..Health::default() }];
        assert_eq!(order(&all, Some(1), now), [1]);
        assert_eq!(order(&all, Some(7), now), Vec::<usize>::new());
        assert_eq!(order(&all, None, now), [0, 1], "nobody expects one");
    }

    #[test]
    fn a_head_that_is_far_below_another_is_behind() {
        assert_eq!(behind(&[Some(100), Some(95), Some(94), None]), [false, false, true, false]);
        assert_eq!(behind(&[None, None]), [false, false]);
    }
}
