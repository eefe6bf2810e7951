//! Texts (rule 4): plain text, in one normal form.

use kit::FieldErrors;
use unicode_normalization::UnicodeNormalization as _;

/// Whether a text may have more than one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It is one line.
    One,
    /// It may have line feeds.
    Many,
}

/// Trimmed, in NFC, at most `max` characters, without control characters.
pub fn text(
    name: &'static str,
    given: &str,
    max: usize,
    lines: Lines,
    errors: &mut FieldErrors,
) -> Option<String> {
    // Some clients write a line break as two characters.
    let text: String = given.replace("\r\n", "\n").trim().nfc().collect();
    if text.chars().count() > max {
        errors.add(name, format!("must be at most {max} characters"));
    } else if lines == Lines::One && text.contains(['\n', '\u{2028}', '\u{2029}', '\u{85}']) {
        errors.add(name, "must be a single line");
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        errors.add(name, "must not contain control characters");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(given: &str, max: usize, lines: Lines) -> (Option<String>, bool) {
        let mut errors = FieldErrors::default();
        let text = text("bio", given, max, lines, &mut errors);
        (text, errors.names().is_empty())
    }

    #[test]
    fn a_text_is_trimmed_composed_and_counted_in_characters() {
        for (given, kept) in [
            ("  Lund ", Some("Lund")),
            ("", None),
            (" \n\t", None),
            ("e\u{301}e\u{301}", Some("éé")),
            ("<b>as typed</b>", Some("<b>as typed</b>")),
            ("مرحبا", Some("مرحبا")),
        ] {
            assert_eq!(
                one(given, 20, Lines::One),
                (kept.map(str::to_owned), true),
                "{given:?}"
            );
        }
        assert!(one(&"ü".repeat(20), 20, Lines::One).1);
        assert!(one(&"u\u{308}".repeat(20), 20, Lines::One).1);
        assert!(!one(&"ü".repeat(21), 20, Lines::One).1);
    }

    #[test]
    fn a_line_feed_is_the_only_control_character_and_only_where_there_may_be_lines() {
        assert_eq!(
            one("a\r\nb\nc", 20, Lines::Many),
            (Some("a\nb\nc".to_owned()), true)
        );
        for bad in ["a\nb", "a\u{2028}b", "a\u{85}b"] {
            assert!(!one(bad, 20, Lines::One).1, "{bad:?}");
        }
        for bad in ["a\0b", "a\tb", "a\rb", "a\u{7f}b", "a\u{1b}[1mb"] {
            assert!(!one(bad, 20, Lines::One).1, "{bad:?}");
            assert!(!one(bad, 20, Lines::Many).1, "{bad:?}");
        }
    }
}
