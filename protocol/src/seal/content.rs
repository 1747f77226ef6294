//! Content sealed to one receiver: a fresh key sealed by HPKE, and the bytes under it in segments, so that neither side
//! has to hold all of them. The segments are the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, 2015) over
//! AES-256-GCM. It draws no randomness and does no IO.
//!
//! ```
//! use alloy::primitives::B256;
//! use offsetdata_protocol::seal::{ContentEntropy, ContentPlace, ContentPurpose, SealingSecret};
//!
//! # fn main() -> Result<(), offsetdata_protocol::ProtocolError> {
//! let developer = SealingSecret::from_bytes([1; 32]);
//! let place = ContentPlace { purpose: ContentPurpose::Artifact, request: B256::repeat_byte(3) };
//! // Fresh from the system's generator, never used twice.
//! let entropy = ContentEntropy::from_bytes([2; 71]);
//! let sealed = place.seal(b"weights", &developer.public_key()?, entropy)?;
//! assert_eq!(ContentPlace::read(&sealed)?, place);
//! assert_eq!(place.open(&sealed, &developer)?, b"weights");
//! # Ok(())
//! # }
//! ```

use alloy::primitives::B256;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::{SealedKey, SealingKey, SealingSecret};
use crate::ProtocolError;
use crate::error::in_range;

/// The `info` of a content key.
const CONTENT_KEY: &[u8] = b"offsetdata/content-key/1";
const MAGIC: &[u8; 8] = b"ODSEAL01";
const PREFIX: usize = 7;
const TAG: usize = 16;

/// Length of what stands before the segments.
pub const CONTENT_HEADER_BYTES: usize = 128;
/// Length of a segment in the clear; the last one may be shorter.
pub const SEGMENT_BYTES: usize = 64 * 1024;

/// What sealed content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ContentPurpose {
    /// The result of a training.
    Artifact = 1,
    /// A state that a training goes on from.
    Checkpoint = 2,
}

/// What is sealed: bound to the key's seal and to every segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentPlace {
    /// What it is.
    pub purpose: ContentPurpose,
    /// The request that it came out of.
    pub request: B256,
}

/// 71 fresh random bytes: the content key (32), what its seal draws from (32), the nonces' prefix (7).
pub struct ContentEntropy([u8; 71]);

impl ContentEntropy {
    /// Length in bytes.
    pub const LEN: usize = 71;

    /// Takes the bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for ContentEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentEntropy(redacted)")
    }
}

impl Drop for ContentEntropy {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ContentPlace {
    /// Reads the place out of the first [`CONTENT_HEADER_BYTES`] of sealed content. Opening shows whether it is true.
    ///
    /// # Errors
    /// Too few bytes, another magic, an unknown purpose.
    pub fn read(sealed: &[u8]) -> Result<Self, ProtocolError> {
        let header = Header::of(sealed)?;
        let purpose = match header.0[8] {
            1 => ContentPurpose::Artifact,
            2 => ContentPurpose::Checkpoint,
            other => return Err(invalid(format!("its purpose {other} is unknown"))),
        };
        Ok(Self { purpose, request: B256::from_slice(&header.0[9..41]) })
    }

    /// Begins to seal. The header comes first in `out`.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] for a receiver's key of small order.
    pub fn sealer(
        &self,
        receiver: &SealingKey,
        entropy: ContentEntropy,
        out: &mut Vec<u8>,
    ) -> Result<ContentSealer, ProtocolError> {
        let mut key: [u8; 32] = std::array::from_fn(|at| entropy.0[at]);
        let seal: [u8; 32] = std::array::from_fn(|at| entropy.0[32 + at]);
        let sealed = super::seal("content key", CONTENT_KEY, &self.associated(), &key, receiver, seal)?;
        let mut header = [0; CONTENT_HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..41].copy_from_slice(&self.associated());
        header[41..121].copy_from_slice(&sealed.0);
        header[121..].copy_from_slice(&entropy.0[64..]);
        let segments = Segments::new(&key, Header(header));
        key.zeroize();
        out.extend_from_slice(&header);
        Ok(ContentSealer { segments: segments?, buffer: Vec::with_capacity(SEGMENT_BYTES + TAG) })
    }

    /// Begins to open content whose first [`CONTENT_HEADER_BYTES`] are `header`.
    ///
    /// # Errors
    /// A header of another place; [`ProtocolError::Cipher`] when it was sealed to another key or was changed.
    pub fn opener(&self, header: &[u8], secret: &SealingSecret) -> Result<ContentOpener, ProtocolError> {
        let found = Self::read(header)?;
        if found != *self {
            return Err(invalid(format!("expected {self:?}, found {found:?}")));
        }
        let header = Header::of(header)?;
        let mut sealed = SealedKey([0; SealedKey::LEN]);
        sealed.0.copy_from_slice(&header.0[41..121]);
        let mut key = super::open("content key", CONTENT_KEY, &self.associated(), &sealed, secret)?;
        let segments = Segments::new(&key, header);
        key.zeroize();
        Ok(ContentOpener { segments: segments?, buffer: Vec::with_capacity(SEGMENT_BYTES + TAG) })
    }

