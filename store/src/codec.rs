//! How values stand in columns: ids, addresses and hashes as bytes, amounts as fixed-width big-endian bytes (so that they
//! compare as numbers), times and counts as 64-bit integers. It writes no SQL.

use alloy::primitives::{Address, B256, Bytes, U256};
use offsetdata_protocol::ids::{BaseId, CollectionId, MethodId, ModelId, ProjectId, RequestId};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};

use crate::StoreError;

/// A value as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// BIGINT.
    Int(i64),
    /// BLOB.
    Blob(Vec<u8>),
    /// TEXT.
    Text(String),
    /// A BIGINT that is null.
    NullInt,
    /// A BLOB that is null.
    NullBlob,
    /// A TEXT that is null.
    NullText,
}

/// A type that fits into one column.
pub trait Column: Sized {
    /// What is stored for nothing.
    const NULL: Value;

    /// What is stored.
    fn value(&self) -> Value;

    /// Reads what is stored.
    ///
    /// # Errors
    /// A column that is missing, of another kind or out of range.
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError>;
}

/// A statement of ours with its values.
pub type Statement<'q> = Query<'q, Any, AnyArguments>;

/// Adds typed values to a statement.
pub trait Put: Sized {
    /// The next `$n`.
    fn put<T: Column>(self, value: &T) -> Self {
        self.put_value(value.value())
    }
    /// The next `$n`, stored form.
    fn put_value(self, value: Value) -> Self;
}

impl Put for Statement<'_> {
    fn put_value(self, value: Value) -> Self {
        match value {
            Value::Int(number) => self.bind(number),
            Value::Blob(bytes) => self.bind(bytes),
            Value::Text(text) => self.bind(text),
            Value::NullInt => self.bind(None::<i64>),
            Value::NullBlob => self.bind(None::<Vec<u8>>),
            Value::NullText => self.bind(None::<String>),
        }
    }
}

fn refused(column: &str, expected: &'static str, actual: impl std::fmt::Display) -> StoreError {
    StoreError::Column { column: column.to_owned(), expected, actual: actual.to_string() }
}

impl Column for i64 {
    const NULL: Value = Value::NullInt;
    fn value(&self) -> Value {
        Value::Int(*self)
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        Ok(row.try_get(column)?)
    }
}

macro_rules! small_numbers {
    ($($number:ty: $expected:literal),*) => { $(
        impl Column for $number {
            const NULL: Value = Value::NullInt;
            fn value(&self) -> Value {
                Value::Int(i64::from(*self))
            }
            fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
                let number = i64::read(row, column)?;
                Self::try_from(number).map_err(|_| refused(column, $expected, number))
            }
        }
    )* };
}
small_numbers!(u8: "0 to 255", u16: "0 to 65535", u32: "0 to 4294967295");

/// 64 bits as eight big-endian bytes: a contract may name numbers that a signed column can't hold.
impl Column for u64 {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_be_bytes().to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<8>(row, column, "8 bytes").map(Self::from_be_bytes)
    }
}

/// A time or count below 2^63 in an integer column: Unix seconds, block numbers, units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Count(pub u64);

impl Column for Count {
    const NULL: Value = Value::NullInt;
    fn value(&self) -> Value {
        // Only numbers of at most 63 bits are stored here; a greater one is cut off and found when it is compared.
        Value::Int(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        let number = i64::read(row, column)?;
        u64::try_from(number).map(Self).map_err(|_| refused(column, "0 or more", number))
    }
}

/// Declares an enum that is kept as a small number.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident $expected:literal { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $crate::codec::Column for $name {
            const NULL: $crate::codec::Value = $crate::codec::Value::NullInt;
            fn value(&self) -> $crate::codec::Value {
                $crate::codec::Value::Int(match self { $(Self::$variant => $code,)* })
            }
            fn read(row: &sqlx::any::AnyRow, column: &str) -> Result<Self, $crate::StoreError> {
                match <i64 as $crate::codec::Column>::read(row, column)? {
                    $($code => Ok(Self::$variant),)*
                    code => Err($crate::StoreError::Column {
                        column: column.to_owned(),
                        expected: $expected,
                        actual: code.to_string(),
                    }),
                }
            }
        }
    };
}
pub(crate) use coded;

/// An amount in a column that holds 128 bits of some events and 256 of others. Read only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub U256);

impl Column for Amount {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        self.0.value()
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        let bytes: &[u8] = row.try_get(column)?;
        if ![16, 32].contains(&bytes.len()) {
            return Err(refused(column, "16 or 32 bytes", format_args!("{} bytes", bytes.len())));
        }
        Ok(Self(U256::from_be_slice(bytes)))
    }
}

/// Four bytes: the selector of an error.
impl Column for alloy::primitives::FixedBytes<4> {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<4>(row, column, "4 bytes").map(Self::from)
    }
}

impl Column for bool {
    const NULL: Value = Value::NullInt;
    fn value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        match i64::read(row, column)? {
            0 => Ok(false),
            1 => Ok(true),
            number => Err(refused(column, "0 or 1", number)),
        }
    }
}

impl Column for String {
    const NULL: Value = Value::NullText;
    fn value(&self) -> Value {
        // PostgreSQL can't keep the character 0, and no text of ours means it.
        Value::Text(self.replace('\0', "\u{fffd}"))
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        Ok(row.try_get(column)?)
    }
}

fn fixed<const N: usize>(row: &AnyRow, column: &str, expected: &'static str) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| refused(column, expected, format_args!("{} bytes", bytes.len())))
}

impl Column for Bytes {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        Ok(Self::from(row.try_get::<Vec<u8>, _>(column)?))
    }
}

impl Column for Address {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<20>(row, column, "20 bytes").map(Self::from)
    }
}

impl Column for B256 {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<32>(row, column, "32 bytes").map(Self::from)
    }
}

impl Column for U256 {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_be_bytes::<32>().to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<32>(row, column, "32 bytes").map(Self::from_be_bytes)
    }
}

impl Column for u128 {
    const NULL: Value = Value::NullBlob;
    fn value(&self) -> Value {
        Value::Blob(self.to_be_bytes().to_vec())
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        fixed::<16>(row, column, "16 bytes").map(Self::from_be_bytes)
    }
}

macro_rules! ids {
    ($($id:ty),*) => { $(
        impl Column for $id {
            const NULL: Value = Value::NullBlob;
            fn value(&self) -> Value {
                self.0.value()
            }
            fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
                B256::read(row, column).map(Self)
            }
        }
    )* };
}
ids!(BaseId, CollectionId, MethodId, ModelId, ProjectId, RequestId);

impl<T: Column> Column for Option<T> {
    const NULL: Value = T::NULL;
    fn value(&self) -> Value {
        self.as_ref().map_or(T::NULL, T::value)
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        use sqlx::ValueRef;
        if row.try_get_raw(column)?.is_null() { Ok(None) } else { T::read(row, column).map(Some) }
    }
}
