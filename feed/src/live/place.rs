//! Where a live reader is: the id of an event (spec/feed.md rule 18).

use std::fmt;
use std::str::FromStr;

/// A place in a change log. Written `<generation>-<seq>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which stream: every one that is shown has a log of its own.
    pub generation: u64,
    /// The last change that is told; 0: none yet.
    pub seq: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.seq)
    }
}

/// No place in any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place in a change log")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |text: &str| {
            // A sign is no digit, though the standard parser takes one.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or(NoPlace)
        };
        let (generation, seq) = text.split_once('-').ok_or(NoPlace)?;
        Ok(Self {
            generation: number(generation)?,
            seq: number(seq)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is() {
        let place = Place {
            generation: 1_772_438_400_000_000,
            seq: 42,
        };
        assert_eq!(place.to_string(), "1772438400000000-42");
        assert_eq!("1772438400000000-42".parse(), Ok(place));
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-+2",
            "1-2-3",
            " 1-2",
            "1-2\n",
            "x-1",
            "1-99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Place>(), Err(NoPlace), "{bad:?}");
        }
    }
}
