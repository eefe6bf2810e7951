use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::bus::Record;

fn delivered(partition: i32, offset: i64, size: usize) -> Delivered {
    Delivered {
        record: Record {
            topic: "a".to_owned(),
            key: None,
            payload: Bytes::from(vec![0; size]),
            headers: BTreeMap::new(),
            event_id: None,
        },
        partition,
        offset,
        at: DateTime::UNIX_EPOCH,
    }
}

fn of(partition: i32) -> Part {
    ("a".to_owned(), partition)
}

fn take(handover: &Handover) -> Option<Delivered> {
    match handover.take()? {
        Next::Record(delivered) => Some(*delivered),
        Next::Trouble(_) => None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// The partition comes, at the place where its next record is, or goes.
    Assign(i32),
    Revoke(i32),
    Offer(i32),
    Take,
    /// The n-th last record handed out is applied, at once or long afterwards.
    Apply(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3).prop_map(Step::Assign),
        1 => (0..3).prop_map(Step::Revoke),
        6 => (0..3).prop_map(Step::Offer),
        5 => Just(Step::Take),
        5 => (0..4_usize).prop_map(Step::Apply),
    ]
}

/// One partition, naively: what was offered and not handed out, what was handed out since it is ours, what is applied.
#[derive(Default)]
struct Model {
    waiting: Vec<i64>,
    handed: Vec<i64>,
    applied: Option<i64>,
}

proptest! {
    #[test]
    fn only_what_is_ours_is_handed_out_and_noted(steps in prop::collection::vec(step(), 0..80)) {
        let handover = Handover::default();
        let mut ours: BTreeMap<i32, Model> = BTreeMap::new();
        let (mut next, mut handed) = ([0_i64; 3], Vec::new());
        for step in steps {
            match step {
                Step::Assign(partition) => {
                    if let std::collections::btree_map::Entry::Vacant(entry) = ours.entry(partition) {
                        entry.insert(Model::default());
                        handover.assign(&[of(partition)]);
                    }
                }
                Step::Revoke(partition) => {
                    let applied = handover.revoke(&[of(partition)], Duration::ZERO);
                    let expected = ours.remove(&partition).and_then(|model| model.applied);
                    prop_assert_eq!(applied, expected.map(|next| (of(partition), next)).into_iter().collect::<Vec<_>>());
                }
                Step::Offer(partition) => {
                    let offset = next[partition as usize];
                    next[partition as usize] += 1;
                    handover.offer(delivered(partition, offset, 1));
                    if let Some(model) = ours.get_mut(&partition) {
                        model.waiting.push(offset);
                    }
                }
                Step::Take => match take(&handover) {
                    Some(one) => {
                        let model = ours.get_mut(&one.partition).unwrap();
                        prop_assert_eq!(model.waiting.remove(0), one.offset);
                        model.handed.push(one.offset);
                        handed.push(one);
                    }
                    None => prop_assert!(ours.values().all(|model| model.waiting.is_empty())),
                },
                Step::Apply(back) => {
                    let Some(one) = handed.iter().rev().nth(back) else { continue };
                    let model = ours.get_mut(&one.partition).filter(|model| model.handed.contains(&one.offset));
                    let expected = model.is_some();
                    if let Some(model) = model {
                        model.applied = model.applied.max(Some(one.offset + 1));
                    }
                    prop_assert_eq!(handover.applied(one), expected);
                }
            }
            let expected: Vec<(Part, i64)> = ours
                .iter()
                .filter_map(|(partition, model)| Some((of(*partition), model.applied?)))
                .collect();
            prop_assert_eq!(handover.positions(), expected);
            for (partition, model) in &ours {
                let last = model.handed.iter().chain(&model.waiting).max();
                let through = last.is_none_or(|last| model.waiting.is_empty() && model.applied == Some(last + 1));
                prop_assert_eq!(handover.is_through(&of(*partition), i64::MAX), through);
            }
        }
    }
}

#[test]
fn a_partition_goes_when_the_record_at_hand_is_applied() {
    let handover = Arc::new(Handover::default());
    handover.assign(&[of(0), of(1)]);
    handover.offer(delivered(0, 5, 1));
    handover.offer(delivered(0, 6, 1));
    let at_hand = take(&handover).unwrap();
    // another partition does not wait for it
    assert_eq!(handover.revoke(&[of(1)], Duration::from_secs(60)), []);
    let revoking = Arc::clone(&handover);
    let revoking = std::thread::spawn(move || revoking.revoke(&[of(0)], Duration::from_secs(60)));
    while !handover.state.lock().ahead.is_empty() {
        std::thread::yield_now();
    }
    assert!(!revoking.is_finished());
    assert!(handover.applied(&at_hand));
    assert_eq!(revoking.join().unwrap(), [(of(0), 6)]);
    assert!(
        take(&handover).is_none(),
        "what was read ahead is another's"
    );
}

#[test]
fn a_record_that_cannot_be_applied_holds_its_partition_for_a_while_only() {
    let handover = Handover::default();
    handover.assign(&[of(0)]);
    handover.offer(delivered(0, 5, 1));
    let at_hand = take(&handover).unwrap();
    assert_eq!(handover.revoke(&[of(0)], Duration::from_millis(1)), []);
    // it may come back meanwhile, further on
    handover.assign(&[of(0)]);
    handover.offer(delivered(0, 9, 1));
    take(&handover).unwrap();
    assert!(
        !handover.applied(&at_hand),
        "its position is not ours to note"
    );
    assert_eq!(handover.positions(), []);
}

#[test]
fn reading_ahead_ends_at_so_many_records_or_bytes_and_goes_on_when_some_were_taken() {
    for (count, size) in [(RECORDS, 1), (5, BYTES / 5)] {
        let handover = Handover::default();
        handover.assign(&[of(0)]);
        for offset in 0..count as i64 {
            assert!(handover.room(Duration::ZERO));
            handover.offer(delivered(0, offset, size));
        }
        assert!(!handover.room(Duration::ZERO) && !handover.is_low());
        for _ in 0..=count / 2 {
            take(&handover).unwrap();
        }
        assert!(handover.room(Duration::ZERO) && handover.is_low());
        handover.offer(delivered(0, count as i64, BYTES));
        assert!(!handover.room(Duration::ZERO));
        handover.close();
        assert!(
            handover.room(Duration::ZERO),
            "who closes waits for nothing"
        );
    }
}

#[tokio::test]
async fn trouble_is_told_after_what_is_there_until_something_comes() {
    let handover = Handover::default();
    handover.assign(&[of(0)]);
    handover.offer(delivered(0, 0, 1));
    handover.trouble(Some("away".to_owned()));
    assert!(matches!(handover.next().await, Next::Record(_)));
    for _ in 0..2 {
        assert!(matches!(handover.next().await, Next::Trouble(text) if text == "away"));
    }
    handover.offer(delivered(0, 1, 1));
    assert!(matches!(handover.next().await, Next::Record(_)));
    assert!(!handover.has_trouble());
}
