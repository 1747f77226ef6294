//! Numbers and bytes as JSON texts: numbers beyond 2^53 in decimal digits, long bytes in base64. It reads no other form.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as decimal digits in a JSON text, as JavaScript's numbers end at 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<T>(pub T);

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refused = || serde::de::Error::custom("expected a number as decimal digits in a text");
        // One text for one number: no sign, no zeros in front, no other base.
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !plain || text.is_empty() || text.len() > 78 {
            return Err(refused());
        }
        text.parse().map(Self).map_err(|_| refused())
    }
}

/// Bytes as base64 (RFC 4648, with padding) in a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|_| serde::de::Error::custom("expected base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        assert_eq!(serde_json::to_string(&Text(u128::MAX)).unwrap(), format!("\"{}\"", u128::MAX));
        assert_eq!(serde_json::from_str::<Text<u64>>("\"0\"").unwrap(), Text(0));
        let wrong =
            ["1", "\"\"", "\"01\"", "\"+1\"", "\"-1\"", "\"0x1\"", "\"1_0\"", "\"18446744073709551616\""];
        for text in wrong {
            assert!(serde_json::from_str::<Text<u64>>(text).is_err(), "{text}");
        }
        let wide = format!("\"{}\"", alloy::primitives::U256::MAX);
        assert!(serde_json::from_str::<Text<alloy::primitives::U256>>(&wide).is_ok());
    }

    #[test]
    fn bytes_come_back() {
        let text = serde_json::to_string(&Base64(vec![0, 255, 7])).unwrap();
        assert_eq!(text, "\"AP8H\"");
        assert_eq!(serde_json::from_str::<Base64>(&text).unwrap(), Base64(vec![0, 255, 7]));
        assert!(serde_json::from_str::<Base64>("\"AP8\"").is_err());
    }
}
