//! A record: one sample, a DAG-CBOR map from field names to values, in its only (canonical) encoding.
//! It knows no schema: which fields a collection has stands in the manifest.

mod read;
mod write;

use crate::ProtocolError;
use crate::error::in_range;
pub use read::{Fields, ListRef, ValueRef};

/// Greatest length of a record's encoding, in bytes.
pub const MAX_RECORD_BYTES: usize = 64 << 20;
/// Greatest number of fields.
pub const MAX_FIELDS: usize = 4096;
/// Greatest length of a field name, in bytes of UTF-8; the least is 1.
pub const MAX_FIELD_NAME_BYTES: usize = 128;
/// How deep lists may nest: a list directly in a field has depth 1.
pub const MAX_DEPTH: usize = 16;

/// A field's value. There is no null (leave the field out) and no boolean (use the integers 0 and 1).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// Bytes; media stay in their own encoding (PNG, WAV…).
    Bytes(Vec<u8>),
    /// An integer within −2^63 … 2^64 − 1.
    Integer(i128),
    /// A finite binary64 number; negative zero is written as zero.
    Float(f64),
    /// Values one after the other.
    List(Vec<Value>),
}

/// A record that owns its bytes.
///
/// ```
/// use offsetdata_protocol::record::{Record, Value, ValueRef};
/// let record = Record::from_fields([("label", Value::from(7)), ("name", Value::from("seven"))])?;
/// assert_eq!(record.field("label"), Some(ValueRef::Integer(7)));
/// assert_eq!(Record::decode(record.as_bytes().to_vec())?, record);
/// # Ok::<(), offsetdata_protocol::ProtocolError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record(Vec<u8>);

/// A record whose bytes stand elsewhere, for instance in an opened chunk. Already checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordRef<'a>(&'a [u8]);

impl Record {
    /// Encodes fields, in any order.
    ///
    /// # Errors
    /// A name that is empty, too long or used twice; too many fields; lists too deep; an integer out of
    /// range; a float that is not finite; more than [`MAX_RECORD_BYTES`].
    pub fn from_fields<N, I>(fields: I) -> Result<Self, ProtocolError>
    where
        N: Into<String>,
        I: IntoIterator<Item = (N, Value)>,
    {
        write::encode(fields.into_iter().map(|(name, value)| (name.into(), value)).collect()).map(Self)
    }

    /// Takes bytes that must be the canonical encoding.
    ///
    /// # Errors
    /// Anything that [`Record::from_fields`] would not have written.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, ProtocolError> {
        RecordRef::decode(&bytes)?;
        Ok(Self(bytes))
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The encoding, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// Looks at this record without copying.
    pub fn view(&self) -> RecordRef<'_> {
        RecordRef(&self.0)
    }
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<ValueRef<'_>> {
        self.view().field(name)
    }
    /// All fields in the order of the encoding: shorter names first, then by bytes.
    pub fn fields(&self) -> Fields<'_> {
        self.view().fields()
    }
}

impl<'a> RecordRef<'a> {
    /// Checks in one pass, without allocating, that `bytes` are the canonical encoding of a record.
    ///
    /// # Errors
    /// As [`Record::decode`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ProtocolError> {
        in_range("record length", bytes.len() as u64, 1, MAX_RECORD_BYTES as u64)?;
        read::check(bytes)?;
        Ok(Self(bytes))
    }
    /// The encoding.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<ValueRef<'a>> {
        self.fields().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
    /// All fields in the order of the encoding: shorter names first, then by bytes.
    pub fn fields(&self) -> Fields<'a> {
        Fields::new(self.0)
    }
    /// Takes bytes that this crate checked before.
    pub(crate) fn checked_before(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    /// A copy that owns its bytes.
    pub fn to_record(&self) -> Record {
        Record(self.0.to_vec())
    }
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $make:expr),* $(,)?) => { $(
        impl From<$from> for Value { fn from($v: $from) -> Self { $make } }
    )* };
}
value_from! {
    &str => |v| Value::Text(v.to_owned()),
    String => |v| Value::Text(v),
    Vec<u8> => |v| Value::Bytes(v),
    &[u8] => |v| Value::Bytes(v.to_vec()),
    i32 => |v| Value::Integer(v.into()),
    i64 => |v| Value::Integer(v.into()),
    u32 => |v| Value::Integer(v.into()),
    u64 => |v| Value::Integer(v.into()),
    f64 => |v| Value::Float(v),
    Vec<Value> => |v| Value::List(v),
}

#[cfg(test)]
mod tests;