    /// Seals content that is in memory.
    ///
    /// # Errors
    /// As [`ContentPlace::sealer`].
    pub fn seal(
        &self,
        content: &[u8],
        receiver: &SealingKey,
        entropy: ContentEntropy,
    ) -> Result<Vec<u8>, ProtocolError> {
        let segments = content.len().div_ceil(SEGMENT_BYTES).max(1);
        let mut out = Vec::with_capacity(CONTENT_HEADER_BYTES + content.len() + segments * TAG);
        let mut sealer = self.sealer(receiver, entropy, &mut out)?;
        sealer.update(content, &mut out)?;
        sealer.finish(&mut out)?;
        Ok(out)
    }

    /// Opens content that is in memory.
    ///
    /// # Errors
    /// Content of another place or cut short; [`ProtocolError::Cipher`] when it was sealed to another key or was
    /// changed.
    pub fn open(&self, sealed: &[u8], secret: &SealingSecret) -> Result<Vec<u8>, ProtocolError> {
        let mut opener = self.opener(sealed, secret)?;
        let mut out = Vec::with_capacity(sealed.len());
        opener.update(sealed.get(CONTENT_HEADER_BYTES..).unwrap_or_default(), &mut out)?;
        opener.finish(&mut out)?;
        Ok(out)
    }

    /// `purpose(1) ‖ request(32)`.
    fn associated(&self) -> [u8; 33] {
        let mut out = [0; 33];
        out[0] = self.purpose as u8;
        out[1..].copy_from_slice(self.request.as_slice());
        out
    }
}

/// Seals content that comes in parts of any length.
#[derive(Debug)]
pub struct ContentSealer {
    segments: Segments,
    /// Bytes of a segment that may be the last.
    buffer: Vec<u8>,
}

impl ContentSealer {
    /// Takes the next bytes; whole segments go to `out`.
    ///
    /// # Errors
    /// More than 2^32 segments; a failing cipher library.
    pub fn update(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        while !bytes.is_empty() {
            if self.buffer.len() == SEGMENT_BYTES {
                self.segments.seal(&mut self.buffer, false, out)?;
            }
            let (these, rest) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(these);
            bytes = rest;
        }
        Ok(())
    }

    /// The last segment.
    ///
    /// # Errors
    /// As [`ContentSealer::update`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        self.segments.seal(&mut self.buffer, true, out)
    }
}

/// Opens content that comes in parts of any length. What came out is true, but only [`ContentOpener::finish`] shows
/// that it was all.
#[derive(Debug)]
pub struct ContentOpener {
    segments: Segments,
    buffer: Vec<u8>,
}

impl ContentOpener {
    /// Takes the next bytes after the header; whole segments go to `out` in the clear.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] for changed, moved or foreign segments.
    pub fn update(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        while !bytes.is_empty() {
            if self.buffer.len() == SEGMENT_BYTES + TAG {
                self.segments.open(&mut self.buffer, false, out)?;
            }
            let (these, rest) = bytes.split_at(bytes.len().min(SEGMENT_BYTES + TAG - self.buffer.len()));
            self.buffer.extend_from_slice(these);
            bytes = rest;
        }
        Ok(())
    }

    /// The last segment.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] where segments are missing or changed; an empty segment after a full one.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        if self.buffer.len() == TAG && self.segments.next > 0 {
            return Err(invalid("its last segment is empty".into()));
        }
        self.segments.open(&mut self.buffer, true, out)
    }
}

/// The key with the number of the next segment.
struct Segments {
    key: LessSafeKey,
    header: Header,
    next: u64,
}

impl std::fmt::Debug for Segments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Segments {
    fn new(key: &[u8; 32], header: Header) -> Result<Self, ProtocolError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| refused())?;
        Ok(Self { key: LessSafeKey::new(key), header, next: 0 })
    }

    /// `prefix(7) ‖ number(4, big-endian) ‖ last(1)`: so a segment holds in one place only.
    fn nonce(&mut self, is_last: bool) -> Result<Nonce, ProtocolError> {
        in_range("segments of sealed content", self.next, 0, u32::MAX.into())?;
        let mut nonce = [0; PREFIX + 5];
        nonce[..PREFIX].copy_from_slice(&self.header.0[121..]);
        nonce[PREFIX..PREFIX + 4].copy_from_slice(&(self.next as u32).to_be_bytes());
        nonce[PREFIX + 4] = u8::from(is_last);
        self.next += 1;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn seal(&mut self, segment: &mut Vec<u8>, is_last: bool, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let nonce = self.nonce(is_last)?;
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(&self.header.0), segment)
            .map_err(|_| refused())?;
        out.append(segment);
        Ok(())
    }

    fn open(&mut self, segment: &mut Vec<u8>, is_last: bool, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let nonce = self.nonce(is_last)?;
        let clear =
            self.key.open_in_place(nonce, Aad::from(&self.header.0), segment).map_err(|_| refused())?;
        out.extend_from_slice(clear);
        segment.clear();
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Header([u8; CONTENT_HEADER_BYTES]);

impl Header {
    fn of(sealed: &[u8]) -> Result<Self, ProtocolError> {
        let header = sealed.first_chunk::<CONTENT_HEADER_BYTES>();
        let header = header.ok_or_else(|| invalid("it is cut short".into()))?;
        if !header.starts_with(MAGIC) {
            return Err(invalid("it does not begin with ODSEAL01".into()));
        }
        Ok(Self(*header))
    }
}

fn invalid(reason: String) -> ProtocolError {
    ProtocolError::Invalid { what: "sealed content", reason }
}

fn refused() -> ProtocolError {
    ProtocolError::Cipher { what: "sealed content" }
}

#[cfg(test)]
mod tests;
