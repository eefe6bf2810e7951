//! Which new passwords are accepted (spec/auth.md rule 14).

/// The longest password, in characters.
pub const MAX_CHARS: usize = 256;

/// 10,000 passwords that people choose, lower case, sorted by bytes (`data/README.md` says where they come from).
#[derive(Debug, Clone)]
pub struct Denylist(Vec<&'static str>);

impl Default for Denylist {
    fn default() -> Self {
        Self(
            include_str!("../../data/common-passwords.txt")
                .lines()
                .collect(),
        )
    }
}

impl Denylist {
    /// Whether the password is on the list; upper and lower case are the same.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        self.0
            .binary_search(&password.to_lowercase().as_str())
            .is_ok()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The rules for a new password.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    min_chars: usize,
    denylist: Option<Denylist>,
}

impl PasswordRules {
    /// `min_chars` as `auth.password_min`; `common` refuses common ones (`auth.password_denylist`).
    #[must_use]
    pub fn new(min_chars: usize, common: bool) -> Self {
        Self {
            min_chars,
            denylist: common.then(Denylist::default),
        }
    }

    /// Says what is wrong with a new password of the person with these login names, or nothing.
    #[must_use]
    pub fn refuse(&self, password: &str, email: Option<&str>, username: &str) -> Option<String> {
        let chars = password.chars().count();
        if chars < self.min_chars {
            return Some(format!("must have at least {} characters", self.min_chars));
        }
        if chars > MAX_CHARS {
            return Some(format!("must have at most {MAX_CHARS} characters"));
        }
        if password.contains('\0') {
            return Some("must not contain a NUL character".to_owned());
        }
        let folded = password.to_lowercase();
        if folded == username.to_lowercase() || email.is_some_and(|e| folded == e.to_lowercase()) {
            return Some("must not be the e-mail address or the username".to_owned());
        }
        if self
            .denylist
            .as_ref()
            .is_some_and(|list| list.contains(password))
        {
            return Some("is one of the most common passwords".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(password: &str) -> Option<String> {
        PasswordRules::new(8, true).refuse(password, Some("Ines@X.org"), "ines.roy.2027")
    }

    #[test]
    fn the_list_has_ten_thousand_sorted_different_entries() {
        let list = Denylist::default();
        assert_eq!(list.len(), 10_000);
        assert!(list.0.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn length_is_counted_in_characters_and_both_ends_are_allowed() {
        assert!(refused("zu kurz").is_some());
        assert_eq!(refused("äöüßäöüß"), None);
        assert_eq!(refused(&"ü".repeat(256)), None);
        assert!(refused(&"ü".repeat(257)).is_some());
    }

    #[test]
    fn names_common_words_and_nul_are_refused() {
        assert!(refused("INES@x.org").is_some());
        assert!(refused("Ines.Roy.2027").is_some());
        assert!(refused("PassWord123").is_some());
        assert!(refused("good\0password").is_some());
        assert_eq!(refused("correct horse battery staple"), None);
        assert_eq!(
            PasswordRules::new(8, false).refuse("password123", None, "x"),
            None
        );
    }
}
