//! Who is in the demo school and what they wrote: the same every time for one seed.

use contracts::Role;

/// Somebody of the demo school.
pub(super) struct Who {
    pub(super) username: &'static str,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) role: Role,
}

/// Everybody with a login.
pub(super) const PEOPLE: [Who; 8] = [
    Who {
        username: "office",
        first_name: "Maren",
        last_name: "Holt",
        role: Role::Admin,
    },
    Who {
        username: "ines",
        first_name: "Ines",
        last_name: "Roy",
        role: Role::Teacher,
    },
    Who {
        username: "tom",
        first_name: "Tom",
        last_name: "Okafor",
        role: Role::Teacher,
    },
    Who {
        username: "sara",
        first_name: "Sara",
        last_name: "Lind",
        role: Role::Staff,
    },
    Who {
        username: "mia",
        first_name: "Mia",
        last_name: "Petrov",
        role: Role::Student,
    },
    Who {
        username: "omar",
        first_name: "Omar",
        last_name: "Haddad",
        role: Role::Student,
    },
    Who {
        username: "li",
        first_name: "Li",
        last_name: "Wen",
        role: Role::Student,
    },
    Who {
        username: "anna",
        first_name: "Anna",
        last_name: "Petrov",
        role: Role::Guardian,
    },
];

/// Author, title, content, tags, audience.
type Fixed = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// The newest posts, the same for every seed.
const NEWEST: [Fixed; 6] = [
    (
        "office",
        "Welcome to the new term",
        "<p>The school is open from <b>7:30</b>. The new timetables hang beside the library.</p>",
        &["term"],
        &["school"],
    ),
    (
        "ines",
        "Trip to the science museum",
        "<p>We leave on Friday at 8:15 from the main gate. Bring:</p><ul><li>a packed lunch</li><li>a coat</li></ul>",
        &["trip", "science"],
        &["school"],
    ),
    (
        "tom",
        "Football practice moved",
        "<p>This week on <em>Thursday</em>, same time.</p>",
        &["sport"],
        &["school"],
    ),
    (
        "office",
        "Staff meeting",
        "<p>Wednesday at 15:30 in the library.</p>",
        &[],
        &["role:teacher", "role:staff"],
    ),
    (
        "office",
        "Parents' evening",
        "<p>On the 12th from 17:00. Please sign up in the office.</p>",
        &["parents"],
        &["role:guardian", "role:teacher"],
    ),
    (
        "tom",
        "Chess club looks for players",
        "<p>Mondays after school, room 14. Beginners are welcome.</p>",
        &["club"],
        &["school"],
    ),
];

/// A post to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Who writes it.
    pub(super) author: &'static str,
    /// Plain text.
    pub(super) title: String,
    /// HTML.
    pub(super) content: String,
    /// Its tags.
    pub(super) tags: Vec<&'static str>,
    /// For whom.
    pub(super) audience: Vec<&'static str>,
}

/// How many posts are made up below the six that are always there: more than a page.
const MADE_UP: usize = 24;

const AUTHORS: [&str; 3] = ["office", "ines", "tom"];
const DAYS: [&str; 5] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
/// What it is, its tag, and a sentence about it.
const EVENTS: [(&str, &str, &str); 10] = [
    (
        "Library closes early",
        "library",
        "Books can be returned until noon.",
    ),
    (
        "Swimming",
        "sport",
        "Please bring a towel and a lock for the locker.",
    ),
    (
        "School photos",
        "photos",
        "One class after another, in the order on the board.",
    ),
    (
        "Lost property",
        "office",
        "Three jackets and one left shoe are waiting.",
    ),
    ("Choir rehearsal", "music", "In the hall, the small stage."),
    ("Science fair", "science", "Tables are put up from 8:00 on."),
    ("Bake sale", "parents", "For the trip of the seventh year."),
    (
        "Fire drill",
        "safety",
        "Sometime in the morning; stay calm and leave everything.",
    ),
    (
        "Reading hour",
        "library",
        "Bring a book you like and read from it.",
    ),
    (
        "Garden group",
        "club",
        "We plant onions. Old clothes are welcome.",
    ),
];

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % bound as u64) as usize
    }
}

/// Everything that is published, oldest first.
pub(super) fn posts(seed: u64) -> Vec<Text> {
    let mut chance = Chance(seed);
    let mut posts: Vec<Text> = (0..MADE_UP)
        .map(|_| {
            let (what, tag, sentence) = EVENTS[chance.below(EVENTS.len())];
            let day = DAYS[chance.below(DAYS.len())];
            Text {
                author: AUTHORS[chance.below(AUTHORS.len())],
                title: format!("{what} on {day}"),
                content: format!("<p>On <b>{day}</b>. {sentence}</p>"),
                tags: vec![tag],
                audience: vec!["school"],
            }
        })
        .collect();
    posts.extend(
        NEWEST
            .iter()
            .map(|(author, title, content, tags, audience)| Text {
                author,
                title: (*title).to_owned(),
                content: (*content).to_owned(),
                tags: tags.to_vec(),
                audience: audience.to_vec(),
            }),
    );
    posts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_one_school_and_another_seed_another() {
        assert_eq!(posts(1), posts(1));
        assert_ne!(posts(1), posts(2));
        assert_eq!(posts(2).len(), MADE_UP + NEWEST.len());
    }

    #[test]
    fn every_author_has_a_login() {
        for post in posts(3) {
            assert!(
                PEOPLE.iter().any(|who| who.username == post.author),
                "{}",
                post.author
            );
        }
    }
}
