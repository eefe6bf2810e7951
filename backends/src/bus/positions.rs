use std::collections::BTreeMap;

use super::Delivered;

/// For each partition of each topic the offset of the record that comes next. Positions the map does not hold are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, BTreeMap<i32, i64>>);

impl Positions {
    /// The offset that comes next, 0 if unknown.
    pub fn next(&self, topic: &str, partition: i32) -> i64 {
        self.get(topic, partition).unwrap_or(0)
    }

    /// The offset that comes next, if known.
    pub fn get(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.get(topic)?.get(&partition).copied()
    }

    /// Sets the offset that comes next.
    pub fn set(&mut self, topic: &str, partition: i32, next: i64) {
        match self.0.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition, next);
            }
            None => {
                self.0
                    .insert(topic.to_owned(), BTreeMap::from([(partition, next)]));
            }
        }
    }

    /// Moves on to the record after `delivered`.
    pub fn pass(&mut self, delivered: &Delivered) {
        self.set(
            &delivered.record.topic,
            delivered.partition,
            delivered.offset + 1,
        );
    }

    /// Whether these positions are at or beyond `target` in every partition that `target` names.
    pub fn covers(&self, target: &Positions) -> bool {
        target
            .iter()
            .all(|(topic, partition, next)| self.next(topic, partition) >= next)
    }

    /// How many records lie between these positions and `ends`, in the partitions that `ends` names.
    pub fn behind(&self, ends: &Positions) -> i64 {
        ends.iter()
            .map(|(topic, partition, end)| (end - self.next(topic, partition)).max(0))
            .sum()
    }

    /// Topic, partition and next offset of each entry, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(&partition, &next)| (topic.as_str(), partition, next))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, i64)]) -> Positions {
        let mut positions = Positions::default();
        for (topic, next) in pairs {
            positions.set(topic, 0, *next);
        }
        positions
    }

    #[test]
    fn positions_cover_a_target_only_when_every_topic_of_it_is_reached() {
        let target = of(&[("a", 3), ("b", 1)]);
        assert!(!of(&[("a", 9)]).covers(&target));
        assert!(of(&[("a", 3), ("b", 1), ("c", 0)]).covers(&target));
        assert!(
            Positions::default().covers(&of(&[("a", 0)])),
            "an empty topic is reached at once"
        );
        assert_eq!(of(&[("a", 1), ("b", 5)]).behind(&target), 2);
    }
}
