//! SHA-256 digests and the other fixed-size byte strings, each a type of its own, and the domain tags.
//! It decides no format: who hashes what stands in the module of the thing that is hashed.

use alloy::primitives::B256;
use aws_lc_rs::digest::{Context, SHA256};

/// Makes a newtype over `[u8; N]`: hex with `0x` for people and JSON, a byte string in DAG-CBOR.
macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $n]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $n;
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $n] { &self.0 }
        }
        impl Default for $name {
            fn default() -> Self { Self([0; $n]) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&alloy::hex::encode_prefixed(self.0))
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::ProtocolError;
            /// Reads exactly the hex digits, with or without `0x`.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut out = [0u8; $n];
                alloy::hex::decode_to_slice(text, &mut out).map_err(|e| $crate::ProtocolError::Invalid {
                    what: stringify!($name),
                    reason: e.to_string(),
                })?;
                Ok(Self(out))
            }
        }
        impl From<[u8; $n]> for $name { fn from(bytes: [u8; $n]) -> Self { Self(bytes) } }
        impl From<$name> for [u8; $n] { fn from(value: $name) -> Self { value.0 } }
        impl AsRef<[u8]> for $name { fn as_ref(&self) -> &[u8] { &self.0 } }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "{} bytes", $n)
                    }
                    fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<$name, E> {
                        v.try_into().map($name).map_err(|_| E::invalid_length(v.len(), &self))
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(E::custom)
                    }
                }
                if d.is_human_readable() { d.deserialize_str(Visitor) } else { d.deserialize_bytes(Visitor) }
            }
        }
    };
}
pub(crate) use byte_string;

byte_string!(
    /// A SHA-256 digest of some bytes.
    Digest, 32
);
byte_string!(
    /// Root of a Merkle tree ([`crate::merkle`]).
    Root, 32
);
byte_string!(
    /// Hash of one leaf: `SHA-256(0x00 ‖ leaf data)`.
    LeafHash, 32
);

macro_rules! as_word {
    ($($name:ident),*) => { $(
        impl From<B256> for $name { fn from(word: B256) -> Self { Self(word.0) } }
        impl From<$name> for B256 { fn from(value: $name) -> Self { B256::new(value.0) } }
    )* };
}
as_word!(Digest, Root, LeafHash);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        sha256(&[bytes])
    }
}

/// SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0u8; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

/// Says what hashed bytes are about: 16 ASCII bytes in front of them, padded with zeros.
///
/// Leaf data of a collection has no tag: it begins with a salt, or, when public, with the head of a CBOR
/// map (0xa0…0xbf), and no tag begins with such a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// Leaf of the inputs root: which record was used for what ([`crate::selection::inputs_leaf`]).
    Input,
    /// Leaf of the series root: one metric point ([`crate::metrics::MetricPoint::leaf_hash`]).
    Point,
    /// Leaf of a receipts root: one record that a worker was given.
    Given,
    /// Leaf of a flags root: one flagged record.
    Flag,
    /// Leaf of a shares root: one contributor's share.
    Share,
    /// Leaf of a bitmap root: 256 bits of a selection.
    Bits,
    /// Draw that puts a record into a split.
    Split,
    /// Block of draws that orders an epoch.
    Shuffle,
    /// Header of a chunk.
    Chunk,
    /// Digest of a chunk secret.
    Key,
}

impl Domain {
    /// The tag.
    pub const fn tag(self) -> &'static [u8; 16] {
        match self {
            Self::Input => b"offsetdata.input",
            Self::Point => b"offsetdata.point",
            Self::Given => b"offsetdata.given",
            Self::Flag => b"offsetdata.flag\0",
            Self::Share => b"offsetdata.share",
            Self::Bits => b"offsetdata.bits\0",
            Self::Split => b"offsetdata.split",
            Self::Shuffle => b"offsetdata.order",
            Self::Chunk => b"offsetdata.chunk",
            Self::Key => b"offsetdata.key\0\0",
        }
    }
}
