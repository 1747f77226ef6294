//! Reads a record's encoding strictly: one pass, no allocation, every form but the canonical one refused.
//! It does not keep what it read: views walk the checked bytes again.

use super::{MAX_DEPTH, MAX_FIELD_NAME_BYTES, MAX_FIELDS, Value};
use crate::ProtocolError;

/// A value inside a record's bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer within −2^63 … 2^64 − 1.
    Integer(i128),
    /// A finite binary64 number.
    Float(f64),
    /// Values one after the other.
    List(ListRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    /// The bytes, if it is bytes.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i128> {
        if let Self::Integer(n) = self { Some(*n) } else { None }
    }
    /// The number of a float or an integer.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Float(n) => Some(*n),
            Self::Integer(n) => Some(*n as f64),
            _ => None,
        }
    }
    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<ListRef<'a>> {
        if let Self::List(list) = self { Some(*list) } else { None }
    }
    /// A copy that owns its bytes.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::Text((*text).to_owned()),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Self::Integer(n) => Value::Integer(*n),
            Self::Float(n) => Value::Float(*n),
            Self::List(list) => Value::List(list.map(|item| item.to_value()).collect()),
        }
    }
}

/// The items of a list, as an iterator.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> ListRef<'a> {
    /// How many items are left.
    pub fn len(&self) -> usize {
        self.left
    }
    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl PartialEq for ListRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.left == other.left && self.zip(*other).all(|(a, b)| a == b)
    }
}

impl<'a> Iterator for ListRef<'a> {
    type Item = ValueRef<'a>;
    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.cursor.value(0).ok()
    }
}

/// The fields of a record, as an iterator of name and value.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Fields<'a> {
    /// `bytes` were checked before.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut cursor = Cursor { bytes, at: 0 };
        let left = cursor.map().unwrap_or(0);
        Self { cursor, left }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, ValueRef<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.cursor.name().ok()?;
        Some((name, self.cursor.value(0).ok()?))
    }
}

/// Checks a whole record.
pub(super) fn check(bytes: &[u8]) -> Result<(), ProtocolError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let count = cursor.map()?;
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let at = cursor.at;
        let name = cursor.name()?;
        if last.is_some_and(|last| (last.len(), last.as_bytes()) >= (name.len(), name.as_bytes())) {
            return Err(malformed("field names are not in order, or one appears twice", at));
        }
        last = Some(name);
        cursor.value(0)?;
    }
    if cursor.at == bytes.len() { Ok(()) } else { Err(malformed("bytes after the record", cursor.at)) }
}

#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn map(&mut self) -> Result<usize, ProtocolError> {
        let at = self.at;
        match self.head()? {
            (5, count) if count <= MAX_FIELDS as u64 => Ok(count as usize),
            (5, _) => Err(malformed("too many fields", at)),
            _ => Err(malformed("not a map", at)),
        }
    }

    fn name(&mut self) -> Result<&'a str, ProtocolError> {
        let at = self.at;
        match self.head()? {
            (3, len) if len == 0 || len > MAX_FIELD_NAME_BYTES as u64 => {
                Err(malformed("a field name of forbidden length", at))
            }
            (3, len) => self.text(len),
            _ => Err(malformed("a field name that is not text", at)),
        }
    }

    /// Reads one value; for a list also checks all that is in it and stands behind it afterwards.
    fn value(&mut self, depth: usize) -> Result<ValueRef<'a>, ProtocolError> {
        let at = self.at;
        match self.head()? {
            (0, n) => Ok(ValueRef::Integer(n.into())),
            (1, n) => {
                let n = i64::try_from(n).map_err(|_| malformed("an integer below -2^63", at))?;
                Ok(ValueRef::Integer((!n).into()))
            }
            (2, len) => Ok(ValueRef::Bytes(self.take(len)?)),
            (3, len) => Ok(ValueRef::Text(self.text(len)?)),
            (4, len) => {
                if depth >= MAX_DEPTH {
                    return Err(malformed("lists nested too deep", at));
                }
                let list = ListRef { cursor: *self, left: usize::try_from(len).unwrap_or(usize::MAX) };
                // Each item takes at least one byte, so a lying length ends at the end of the input.
                for _ in 0..len {
                    self.value(depth + 1)?;
                }
                Ok(ValueRef::List(list))
            }
            (5, _) => Err(malformed("a map inside a record", at)),
            (6, _) => Err(malformed("a tag", at)),
            (_, bits) => {
                let n = f64::from_bits(bits);
                if !n.is_finite() {
                    return Err(malformed("a float that is not finite", at));
                }
                if n == 0.0 && bits != 0 {
                    return Err(malformed("negative zero", at));
                }
                Ok(ValueRef::Float(n))
            }
        }
    }

    /// Major type and argument. Of major type 7 only a binary64 float passes; its argument is its bits.
    fn head(&mut self) -> Result<(u8, u64), ProtocolError> {
        let at = self.at;
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let (argument, least) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (self.number::<1>()?, 24),
            25 => (self.number::<2>()?, 0x100),
            26 => (self.number::<4>()?, 0x1_0000),
            27 => (self.number::<8>()?, 0x1_0000_0000),
            _ => return Err(malformed("an indefinite or reserved length", at)),
        };
        if major == 7 {
            let float = info == 27;
            return if float {
                Ok((7, argument))
            } else {
                Err(malformed("a simple value or a float that is not binary64", at))
            };
        }
        if argument < least {
            return Err(malformed("a number that is not in its shortest form", at));
        }
        Ok((major, argument))
    }

    fn number<const N: usize>(&mut self) -> Result<u64, ProtocolError> {
        Ok(self.take(N as u64)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn text(&mut self, len: u64) -> Result<&'a str, ProtocolError> {
        let at = self.at;
        std::str::from_utf8(self.take(len)?).map_err(|_| malformed("text that is not UTF-8", at))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], ProtocolError> {
        let ended = malformed("the input ends early", self.at);
        let len = usize::try_from(len).map_err(|_| ended.clone())?;
        let end = self.at.checked_add(len).ok_or_else(|| ended.clone())?;
        let taken = self.bytes.get(self.at..end).ok_or(ended)?;
        self.at = end;
        Ok(taken)
    }
}

fn malformed(reason: &'static str, offset: usize) -> ProtocolError {
    ProtocolError::Malformed { what: "record", reason, offset }
}
