//! Decoded records with labels, in the form a trainer reads: images here, texts in [`text`].
//! It neither fetches nor verifies records, and it does not decide who goes into which split.

pub mod text;

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};

pub use text::{Features, TextSet};

/// Longest side of an image, in pixels.
pub const MAX_SIDE: u32 = 64;
/// Most classes a classifier may tell apart.
pub const MAX_CLASSES: u32 = 1_000;
/// Largest PNG accepted, in bytes; 64×64 RGB needs 12 KiB uncompressed.
pub const MAX_PNG_BYTES: usize = 256 * 1024;
/// Most that decoding one image may take, in bytes.
const MAX_DECODER_BYTES: usize = 1024 * 1024;
/// Most that one set may hold, in bytes.
pub const MAX_SET_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// Size of every image of a set: `channels` is 1 (grey) or 3 (RGB), sides are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    pub channels: u32,
    pub height: u32,
    pub width: u32,
}

impl ImageShape {
    /// Samples (one byte each) in one image.
    pub fn len(&self) -> usize {
        self.channels as usize * self.height as usize * self.width as usize
    }

    /// Whether an image of this shape has no sample at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a trainer takes this shape: 1 or 3 channels, sides 1 to [`MAX_SIDE`].
    pub fn is_supported(&self) -> bool {
        matches!(self.channels, 1 | 3)
            && (1..=MAX_SIDE).contains(&self.height)
            && (1..=MAX_SIDE).contains(&self.width)
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// Why a record does not go into a set. Every variant names the record's index in its collection;
/// none is worth a retry, as the bytes stay what they are.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("record {record}: the image is {bytes} bytes, at most {max} are read")]
    ImageTooLarge { record: u64, bytes: usize, max: usize },
    #[error("record {record}: not a PNG that can be read: {reason}")]
    BadImage { record: u64, reason: String },
    #[error("record {record}: {color} is not read; grey or RGB of 8 bits or fewer is")]
    ColorUnsupported { record: u64, color: String },
    #[error("record {record}: the image is {actual}, the set holds {expected} (channels×height×width)")]
    ShapeMismatch { record: u64, expected: ImageShape, actual: ImageShape },
    #[error("record {record}: label {label}, labels are below {classes}")]
    LabelOutOfRange { record: u64, label: u64, classes: u32 },
    #[error("record {record}: the set would exceed {max} bytes")]
    SetTooLarge { record: u64, max: usize },
    #[error("record {record}: {reason}")]
    NoRecord { record: u64, reason: String },
    #[error("record {record}: a text of {bytes} bytes, at most {max} are read")]
    TextTooLarge { record: u64, bytes: usize, max: usize },
    #[error("record {record} has no {kind} field {field:?}")]
    FieldMissing { record: u64, field: &'static str, kind: &'static str },
}

impl DatasetError {
    /// The first record whose label is not below `classes`.
    pub(crate) fn check_labels(labels: &[u32], records: &[u64], classes: u32) -> Result<(), Self> {
        match labels.iter().zip(records).find(|(label, _)| **label >= classes) {
            None => Ok(()),
            Some((label, record)) => {
                Err(Self::LabelOutOfRange { record: *record, label: u64::from(*label), classes })
            }
        }
    }

    /// The class that a label stands for.
    pub(crate) fn class(record: u64, label: u64) -> Result<u32, Self> {
        u32::try_from(label).ok().filter(|class| *class < MAX_CLASSES).ok_or(Self::LabelOutOfRange {
            record,
            label,
            classes: MAX_CLASSES,
        })
    }
}

/// Images of one shape, with labels and the index of the record each came from.
///
/// Pixels are kept as bytes (planes of channels, rows top down), a quarter of what floats need; a
/// trainer divides by 255 when it makes a batch.
#[derive(Debug, Clone, Default)]
pub struct ImageSet {
    shape: Option<ImageShape>,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    records: Vec<u64>,
}

impl ImageSet {
    /// A set without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one record's PNG and adds it with its label.
    ///
    /// The first image settles the shape of the set. On an error the set is as it was before.
    pub fn push(&mut self, record: u64, png: &[u8], label: u64) -> Result<(), DatasetError> {
        let class = DatasetError::class(record, label)?;
        let (shape, pixels) = decode_png(record, png)?;
        match self.shape {
            Some(expected) if expected != shape => {
                return Err(DatasetError::ShapeMismatch { record, expected, actual: shape });
            }
            _ => {}
        }
        if self.pixels.len() + pixels.len() > MAX_SET_BYTES {
            return Err(DatasetError::SetTooLarge { record, max: MAX_SET_BYTES });
        }
        self.shape = Some(shape);
        self.pixels.extend_from_slice(&pixels);
        self.labels.push(class);
        self.records.push(record);
        Ok(())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the set has no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Shape of every image; `None` while the set is empty.
    pub fn shape(&self) -> Option<ImageShape> {
        self.shape
    }

    /// Labels, in the order of the images.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Index in its collection of the record behind each image.
    pub fn records(&self) -> &[u64] {
        &self.records
    }

    /// Bytes of image `position`, planes of channels, rows top down; empty when out of range.
    pub fn image(&self, position: usize) -> &[u8] {
        let size = self.shape.map_or(0, |shape| shape.len());
        self.pixels.get(position * size..(position + 1) * size).unwrap_or_default()
    }
}

/// Decodes a PNG (W3C PNG, third edition) within [`MAX_SIDE`] and [`MAX_PNG_BYTES`] to planes.
pub fn decode_png(record: u64, png: &[u8]) -> Result<(ImageShape, Vec<u8>), DatasetError> {
    if png.len() > MAX_PNG_BYTES {
        return Err(DatasetError::ImageTooLarge { record, bytes: png.len(), max: MAX_PNG_BYTES });
    }
    let bad = |reason: String| DatasetError::BadImage { record, reason };
    let broken = |error: DecodingError| bad(error.to_string());
    let mut decoder = Decoder::new_with_limits(Cursor::new(png), Limits { bytes: MAX_DECODER_BYTES });
    // Palettes and fewer than 8 bits become whole bytes.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;

    let (width, height) = reader.info().size();
    let channels = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => 1,
        (ColorType::Rgb, BitDepth::Eight) => 3,
        (color, depth) => {
            let color = format!("{color:?} of {} bits", depth as u8);
            return Err(DatasetError::ColorUnsupported { record, color });
        }
    };
    let shape = ImageShape { channels, height, width };
    if !shape.is_supported() {
        return Err(bad(format!("size {shape}")));
    }
    let mut interleaved = vec![0; shape.len()];
    reader.next_frame(&mut interleaved).map_err(broken)?;
    // To the end of the file: a damaged one is refused, and an animation has no second frame here.
    reader.finish().map_err(broken)?;

