//! The merge rules (rule 2) against a naive model: a profile is a map, a change is a map in which `null` removes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use profile::Fields;
use profile::merge::{Change, Given};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

type Model = BTreeMap<usize, String>;
type ModelChange = BTreeMap<usize, Option<String>>;

const COUNT: usize = 15;

fn date(text: &str) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(700_000 + text.len() as i32).unwrap()
}

fn object(text: &str) -> Map<String, Value> {
    json!({ "value": text }).as_object().unwrap().clone()
}

fn fields(model: &Model) -> Fields {
    let text = |i: usize| model.get(&i).cloned();
    Fields {
        first_name: text(0),
        last_name: text(1),
        display_name: text(2),
        pronouns: text(3),
        dob: text(4).as_deref().map(date),
        address: text(5),
        city: text(6),
        state: text(7),
        zip_code: text(8),
        country: text(9),
        phone: text(10),
        bio: text(11),
        preferences: text(12).as_deref().map(object),
        language: text(13),
        time_zone: text(14),
    }
}

fn change(model: &ModelChange) -> Change {
    let text = |i: usize| -> Given<String> { model.get(&i).cloned() };
    Change {
        first_name: text(0),
        last_name: text(1),
        display_name: text(2),
        pronouns: text(3),
        dob: text(4).map(|given| given.as_deref().map(date)),
        address: text(5),
        city: text(6),
        state: text(7),
        zip_code: text(8),
        country: text(9),
        phone: text(10),
        bio: text(11),
        preferences: text(12).map(|given| given.as_deref().map(object)),
        language: text(13),
        time_zone: text(14),
    }
}

fn applied(mut model: Model, change: &ModelChange) -> Model {
    for (field, given) in change {
        match given {
            Some(value) => drop(model.insert(*field, value.clone())),
            None => drop(model.remove(field)),
        }
    }
    model
}

fn models() -> impl Strategy<Value = Model> {
    prop::collection::btree_map(0..COUNT, "[a-c]{1,4}", 0..COUNT)
}

fn changes() -> impl Strategy<Value = ModelChange> {
    prop::collection::btree_map(0..COUNT, prop::option::of("[a-c]{1,4}"), 0..COUNT)
}

proptest! {
    #[test]
    fn a_sequence_of_changes_gives_what_the_map_gives(start in models(), steps in prop::collection::vec(changes(), 0..6)) {
        let model = steps.iter().fold(start.clone(), applied);
        let ours = steps.iter().fold(fields(&start), |had, step| change(step).applied_to(had));
        prop_assert_eq!(ours, fields(&model));
    }

    #[test]
    fn a_change_made_twice_changes_nothing_the_second_time(start in models(), step in changes()) {
        let once = change(&step).applied_to(fields(&start));
        prop_assert_eq!(change(&step).applied_to(once.clone()), once);
    }

    #[test]
    fn changes_of_different_fields_give_the_same_in_either_order(start in models(), step in changes(), at in 0..COUNT) {
        let (low, high): (ModelChange, ModelChange) = step.into_iter().partition(|(field, _)| *field < at);
        let one = change(&high).applied_to(change(&low).applied_to(fields(&start)));
        let other = change(&low).applied_to(change(&high).applied_to(fields(&start)));
        prop_assert_eq!(one, other);
    }
}

#[test]
fn an_empty_change_keeps_everything() {
    let all: Model = (0..COUNT).map(|i| (i, format!("v{i}"))).collect();
    assert_eq!(Change::default().applied_to(fields(&all)), fields(&all));
}
