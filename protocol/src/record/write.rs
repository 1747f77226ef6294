//! Writes a record's canonical encoding; refuses whatever the reader would refuse.
//! It does not read.

use super::{MAX_DEPTH, MAX_FIELD_NAME_BYTES, MAX_FIELDS, MAX_RECORD_BYTES, Value};
use crate::ProtocolError;
use crate::error::in_range;

pub(super) fn encode(mut fields: Vec<(String, Value)>) -> Result<Vec<u8>, ProtocolError> {
    in_range("record fields", fields.len() as u64, 0, MAX_FIELDS as u64)?;
    fields.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
    if let Some(pair) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(ProtocolError::Invalid {
            what: "record",
            reason: format!("field {:?} appears twice", pair[0].0),
        });
    }
    let mut out = Vec::new();
    head(&mut out, 5, fields.len() as u64);
    for (name, value) in &fields {
        in_range("field name length", name.len() as u64, 1, MAX_FIELD_NAME_BYTES as u64)?;
        head(&mut out, 3, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
        self::value(&mut out, value, 0)?;
    }
    in_range("record length", out.len() as u64, 1, MAX_RECORD_BYTES as u64)?;
    Ok(out)
}

fn value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), ProtocolError> {
    match value {
        Value::Text(text) => {
            head(out, 3, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            head(out, 2, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Integer(n) => integer(out, *n)?,
        Value::Float(n) if n.is_finite() => {
            out.push(0xfb);
            // Negative zero becomes zero, as in the libraries of IPLD.
            out.extend_from_slice(&(n + 0.0).to_be_bytes());
        }
        Value::Float(n) => {
            return Err(ProtocolError::Invalid { what: "float", reason: format!("{n} is not finite") });
        }
        Value::List(items) => {
            in_range("list depth", depth as u64 + 1, 1, MAX_DEPTH as u64)?;
            head(out, 4, items.len() as u64);
            for item in items {
                self::value(out, item, depth + 1)?;
            }
        }
    }
    // Checked while growing, so that a huge list of values never becomes a huge encoding first.
    in_range("record length", out.len() as u64, 1, MAX_RECORD_BYTES as u64)
}

fn integer(out: &mut Vec<u8>, n: i128) -> Result<(), ProtocolError> {
    let refused = |_| ProtocolError::Invalid {
        what: "integer",
        reason: format!("{n} is not within -2^63 ... 2^64 - 1"),
    };
    if n >= 0 {
        head(out, 0, u64::try_from(n).map_err(refused)?);
    } else {
        let n = i64::try_from(n).map_err(refused)?;
        head(out, 1, !n as u64);
    }
    Ok(())
}

/// A CBOR head in its shortest form.
fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}
