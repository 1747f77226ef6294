//! A measured value as an integer: the number times 1,000,000, and three codes for what is no number.
//! It keeps six decimal places and no more: a value that differs less is the same value.

use serde::{Deserialize, Serialize};

/// What a number is multiplied with.
pub const SCALE: i64 = 1_000_000;

const NAN: i64 = i64::MIN;
const NEGATIVE_INFINITY: i64 = i64::MIN + 1;
const INFINITY: i64 = i64::MAX;
const GREATEST: i64 = i64::MAX - 1;
const LEAST: i64 = i64::MIN + 2;

/// A measured value: the number times 1,000,000.
///
/// Codes: −2^63 is not a number, −2^63 + 1 is negative infinity, 2^63 − 1 is infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricValue(i64);

impl MetricValue {
    /// The value of a number: times 1,000,000 in binary64, rounded to the nearest, ties to even. A finite
    /// number beyond the range becomes the greatest or least value that is no code.
    pub fn from_f64(number: f64) -> Self {
        Self(if number.is_nan() {
            NAN
        } else if number == f64::INFINITY {
            INFINITY
        } else if number == f64::NEG_INFINITY {
            NEGATIVE_INFINITY
        } else {
            // The conversion saturates; the codes at both ends are then cut off.
            ((number * SCALE as f64).round_ties_even() as i64).clamp(LEAST, GREATEST)
        })
    }
    /// The value with this code.
    pub const fn from_code(code: i64) -> Self {
        Self(code)
    }
    /// The integer that is hashed, stored and sent.
    pub const fn code(self) -> i64 {
        self.0
    }
    /// The number.
    pub fn to_f64(self) -> f64 {
        match self.0 {
            NAN => f64::NAN,
            INFINITY => f64::INFINITY,
            NEGATIVE_INFINITY => f64::NEG_INFINITY,
            code => code as f64 / SCALE as f64,
        }
    }
}
