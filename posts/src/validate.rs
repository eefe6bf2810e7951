//! What a post may consist of (spec/posts.md rule 13). A title is text and is never changed; content is cleaned, tags are
//! brought into one form.

use contracts::html;
use kit::FieldErrors;

/// Most characters of a title.
pub const TITLE_MAX: usize = 200;
/// Most characters of a content, as sent and as kept: what was read can always be sent back.
pub const CONTENT_MAX: usize = 50_000;
/// Most tags of a post.
pub const TAGS_MAX: usize = 20;
/// Most characters of one tag.
pub const TAG_MAX: usize = 40;
/// Contents up to this many bytes are cleaned where they are; longer ones on a thread for blocking work.
const CLEAN_INLINE: usize = 2048;

/// Checks a title: 1 to 200 characters, one line, plain text that is kept as it is.
pub fn title(text: &str, errors: &mut FieldErrors) {
    if text.trim().is_empty() {
        errors.add("title", "must not be blank");
    } else if text.chars().count() > TITLE_MAX {
        errors.add("title", format!("must be at most {TITLE_MAX} characters"));
    } else if text.contains(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}']) {
        errors.add("title", "must be a single line");
    } else if text.chars().any(char::is_control) {
        errors.add("title", "must not contain control characters");
    }
}

/// Checks a content and cleans it (rule 14). The answer means nothing when an error was added.
pub async fn content(text: String, errors: &mut FieldErrors) -> String {
    if text.chars().count() > CONTENT_MAX {
        errors.add(
            "content",
            format!("must be at most {CONTENT_MAX} characters"),
        );
        return text;
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        errors.add("content", "must not contain control characters");
        return text;
    }
    let clean = if text.len() <= CLEAN_INLINE {
        html::clean_within(&text, CONTENT_MAX)
    } else {
        match tokio::task::spawn_blocking(move || html::clean_within(&text, CONTENT_MAX)).await {
            Ok(clean) => clean,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    };
    clean.unwrap_or_else(|| {
        errors.add(
            "content",
            format!("must be at most {CONTENT_MAX} characters once cleaned"),
        );
        String::new()
    })
}

/// Most characters of a moderator's reason.
pub const REASON_MAX: usize = 500;

/// Checks a moderator's reason and trims it: it is asked for, shown to the author and kept in the audit.
pub fn reason(text: &str, errors: &mut FieldErrors) -> String {
    let text = text.trim();
    if text.is_empty() {
        errors.add("reason", "is required to change another's post");
    } else if text.chars().count() > REASON_MAX {
        errors.add("reason", format!("must be at most {REASON_MAX} characters"));
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        errors.add("reason", "must not contain control characters");
    }
    text.to_owned()
}

/// Tags in their one form: trimmed, lower case, unique, in the given order.
pub fn tags(given: &[String], errors: &mut FieldErrors) -> Vec<String> {
    let mut tags: Vec<String> = Vec::with_capacity(given.len().min(TAGS_MAX));
    for (i, tag) in given.iter().enumerate() {
        let tag = tag_form(tag);
        if tag.is_empty() || tag.chars().count() > TAG_MAX {
            errors.add(
                format!("tags[{i}]"),
                format!("must be 1 to {TAG_MAX} characters"),
            );
        } else if tag
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            errors.add(format!("tags[{i}]"), "must not contain control characters");
        } else if !tags.contains(&tag) {
            if tags.len() == TAGS_MAX {
                errors.add("tags", format!("must be at most {TAGS_MAX}"));
                return tags;
            }
            tags.push(tag);
        }
    }
    tags
}

/// The one form of a tag, in a post as in a filter.
#[must_use]
pub fn tag_form(tag: &str) -> String {
    tag.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(check: impl FnOnce(&mut FieldErrors)) -> Vec<String> {
        let mut errors = FieldErrors::default();
        check(&mut errors);
        errors.names().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_title_is_one_line_of_1_to_200_characters() {
        for good in [
            "x",
            " spaces stay ",
            "<b>not markup</b>",
            &"ü".repeat(200),
            "مرحبا",
        ] {
            assert!(refused(|e| title(good, e)).is_empty(), "{good}");
        }
        for bad in [
            "",
            "  ",
            "\u{a0}",
            &"ü".repeat(201),
            "a\nb",
            "a\rb",
            "a\tb",
            "a\0b",
            "a\u{7f}b",
            "a\u{2028}b",
            "a\u{85}b",
        ] {
            assert_eq!(refused(|e| title(bad, e)), ["title"], "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_content_may_be_empty_and_has_up_to_50_000_characters_before_and_after_cleaning() {
        for (text, good) in [
            (String::new(), true),
            ("ü".repeat(50_000), true),
            ("ü".repeat(50_001), false),
            ("<script>1</script>".repeat(3_000), false),
            ("<b>".repeat(10_000), false),
            ("a\tb\r\nc".to_owned(), true),
            ("a\0b".to_owned(), false),
            ("a\u{1b}b".to_owned(), false),
        ] {
            let mut errors = FieldErrors::default();
            let start: String = text.chars().take(20).collect();
            content(text, &mut errors).await;
            assert_eq!(errors.names().is_empty(), good, "{start:?}");
        }
    }

    #[test]
    fn tags_are_trimmed_lower_case_unique_and_keep_their_order() {
        let mut errors = FieldErrors::default();
        let given = [" Zoo ", "ÄRGER", "zoo", "a b"].map(str::to_owned);
        assert_eq!(tags(&given, &mut errors), ["zoo", "ärger", "a b"]);
        assert!(errors.names().is_empty());
    }

    #[test]
    fn a_tag_that_cannot_be_kept_is_named_by_its_place() {
        let given = [
            "ok".to_owned(),
            " ".to_owned(),
            "x".repeat(41),
            "a\0".to_owned(),
        ];
        assert_eq!(
            refused(|e| drop(tags(&given, e))),
            ["tags[1]", "tags[2]", "tags[3]"]
        );
        let many: Vec<_> = (0..21).map(|i| format!("t{i}")).collect();
        assert_eq!(refused(|e| drop(tags(&many, e))), ["tags"]);
        let twice: Vec<_> = (0..40).map(|i| format!("t{}", i / 2)).collect();
        assert!(refused(|e| drop(tags(&twice, e))).is_empty());
    }
}
