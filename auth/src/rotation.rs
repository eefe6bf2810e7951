//! What a presented refresh token leads to (spec/auth.md rule 5). Arithmetic only; the rows are the store's.

use chrono::{DateTime, TimeDelta, Utc};

/// How long after its use a token may be shown again: a lost answer, or two tabs at once.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);
/// How many siblings the grace gives beside the first successor.
pub const SIBLINGS: i64 = 3;

/// What is known of a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// When it ends unused.
    pub expires_at: DateTime<Utc>,
    /// When it was first used.
    pub used_at: Option<DateTime<Utc>>,
    /// How many tokens were issued for it.
    pub children: i64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Issue a successor.
    Rotate,
    /// Issue nothing more, end nothing: 409 `refresh_in_progress`.
    InProgress,
    /// It was replaced a while ago, so somebody holds a copy: end the session, 401 `refresh_reused`.
    Reused,
    /// It was not used in time: 401 `refresh_expired`.
    Expired,
}

/// Judges a token of a session that is alive.
#[must_use]
pub fn judge(token: Known, now: DateTime<Utc>) -> Step {
    match token.used_at {
        Some(used_at) if now - used_at > GRACE => Step::Reused,
        _ if now >= token.expires_at => Step::Expired,
        Some(_) if token.children > SIBLINGS => Step::InProgress,
        _ => Step::Rotate,
    }
}

/// When a token issued now ends: idle life, and never after the session.
#[must_use]
pub fn expiry(now: DateTime<Utc>, idle: TimeDelta, absolute: DateTime<Utc>) -> DateTime<Utc> {
    (now + idle).min(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn the_example_of_rule_5_holds() {
        let fresh = Known {
            expires_at: at(7 * 86_400),
            used_at: None,
            children: 0,
        };
        assert_eq!(judge(fresh, at(0)), Step::Rotate);
        let used = Known {
            used_at: Some(at(0)),
            children: 1,
            ..fresh
        };
        assert_eq!(judge(used, at(6)), Step::Rotate);
        assert_eq!(
            judge(
                Known {
                    children: 2,
                    ..used
                },
                at(11)
            ),
            Step::Reused
        );
    }

    #[test]
    fn the_grace_ends_after_ten_whole_seconds() {
        let used = Known {
            expires_at: at(1000),
            used_at: Some(at(0)),
            children: 1,
        };
        assert_eq!(judge(used, at(10)), Step::Rotate);
        assert_eq!(
            judge(used, at(10) + TimeDelta::microseconds(1)),
            Step::Reused
        );
    }

    #[test]
    fn a_token_never_outlives_its_session() {
        assert_eq!(expiry(at(0), TimeDelta::days(7), at(100)), at(100));
        assert_eq!(
            expiry(at(0), TimeDelta::days(7), at(90 * 86_400)),
            at(7 * 86_400)
        );
    }

    proptest! {
        #[test]
        fn one_token_gives_at_most_four_successors_before_the_session_ends(presented in proptest::collection::vec(0i64..25, 1..60)) {
            let mut times = presented;
            times.sort_unstable();
            let mut token = Known { expires_at: at(7 * 86_400), used_at: None, children: 0 };
            let mut ended = false;
            for second in times.iter().copied() {
                match judge(token, at(second)) {
                    Step::Rotate => { token.used_at.get_or_insert(at(second)); token.children += 1; }
                    Step::InProgress => prop_assert_eq!(token.children, 1 + SIBLINGS),
                    Step::Reused => { ended = true; break; }
                    Step::Expired => prop_assert!(false, "no time of the test is beyond the expiry"),
                }
            }
            let first = times[0];
            prop_assert!(token.children <= 1 + SIBLINGS);
            prop_assert_eq!(ended, times.iter().any(|second| second - first > 10));
        }
    }
}
