//! Text → the words by which it is found. Pure; it knows no language.

/// Longest word, in characters; longer ones are cut.
const MAX_WORD: usize = 40;

/// Runs of letters and digits, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().flat_map(char::to_lowercase).take(MAX_WORD).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_case() {
        let of = |text| words(text).collect::<Vec<_>>();
        assert_eq!(of("CC-BY-4.0, Größe' or 1=1; %_"), ["cc", "by", "4", "0", "größe", "or", "1", "1"]);
        assert_eq!(of(" \t\u{0}"), [""; 0]);
        assert_eq!(of(&"İ".repeat(100))[0].chars().count(), MAX_WORD);
    }
}
