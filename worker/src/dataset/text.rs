//! Texts with labels, as sparse vectors of hashed word n-grams. The words themselves are not kept.

use super::{DatasetError, MAX_SET_BYTES};

/// Longest text or title that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// How a text becomes numbers.
///
/// Words are runs of letters and digits in lower case, and each of `! ? $ %`. An n-gram's column is FNV-1a (64 bits) of
/// its field (0 for the text, 1 for the title) and its words, each followed by a zero byte, folded to `hash_bits` bits.
/// A column's value is 1 + ln(occurrences); then the vector is divided by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// 2 to the power of this many columns, 1 … 24.
    pub hash_bits: u32,
    /// Words in the longest n-gram, 1 … 3.
    pub ngrams: u32,
    /// Words of each field that are read, from its beginning.
    pub max_words: u32,
}

impl Features {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        1 << self.hash_bits.clamp(1, 24)
    }

    /// The columns that are not zero, rising, with their values.
    pub fn extract(&self, title: Option<&str>, text: &str) -> Vec<(u32, f32)> {
        let mut columns = Vec::new();
        self.hash(0, text, &mut columns);
        if let Some(title) = title {
            self.hash(1, title, &mut columns);
        }
        columns.sort_unstable();
        let mut vector: Vec<(u32, f32)> =
            columns.chunk_by(|a, b| a == b).map(|same| (same[0], 1.0 + (same.len() as f32).ln())).collect();
        let length = vector.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|(_, value)| *value /= length);
        vector
    }

    fn hash(&self, field: u8, text: &str, columns: &mut Vec<u32>) {
        let ngrams = self.ngrams.clamp(1, 3) as usize;
        // The hashes of the n-grams that end at the word before, the longest first.
        let mut open: Vec<u64> = Vec::with_capacity(ngrams);
        for word in words(text).take(self.max_words as usize) {
            if open.len() == ngrams {
                open.remove(0);
            }
            open.push(fnv(FNV_OFFSET, &[field]));
            for hash in &mut open {
                *hash = fnv(fnv(*hash, word.as_bytes()), &[0]);
                columns.push(self.fold(*hash));
            }
        }
    }

    fn fold(&self, hash: u64) -> u32 {
        let bits = self.hash_bits.clamp(1, 24);
        ((hash ^ (hash >> 32)) & ((1 << bits) - 1)) as u32
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a (draft-eastlake-fnv): spreads words over columns; it protects nothing.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            let first = rest.next()?;
            if "!?$%".contains(first) {
                return Some(first.to_string());
            }
            if first.is_alphanumeric() {
                let mut word: String = first.to_lowercase().collect();
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric()) {
                    word.extend(next.to_lowercase());
                }
                return Some(word);
            }
        }
    })
}

/// Texts as sparse rows, with labels and the index of the record each came from.
#[derive(Debug, Clone)]
pub struct TextSet {
    features: Features,
    /// Where each row ends.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    labels: Vec<u32>,
    records: Vec<u64>,
}

impl TextSet {
    /// A set without texts.
    pub fn new(features: Features) -> Self {
        let (ends, columns, values, labels, records) = Default::default();
        Self { features, ends, columns, values, labels, records }
    }

    /// Adds one record's text with its label. On an error the set is as it was before.
    pub fn push(
        &mut self,
        record: u64,
        title: Option<&str>,
        text: &str,
        label: u64,
    ) -> Result<(), DatasetError> {
        let class = DatasetError::class(record, label)?;
        for part in [Some(text), title].into_iter().flatten() {
            if part.len() > MAX_TEXT_BYTES {
                return Err(DatasetError::TextTooLarge { record, bytes: part.len(), max: MAX_TEXT_BYTES });
            }
        }
        let vector = self.features.extract(title, text);
        if (self.columns.len() + vector.len()) * 8 > MAX_SET_BYTES {
            return Err(DatasetError::SetTooLarge { record, max: MAX_SET_BYTES });
        }
        self.columns.extend(vector.iter().map(|(column, _)| column));
        self.values.extend(vector.iter().map(|(_, value)| value));
        self.ends.push(self.columns.len());
        self.labels.push(class);
        self.records.push(record);
        Ok(())
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the set has no text.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Labels, in the order of the texts.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Index in its collection of the record behind each text.
    pub fn records(&self) -> &[u64] {
        &self.records
    }

    /// Columns of text `position` and their values; empty when out of range.
    pub fn row(&self, position: usize) -> (&[u32], &[f32]) {
        let Some(end) = self.ends.get(position) else { return (&[], &[]) };
        let start = position.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        (&self.columns[start..*end], &self.values[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: Features = Features { hash_bits: 16, ngrams: 2, max_words: 100 };

    #[test]
    fn words_are_letters_digits_and_four_signs() {
        let found: Vec<_> = words("Win $1,000 NOW!! naïve—Größe, it's").collect();
        assert_eq!(found, ["win", "$", "1", "000", "now", "!", "!", "naïve", "größe", "it", "s"]);
        assert_eq!(words(" \t—").count(), 0);
    }

    #[test]
    fn vectors_are_sparse_sorted_and_of_length_one() {
        let vector = FEATURES.extract(None, "spam spam eggs");
        // spam, eggs, "spam spam", "spam eggs".
        assert_eq!(vector.len(), 4);
        assert!(vector.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!((vector.iter().map(|(_, value)| value * value).sum::<f32>() - 1.0).abs() < 1e-6);
        // FNV-1a of 00 "spam" 00, folded: what other programs compute too.
        let column = FEATURES.fold(fnv(FNV_OFFSET, b"\0spam\0"));
        let heaviest = vector.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(heaviest.0, column);
        // draft-eastlake-fnv: FNV-1a of "foobar".
        assert_eq!(fnv(FNV_OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
        assert_ne!(FEATURES.extract(Some("spam"), ""), FEATURES.extract(None, "spam"));
        assert_eq!(FEATURES.extract(None, "").len(), 0);
        let short = Features { max_words: 1, ..FEATURES };
        assert_eq!(short.extract(None, "a b c"), short.extract(None, "a"));
    }

    #[test]
    fn rows_come_back_and_bad_records_leave_the_set_alone() {
        let mut set = TextSet::new(FEATURES);
        set.push(3, None, "one two", 1).unwrap();
        set.push(4, None, "", 0).unwrap();
        set.push(9, Some("three"), "four", 2).unwrap();
        assert!(matches!(
            set.push(10, None, "x", 1_000),
            Err(DatasetError::LabelOutOfRange { record: 10, .. })
        ));
        let long = "a".repeat(MAX_TEXT_BYTES + 1);
        assert!(matches!(set.push(11, None, &long, 0), Err(DatasetError::TextTooLarge { record: 11, .. })));
        assert_eq!((set.len(), set.labels(), set.records()), (3, &[1, 0, 2][..], &[3, 4, 9][..]));
        assert_eq!((set.row(0).0.len(), set.row(1).0.len(), set.row(2).0.len()), (3, 0, 2));
        assert_eq!(set.row(3).0.len(), 0);
    }
}
