//! A search as it was typed → the words that have to be found.

/// Longest search, in characters.
const MAX_SEARCH: usize = 256;
/// So many words of a search count.
const MAX_WORDS: usize = 8;

/// The words, in lower case; none where the text has none, which then finds everything.
///
/// # Errors
/// Why it can't be searched for.
pub(crate) fn search_words(text: &str) -> Result<Vec<String>, String> {
    let length = text.chars().count();
    if length > MAX_SEARCH {
        return Err(format!("search: at most {MAX_SEARCH} characters, got {length}"));
    }
    Ok(crate::documents::words(text).take(MAX_WORDS).collect())
}
