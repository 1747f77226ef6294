//! Values in answers, the same in GraphQL and REST: hashes and addresses as hex, amounts as decimal text, counts and times as
//! numbers. It reads no query parameters: those are read in `rest`.

use alloy::primitives::{Address, B256, U256};
use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use offsetdata_store::Count;

/// 32 bytes: `0x` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes32(pub(crate) B256);

#[Scalar]
impl ScalarType for Bytes32 {
    fn parse(value: Value) -> InputValueResult<Self> {
        hex::<Self, 32>(&value).map(|bytes| Self(bytes.into()))
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl<T: Into<B256>> From<T> for Bytes32 {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

/// An account or contract: `0x` and 40 hexadecimal digits, in answers with the checksum of EIP-55.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(pub(crate) Address);

#[Scalar(name = "Address")]
impl ScalarType for Account {
    fn parse(value: Value) -> InputValueResult<Self> {
        hex::<Self, 20>(&value).map(|bytes| Self(bytes.into()))
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_checksum(None))
    }
}

fn hex<T: async_graphql::InputType, const N: usize>(value: &Value) -> Result<[u8; N], InputValueError<T>> {
    let expected = || InputValueError::custom(format!("expected 0x and {} hexadecimal digits", 2 * N));
    let Value::String(text) = value else { return Err(expected()) };
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 2 * N).ok_or_else(expected)?;
    let mut bytes = [0; N];
    alloy::hex::decode_to_slice(digits, &mut bytes).map_err(|_| expected())?;
    Ok(bytes)
}

/// Decimal digits of a whole number that may be greater than 2^53, such as an amount in the token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) U256);

#[Scalar]
impl ScalarType for Amount {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(digits) if digits.len() <= 78 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                U256::from_str_radix(digits, 10).map(Self).map_err(|_| "more than 256 bits".into())
            }
            _ => Err("expected decimal digits".into()),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<u128> for Amount {
    fn from(amount: u128) -> Self {
        Self(U256::from(amount))
    }
}

impl From<U256> for Amount {
    fn from(amount: U256) -> Self {
        Self(amount)
    }
}

/// A whole number below 2^63 as a JSON number: block numbers, Unix seconds, units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Long(pub(crate) u64);

#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => {
                number.as_u64().map(Self).ok_or_else(|| "expected a whole number, 0 or more".into())
            }
            _ => Err("expected a whole number".into()),
        }
    }
    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

impl From<Count> for Long {
    fn from(count: Count) -> Self {
        Self(count.0)
    }
}

impl From<u64> for Long {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Text of a scalar in JSON, and what OpenAPI says of it.
macro_rules! text_in_json {
    ($($name:ident: $text:expr, $pattern:literal, $description:literal, $example:literal;)*) => { $(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let text: fn(&Self) -> String = $text;
                serializer.serialize_str(&text(self))
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .description(Some($description))
                    .examples([serde_json::Value::from($example)])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )* };
}
text_in_json! {
    Bytes32: |id| id.0.to_string(), "^0x[0-9a-fA-F]{64}$", "32 bytes",
        "0x2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    Account: |account| account.0.to_checksum(None), "^0x[0-9a-fA-F]{40}$", "An account or contract (EIP-55)",
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    Amount: |amount| amount.0.to_string(), "^[0-9]{1,78}$",
        "Decimal digits of a whole number that may be greater than 2^53, such as an amount in the token's smallest unit",
        "1500000";
}

impl serde::Serialize for Long {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl utoipa::PartialSchema for Long {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Integer)
            .minimum(Some(0))
            .description(Some("A whole number below 2^63"))
            .into()
    }
}

impl utoipa::ToSchema for Long {}

/// How sure the chain is of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Finality {
    /// Just added: a reorg may take it back.
    Head,
    /// Unlikely to be taken back.
    Safe,
    /// Final.
    Finalized,
}
