//! Which names a file may have.

use super::Error;

const LONGEST: usize = 512;

/// Checks a name. Lower case only, so that a folder that ignores case cannot make two names one file; no leading dot,
/// which excludes `..` and leaves the dot names to the store itself.
pub(super) fn check(name: &str) -> Result<(), Error> {
    let letters = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/'));
    let segments = name
        .split('/')
        .all(|segment| !segment.is_empty() && !segment.starts_with('.') && segment.len() <= 255);
    if letters && segments && name.len() <= LONGEST {
        Ok(())
    } else {
        Err(Error::Name(name.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_leave_the_folder_or_hide_are_refused() {
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            ".hidden",
            "a/.b",
            "A",
            "a b",
            "a\\b",
            "a\0",
            "ä",
            &"a".repeat(513),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b-c_d.pdf", "0", "a..b"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_stays_inside_the_folder(name in "[a-c./_-]{0,12}") {
            if check(&name).is_ok() {
                let joined = std::path::Path::new("/root").join(&name);
                prop_assert!(joined.components().all(|part| !matches!(part, std::path::Component::ParentDir | std::path::Component::CurDir)));
                prop_assert!(joined.starts_with("/root") && joined != std::path::Path::new("/root"));
            }
        }
    }
}
