//! What `dlq` prints.

use std::fmt::Write as _;

use backends::dead_letters::{DeadLetter, Done, Listing, Which};

use super::Verb;

/// For programs.
pub(super) fn json(listing: &Listing) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(listing)?)
}

/// For people: one line per letter, below it the payload where it was asked for.
pub(super) fn table(listing: &Listing) -> String {
    let letters = &listing.dead_letters;
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let rows: Vec<[String; 4]> = letters
        .iter()
        .map(|letter| {
            [
                letter.topic.clone(),
                letter.offset.to_string(),
                age(letter.age_seconds),
                plain(&letter.reason),
            ]
        })
        .collect();
    let heads = ["TOPIC", "OFFSET", "AGE", "REASON"];
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([heads[column].len()])
            .max()
            .unwrap_or(0)
    };
    let (topic, offset, age) = (width(0), width(1), width(2));
    let mut text = format!(
        "{:topic$}  {:>offset$}  {:age$}  {}",
        heads[0], heads[1], heads[2], heads[3]
    );
    for (row, letter) in rows.iter().zip(letters) {
        let _ = write!(
            text,
            "\n{:topic$}  {:>offset$}  {:age$}  {}",
            row[0], row[1], row[2], row[3]
        );
        if let Some(payload) = shown(letter) {
            let _ = write!(text, "\n    {payload}");
        }
    }
    if listing.total > letters.len() as i64 {
        let _ = write!(text, "\n{} of {} are shown", letters.len(), listing.total);
    }
    text
}

fn shown(letter: &DeadLetter) -> Option<String> {
    Some(plain(letter.payload.as_deref()?))
}

/// What came of a replay or a drop.
pub(super) fn done(verb: Verb, topic: &str, which: Which, done: Done, dry_run: bool) -> String {
    let letters = match (done.letters, which) {
        (0, Which::All) => return "no dead letters".to_owned(),
        (0, Which::One(offset)) => {
            return format!("dead letter {offset} of {topic} is gone already");
        }
        (1, Which::One(offset)) => format!("dead letter {offset} of {topic}"),
        (1, Which::All) => format!("1 dead letter of {topic}"),
        (count, _) => format!("{count} dead letters of {topic}"),
    };
    let (will, was) = match verb {
        Verb::Replay => ("replay", "replayed"),
        Verb::Drop => ("drop", "dropped"),
    };
    if dry_run {
        return format!("would {will} {letters}");
    }
    match done.superseded {
        0 => format!("{was} {letters}"),
        count => format!(
            "{was} {letters}; {count} not published, since newer state of the same key is there"
        ),
    }
}

/// In the largest unit that says enough.
fn age(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

/// On one line and without what would steer a terminal: these words come from outside.
fn plain(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64, age_seconds: i64, reason: &str) -> DeadLetter {
        DeadLetter {
            topic: "posts-events".to_owned(),
            offset,
            origin: None,
            key: None,
            reason: reason.to_owned(),
            first_seen: chrono::DateTime::UNIX_EPOCH,
            age_seconds,
            payload: None,
        }
    }

    #[test]
    fn the_table_is_aligned_and_nothing_in_it_steers_a_terminal() {
        let mut shown = letter(12, 200_000, "no \u{1b}[2Jclear");
        shown.payload = Some("a\nb".to_owned());
        let listing = Listing {
            dead_letters: vec![letter(3, 3 * 3600, "does not parse"), shown],
            total: 5,
        };
        assert_eq!(
            table(&listing),
            "TOPIC         OFFSET  AGE  REASON\n\
             posts-events       3  3 h  does not parse\n\
             posts-events      12  2 d  no \u{fffd}[2Jclear\n    a\u{fffd}b\n\
             2 of 5 are shown"
        );
        assert_eq!(table(&Listing::default()), "no dead letters");
    }

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_says_enough() {
        let told: Vec<_> = [0, 59, 60, 3599, 3600, 172_799, 172_800]
            .into_iter()
            .map(age)
            .collect();
        assert_eq!(
            told,
            ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]
        );
    }

    #[test]
    fn one_is_not_told_as_several_and_what_was_not_published_is_told() {
        let told = |letters, superseded, which| {
            done(
                Verb::Replay,
                "a",
                which,
                Done {
                    letters,
                    superseded,
                },
                false,
            )
        };
        assert_eq!(told(1, 0, Which::All), "replayed 1 dead letter of a");
        assert_eq!(told(1, 0, Which::One(7)), "replayed dead letter 7 of a");
        assert_eq!(
            told(0, 0, Which::One(7)),
            "dead letter 7 of a is gone already"
        );
        assert_eq!(
            told(3, 2, Which::All),
            "replayed 3 dead letters of a; 2 not published, since newer state of the same key is there"
        );
    }
}
