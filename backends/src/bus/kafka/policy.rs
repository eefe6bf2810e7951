//! What a topic should be like, and what of it may be changed where it is otherwise.

use std::collections::BTreeMap;

use super::super::{Retention, TopicPolicy, dead_letters};
use super::settings::{LARGEST, Settings};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;
/// Dead letters wait this long for an operator.
const DEAD_LETTER_DAYS: i64 = 30;

/// A topic that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name, without the prefix.
    pub(super) topic: String,
    pub(super) partitions: i32,
    pub(super) configs: BTreeMap<&'static str, String>,
}

/// What to do about a topic that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) configs: BTreeMap<&'static str, String>,
    /// What stays as it is although it should not, with what to do about it.
    pub(super) left: Vec<String>,
}

/// The topic and the one of its dead letters.
pub(super) fn wanted(policy: &TopicPolicy, settings: &Settings) -> [Wanted; 2] {
    let kept = match policy.retention {
        Retention::Days(days) => by_time(i64::from(days)),
        Retention::Compacted => vec![
            ("cleanup.policy", "compact".to_owned()),
            // what follows sees every change for an hour
            ("min.compaction.lag.ms", "3600000".to_owned()),
        ],
    };
    let mut letters = by_time(DEAD_LETTER_DAYS);
    letters.push(("max.message.bytes", LARGEST.to_string()));
    [
        topic(policy.name.to_owned(), settings.partitions, kept),
        // one partition, so that a letter is named by one number
        topic(dead_letters(policy.name), 1, letters),
    ]
}

fn by_time(days: i64) -> Vec<(&'static str, String)> {
    vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", (days * DAY).to_string()),
    ]
}

fn topic(topic: String, partitions: i32, configs: Vec<(&'static str, String)>) -> Wanted {
    let everywhere = [
        // the newest file of a partition is neither compacted nor deleted, so it is not written to for a week
        ("segment.ms", DAY.to_string()),
        // when the log took it, whatever clock a producer has
        ("message.timestamp.type", "LogAppendTime".to_owned()),
    ];
    Wanted {
        topic,
        partitions,
        configs: configs.into_iter().chain(everywhere).collect(),
    }
}

impl Wanted {
    pub(super) fn is_compacted(&self) -> bool {
        self.configs
            .get("cleanup.policy")
            .is_some_and(|policy| policy == "compact")
    }

    /// What is changed of a topic with these settings: everything but what would lose records. Deleting what is compacted
    /// loses the oldest states, and a shorter time loses what somebody may have wanted to keep longer.
    pub(super) fn change(&self, found: &BTreeMap<String, String>) -> Change {
        let mut change = Change::default();
        for (name, value) in &self.configs {
            let Some(is) = found.get(*name).filter(|is| *is != value) else {
                continue;
            };
            let loses = match *name {
                "cleanup.policy" => value == "delete",
                "retention.ms" => shorter(value, is),
                "max.message.bytes" => shorter(value, is),
                _ => false,
            };
            if loses {
                change.left.push(format!(
                    "{name} of topic `{}` is {is} and should be {value}: that would remove records, so do it by hand",
                    self.topic
                ));
            } else {
                change.configs.insert(name, value.clone());
            }
        }
        change
    }
}

/// Whether less is kept; -1 is for ever.
fn shorter(value: &str, is: &str) -> bool {
    let number = |text: &str| match text.parse::<i64>() {
        Ok(number) if number >= 0 => number,
        _ => i64::MAX,
    };
    number(value) < number(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(retention: Retention) -> Wanted {
        let policy = TopicPolicy {
            name: "a",
            retention,
        };
        let settings = Settings::parse("//h?partitions=3").unwrap();
        let [topic, letters] = wanted(&policy, &settings);
        assert_eq!((letters.topic.as_str(), letters.partitions), ("a.dlq", 1));
        assert_eq!(letters.configs["retention.ms"], "2592000000");
        assert_eq!(topic.partitions, 3);
        topic
    }

    fn found(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_right_is_left_alone() {
        let topic = of(Retention::Days(7));
        assert_eq!(topic.configs["retention.ms"], "604800000");
        let same = topic
            .configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        assert_eq!(topic.change(&same), Change::default());
        assert_eq!(topic.change(&found(&[("other", "1")])), Change::default());
    }

    #[test]
    fn what_keeps_more_is_changed_and_what_loses_records_is_only_told() {
        let (days, state) = (of(Retention::Days(7)), of(Retention::Compacted));
        assert!(state.is_compacted() && !days.is_compacted());
        for (topic, is, changed) in [
            (&days, ("retention.ms", "1000"), true),
            (&days, ("retention.ms", "-1"), false),
            (&days, ("retention.ms", "604800001"), false),
            (&days, ("cleanup.policy", "compact"), false),
            (&state, ("cleanup.policy", "delete"), true),
            (&state, ("min.compaction.lag.ms", "0"), true),
            (&days, ("message.timestamp.type", "CreateTime"), true),
            (&days, ("segment.ms", "604800000"), true),
        ] {
            let change = topic.change(&found(&[is]));
            assert_eq!(change.configs.contains_key(is.0), changed, "{is:?}");
            assert_eq!(change.left.is_empty(), changed, "{is:?}");
        }
    }
}
