//! Finding people by what they are called: text without case and accents, compared as words.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The longest search, in characters.
pub const MAX_QUERY: usize = 100;
/// The most words of a search.
pub const MAX_WORDS: usize = 5;

/// Without case, accents and forms of a letter: "ZOË" and "zoe" are the same, as are "Weiß" and "WEISS".
#[must_use]
pub fn folded(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        // through upper case, which knows more spellings of a letter than lower case does; the capital sharp s has one only
        // once it is small
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .collect()
}

/// What is searched in: everything a person is called.
#[must_use]
pub fn haystack(first_name: &str, last_name: &str, username: &str, email: Option<&str>) -> String {
    folded(&format!(
        "{first_name} {last_name} {username} {}",
        email.unwrap_or_default()
    ))
}

/// The words of a search, folded; each must be in what is searched in, in any order.
///
/// # Errors
/// What is wrong with the search, for the field it came in.
pub fn words(query: &str) -> Result<Vec<String>, String> {
    if query.chars().count() > MAX_QUERY {
        return Err(format!("must have at most {MAX_QUERY} characters"));
    }
    if query.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    let words: Vec<String> = folded(query)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if words.len() > MAX_WORDS {
        return Err(format!("must have at most {MAX_WORDS} words"));
    }
    Ok(words)
}

/// A word as the pattern of `LIKE .. ESCAPE '!'` that finds it anywhere.
#[must_use]
pub fn pattern(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_forms_of_a_letter_do_not_matter() {
        assert_eq!(folded("ZOË Strauß"), "zoe strauss");
        assert_eq!(folded("Zoe\u{308} STRAUSS"), "zoe strauss");
        assert_eq!(folded("ΟΔΥΣΣΕΥΣ"), folded("Οδυσσεύς"));
        assert_eq!(folded("İstanbul ﬁn"), "istanbul fin");
    }

    #[test]
    fn every_character_is_folded_by_the_first_time() {
        let changed: Vec<char> = (char::MIN..=char::MAX)
            .filter(|c| {
                let once = folded(&c.to_string());
                folded(&once) != once
            })
            .collect();
        assert_eq!(changed, Vec::<char>::new());
    }

    #[test]
    fn a_search_is_at_most_five_words_of_plain_text() {
        assert_eq!(
            words("  Roy\u{a0} INÉS "),
            Ok(vec!["roy".into(), "ines".into()])
        );
        assert_eq!(words(""), Ok(vec![]));
        assert!(words("a b c d e").is_ok() && words("a b c d e f").is_err());
        assert!(words(&"x".repeat(100)).is_ok() && words(&"x".repeat(101)).is_err());
        assert!(words("a\0b").is_err() && words("a\nb").is_err());
    }

    #[test]
    fn what_like_would_take_for_a_joker_is_meant_as_written() {
        assert_eq!(pattern("50%_!x"), "%50!%!_!!x%");
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = folded(&text);
            proptest::prop_assert_eq!(folded(&once), once);
        }

        #[test]
        fn whoever_types_a_part_of_a_name_finds_it(name in "\\PC{1,30}", from in 0usize..30, length in 1usize..10) {
            let part: String = name.chars().skip(from).take(length).collect();
            let found = haystack(&name, "", "x", None);
            for word in words(&part).unwrap() {
                proptest::prop_assert!(found.contains(&word), "{word:?} in {found:?}");
            }
        }
    }
}