    let channels = channels as usize;
    if channels == 1 {
        return Ok((shape, interleaved));
    }
    let mut planes = Vec::with_capacity(interleaved.len());
    for channel in 0..channels {
        planes.extend(interleaved.iter().skip(channel).step_by(channels));
    }
    Ok((shape, planes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn png(width: u32, height: u32, color: ColorType, pixels: &[u8]) -> Vec<u8> {
        png_of_depth(width, height, color, BitDepth::Eight, pixels)
    }

    fn png_of_depth(width: u32, height: u32, color: ColorType, depth: BitDepth, pixels: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        out
    }

    #[test]
    fn grey_and_rgb_become_planes() {
        let mut set = ImageSet::new();
        set.push(7, &png(2, 1, ColorType::Rgb, &[1, 2, 3, 4, 5, 6]), 9).unwrap();
        assert_eq!(set.shape(), Some(ImageShape { channels: 3, height: 1, width: 2 }));
        assert_eq!(set.image(0), [1, 4, 2, 5, 3, 6]);
        assert_eq!((set.labels(), set.records(), set.len()), (&[9][..], &[7][..], 1));
        assert_eq!(set.image(1), [0u8; 0]);

        let (shape, grey) = decode_png(0, &png(2, 2, ColorType::Grayscale, &[0, 85, 170, 255])).unwrap();
        assert_eq!((shape.channels, grey), (1, vec![0, 85, 170, 255]));

        let two_bits = png_of_depth(4, 1, ColorType::Grayscale, BitDepth::Two, &[0b00_01_10_11]);
        assert_eq!(decode_png(0, &two_bits).unwrap().1, [0, 85, 170, 255]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_record() {
        let mut set = ImageSet::new();
        let good = png(2, 1, ColorType::Grayscale, &[1, 2]);
        set.push(0, &good, 1).unwrap();

        let error = set.push(41, b"\x89PNG\r\n\x1a\nnonsense", 0).unwrap_err();
        assert!(matches!(error, DatasetError::BadImage { record: 41, .. }), "{error}");
        assert!(error.to_string().starts_with("record 41: "), "{error}");

        let mut flipped = png(8, 8, ColorType::Grayscale, &[9; 64]);
        let inside = flipped.len() - 18;
        flipped[inside] ^= 0xff;
        assert!(matches!(set.push(42, &flipped, 0), Err(DatasetError::BadImage { record: 42, .. })));

        let cut = &good[..good.len() - 20];
        assert!(matches!(set.push(43, cut, 0), Err(DatasetError::BadImage { record: 43, .. })));

        let other = png(1, 2, ColorType::Grayscale, &[1, 2]);
        assert!(matches!(set.push(44, &other, 0), Err(DatasetError::ShapeMismatch { record: 44, .. })));

        let wide = png(65, 1, ColorType::Grayscale, &[0; 65]);
        assert!(matches!(set.push(45, &wide, 0), Err(DatasetError::BadImage { record: 45, .. })));

        let alpha = png(2, 1, ColorType::GrayscaleAlpha, &[1, 2, 3, 4]);
        assert!(matches!(set.push(46, &alpha, 0), Err(DatasetError::ColorUnsupported { record: 46, .. })));

        let sixteen = png_of_depth(2, 1, ColorType::Grayscale, BitDepth::Sixteen, &[1, 2, 3, 4]);
        assert!(matches!(set.push(47, &sixteen, 0), Err(DatasetError::ColorUnsupported { record: 47, .. })));

        assert!(matches!(set.push(48, &good, 1_000), Err(DatasetError::LabelOutOfRange { record: 48, .. })));
        assert!(matches!(
            set.push(49, &good, u64::MAX),
            Err(DatasetError::LabelOutOfRange { record: 49, .. })
        ));

        let heavy = vec![0; MAX_PNG_BYTES + 1];
        assert!(matches!(set.push(50, &heavy, 0), Err(DatasetError::ImageTooLarge { record: 50, .. })));

        assert_eq!((set.len(), set.image(0)), (1, &[1u8, 2][..]), "a refused record leaves the set alone");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
            bytes.extend(tail);
            proptest::prop_assert!(decode_png(0, &bytes).is_err());
        }
    }
}
