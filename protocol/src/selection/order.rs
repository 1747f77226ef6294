//! The order in which an epoch reads its records: a Fisher-Yates shuffle whose draws are SHA-256 of seed and epoch.
//! It is no generator for anything else: a trainer's other randomness is its own.

use crate::digest::{Domain, sha256};
use alloy::primitives::B256;

/// The numbers `0 .. count` in the order of epoch `epoch`.
pub fn order(seed: B256, epoch: u32, count: u32) -> Vec<u32> {
    let mut items: Vec<u32> = (0..count).collect();
    shuffle(seed, epoch, &mut items);
    items
}

/// Shuffles items for epoch `epoch`: for `i` from the last down to 1, swaps item `i` with item `draw(i + 1)`.
///
/// Draws come from 64-bit numbers: block `b` (from 0) of them is `SHA-256(tag(16) ‖ seed(32) ‖ epoch(4) ‖ b(8))`,
/// read as four big-endian numbers. `draw(n)` takes the next number `x`; where the low half of the 128-bit
/// product `x × n` is below `2^64 mod n` it takes another (Lemire, "Fast Random Integer Generation in an Interval",
/// 2019), else it is the high half.
pub fn shuffle<T>(seed: B256, epoch: u32, items: &mut [T]) {
    let mut draws = Draws { seed, epoch, block: 0, numbers: [0; 4], left: 0 };
    for i in (1..items.len()).rev() {
        items.swap(i, draws.below(i as u64 + 1) as usize);
    }
}

struct Draws {
    seed: B256,
    epoch: u32,
    block: u64,
    numbers: [u64; 4],
    left: usize,
}

impl Draws {
    fn next(&mut self) -> u64 {
        if self.left == 0 {
            let parts: [&[u8]; 4] = [
                Domain::Shuffle.tag(),
                self.seed.as_slice(),
                &self.epoch.to_be_bytes(),
                &self.block.to_be_bytes(),
            ];
            let hash = sha256(&parts).0;
            self.numbers =
                std::array::from_fn(|i| u64::from_be_bytes(std::array::from_fn(|j| hash[8 * i + j])));
            self.block += 1;
            self.left = 4;
        }
        self.left -= 1;
        self.numbers[3 - self.left]
    }

    /// A number below `n`, each as likely as the others.
    fn below(&mut self, n: u64) -> u64 {
        let reject_below = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next()) * u128::from(n);
            if product as u64 >= reject_below {
                return (product >> 64) as u64;
            }
        }
    }
}
