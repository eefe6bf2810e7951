//! E-mail addresses and usernames: form and comparison (spec/auth.md rule 21).

use unicode_normalization::UnicodeNormalization as _;

/// The longest e-mail address, in bytes (RFC 5321 section 4.5.3.1.3 less the angle brackets).
pub const MAX_EMAIL: usize = 254;
/// The longest username, in characters: what the source systems allow.
pub const MAX_USERNAME: usize = 150;
/// The longest first or last name, in characters.
pub const MAX_NAME: usize = 150;

/// What two spellings of a login name are compared by: NFC, trimmed, lower case.
#[must_use]
pub fn normalised(name: &str) -> String {
    // lower case first: folding some letters leaves a combining mark that NFC then joins
    name.trim().to_lowercase().nfc().collect()
}

/// As it is kept and shown: NFC, trimmed, with the writer's case.
#[must_use]
pub fn kept(name: &str) -> String {
    name.trim().nfc().collect()
}

/// Says what is wrong with an e-mail address, or nothing. Form only: whether it receives mail is another question.
#[must_use]
pub fn refuse_email(email: &str) -> Option<&'static str> {
    let email = email.trim();
    if email.len() > MAX_EMAIL {
        return Some("must have at most 254 characters");
    }
    let valid = email
        .rsplit_once('@')
        .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    (!valid).then_some("is not an e-mail address")
}

/// Says what is wrong with a username, or nothing. `@` is left to e-mail addresses, so that no username looks like
/// somebody else's address.
#[must_use]
pub fn refuse_username(username: &str) -> Option<&'static str> {
    let username = kept(username);
    match username.chars().count() {
        0 => return Some("must not be empty"),
        n if n > MAX_USERNAME => return Some("must have at most 150 characters"),
        _ => {}
    }
    if username
        .chars()
        .all(|c| c.is_alphanumeric() || "._+- '".contains(c))
    {
        None
    } else {
        Some("may have letters, digits and . _ + - ' only")
    }
}

/// Says what is wrong with a first or last name, or nothing. It may be empty.
#[must_use]
pub fn refuse_name(name: &str) -> Option<&'static str> {
    if name.chars().count() > MAX_NAME {
        Some("must have at most 150 characters")
    } else if name.chars().any(char::is_control) {
        Some("must not contain control characters")
    } else {
        None
    }
}

fn is_local_part(local: &str) -> bool {
    // the dot-atom of RFC 5322, letters of any script (RFC 6531); quoted local parts are refused
    (1..=64).contains(&local.len())
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_atom_char(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c)
}

fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    labels.len() >= 2
        && domain.len() <= 253
        && labels.iter().all(|label| is_label(label))
        && labels
            .last()
            .is_some_and(|top| !top.chars().all(|c| c.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_the_same_are_the_same() {
        assert_eq!(normalised("  Ines@X.org "), "ines@x.org");
        assert_eq!(normalised("ZOE\u{0308}@x.org"), normalised("zoë@x.org"));
        assert_eq!(normalised("ÄRGER"), "ärger");
    }

    #[test]
    fn addresses_are_judged_by_their_form() {
        for good in [
            "a@b.co",
            "first.last+tag@sub.example.org",
            "o'neil@x-y.org",
            "jörg@schule.de",
            "a@münchen.de",
        ] {
            assert_eq!(refuse_email(good), None, "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a b@c.de",
            "a@b..de",
            ".a@b.de",
            "a.@b.de",
            "a@-b.de",
            "a@b.123",
            "a@b@c.de",
            "a@b.de\n.x",
            "<a@b.de>",
            "a,b@c.de",
        ] {
            assert!(refuse_email(bad).is_some(), "{bad}");
        }
        assert_eq!(
            refuse_email(&format!(
                "{}@{}.{}.{}.org",
                "l".repeat(64),
                "d".repeat(61),
                "d".repeat(61),
                "d".repeat(61)
            )),
            None
        );
        assert!(
            refuse_email(&format!(
                "{}@{}.{}.{}.orga",
                "l".repeat(64),
                "d".repeat(61),
                "d".repeat(61),
                "d".repeat(61)
            ))
            .is_some()
        );
        assert!(refuse_email(&format!("{}@x.org", "l".repeat(65))).is_some());
    }

    #[test]
    fn a_username_cannot_look_like_an_address() {
        assert_eq!(refuse_username("ines.roy"), None);
        assert_eq!(refuse_username("Zoë O'Neil-2"), None);
        for bad in ["", "   ", "ines@x.org", "a/b", "a\u{0}b", "a\nb", "a,b"] {
            assert!(refuse_username(bad).is_some(), "{bad:?}");
        }
        assert!(refuse_username(&"x".repeat(151)).is_some());
    }

    proptest::proptest! {
        #[test]
        fn normalising_twice_changes_nothing(name in "\\PC{0,40}") {
            let once = normalised(&name);
            proptest::prop_assert_eq!(normalised(&once), once);
        }
    }
}
