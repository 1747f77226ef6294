//! Chance that can be had again: a series of numbers from a seed. CI has one seed; a long run brings its own, and what it
//! tried is written down.

use std::io::Write;
use std::time::Duration;

/// What CI runs with.
const SEED: u64 = 0x0ff5_e7da;

/// A series of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Chance {
    pub(in crate::e2e) seed: u64,
    state: u64,
}

impl Chance {
    /// From `OFFSETDATA_SEED`, or the seed of CI.
    pub(in crate::e2e) fn new() -> Self {
        let said = std::env::var("OFFSETDATA_SEED").ok();
        let seed = match said.as_deref().map(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16)) {
            Some(seed) => seed.expect("OFFSETDATA_SEED is a hexadecimal number"),
            None => SEED,
        };
        Self { seed, state: seed }
    }

    /// The same seed's series for one of several networks; that of the first is the seed's own.
    pub(in crate::e2e) fn of(&self, network: u64) -> Self {
        let state = self.seed.wrapping_add(network.wrapping_mul(0xd134_2543_de82_ef95));
        Self { seed: self.seed, state }
    }

    pub(in crate::e2e) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `first..=last`.
    pub(in crate::e2e) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.next() % (last - first + 1)
    }

    /// One time in `of`.
    pub(in crate::e2e) fn once_in(&mut self, of: u64) -> bool {
        self.next().is_multiple_of(of)
    }

    pub(in crate::e2e) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.next() % all.len() as u64).unwrap()]
    }

    pub(in crate::e2e) fn milliseconds(&mut self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.between(first, last))
    }
}

/// Whether this is a long run.
pub(in crate::e2e) fn is_long() -> bool {
    std::env::var_os("OFFSETDATA_LONG").is_some()
}

/// Says what a case tried; a long run also writes it down, one line of JSON in the file that `OFFSETDATA_CASES` names.
pub(in crate::e2e) fn record(case: &str, chance: &Chance, counts: &serde_json::Value) {
    let line = serde_json::json!({ "case": case, "seed": format!("{:#x}", chance.seed), "counts": counts });
    println!("{line}");
    if let Some(path) = std::env::var_os("OFFSETDATA_CASES") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}
