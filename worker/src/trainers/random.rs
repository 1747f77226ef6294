//! The trainers' only source of randomness: a stream for each purpose, drawn from the request's seed.
//! It is not for secrets.

/// Deterministic stream of random numbers: BLAKE3 in extended-output form, keyed by the seed.
///
/// Streams with different labels are independent, so that one more draw for, say, augmentation
/// leaves the shuffles as they were. Only whole-number and correctly rounded float operations are
/// used: the numbers are the same on every machine.
pub struct TrainerRng {
    reader: blake3::OutputReader,
}

impl TrainerRng {
    /// The stream for `label` and `index` (for instance an epoch) under `seed`.
    pub fn new(seed: &[u8; 32], label: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(b"offsetdata trainer randomness v1\n");
        hasher.update(label.as_bytes());
        hasher.update(b"\n");
        hasher.update(&index.to_le_bytes());
        Self { reader: hasher.finalize_xof() }
    }

    /// Next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.reader.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Uniform in `0..bound`, without bias; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Draws at or above the largest multiple of `bound` are thrown away.
        let limit = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let draw = self.next_u64();
            if draw <= limit {
                return draw % bound;
            }
        }
    }

    /// Uniform in `-limit..limit`, 24 random bits.
    pub fn uniform(&mut self, limit: f32) -> f32 {
        let unit = (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32;
        (2.0 * unit - 1.0) * limit
    }

    /// Uniform in `-limit..=limit`.
    pub fn offset(&mut self, limit: u32) -> i32 {
        let span = 2 * u64::from(limit) + 1;
        self.below(span) as i32 - limit as i32
    }

    /// The positions `0..length` in random order (Fisher and Yates).
    pub fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.below(last as u64 + 1) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable_and_independent() {
        let seed = [7; 32];
        let first = TrainerRng::new(&seed, "shuffle", 0).next_u64();
        assert_eq!(first, TrainerRng::new(&seed, "shuffle", 0).next_u64());
        assert_ne!(first, TrainerRng::new(&seed, "shuffle", 1).next_u64());
        assert_ne!(first, TrainerRng::new(&seed, "weights", 0).next_u64());
        assert_ne!(first, TrainerRng::new(&[8; 32], "shuffle", 0).next_u64());
    }

    #[test]
    fn draws_stay_in_range_and_reach_it() {
        let mut rng = TrainerRng::new(&[1; 32], "test", 0);
        let mut seen = [0u32; 7];
        for _ in 0..7_000 {
            seen[rng.below(7) as usize] += 1;
            assert!(rng.uniform(0.5).abs() <= 0.5);
            assert!((-2..=2).contains(&rng.offset(2)));
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert_eq!((rng.below(1), rng.below(0), rng.offset(0)), (0, 0, 0));

        let mut order = rng.permutation(500);
        assert_ne!(order, (0..500).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..500).collect::<Vec<_>>());
    }
}
