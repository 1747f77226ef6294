//! The frame of artifacts and states: `magic(8) ‖ length of the header (32 bits, big-endian) ‖ header (JSON) ‖ body`.
//! It knows no header.

use serde::Serialize;
use serde::de::DeserializeOwned;

const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Puts the parts together.
pub(crate) fn write(magic: &[u8; 8], header: &impl Serialize, body: &[&[u8]]) -> Result<Vec<u8>, String> {
    let header = serde_json::to_vec(header).map_err(|error| error.to_string())?;
    let length = u32::try_from(header.len()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::with_capacity(12 + header.len() + body.iter().map(|part| part.len()).sum::<usize>());
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&header);
    body.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

/// Takes them apart.
pub(crate) fn read<'a, H: DeserializeOwned>(
    magic: &[u8; 8],
    bytes: &'a [u8],
) -> Result<(H, &'a [u8]), String> {
    let name = String::from_utf8_lossy(magic);
    let rest = bytes.strip_prefix(magic).ok_or_else(|| format!("it does not begin with {name}"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or("it is cut short")?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(format!("a header of {length} bytes, at most {MAX_HEADER_BYTES} are read"));
    }
    let (header, body) = rest.split_at_checked(length).ok_or("it is cut short")?;
    Ok((serde_json::from_slice(header).map_err(|error| error.to_string())?, body))
}
