//! Everything that is shown, to be compared.

use std::sync::Arc;

use contracts::PostId;

use super::Projection;
use super::gaps::Line;
use super::timeline::Timeline;
use crate::item::Body;

/// One window as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub line: Line,
    /// Newest first.
    pub items: Vec<Kept>,
}

/// An item in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: PostId,
    /// Whether the owner of the posts has it; else only foreign messages told of it.
    pub owned: bool,
    /// Its body.
    pub body: Arc<Body>,
}

impl Projection {
    /// Every window.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let audiences = self
            .timelines
            .iter()
            .map(|(key, timeline)| (Line::Audience(*key), timeline));
        let people = self
            .people
            .iter()
            .map(|(user, timeline)| (Line::Person(*user), timeline));
        audiences
            .chain(people)
            .map(|(line, timeline)| Window {
                line,
                items: self.kept_in(timeline),
            })
            .collect()
    }

    fn kept_in(&self, timeline: &Timeline) -> Vec<Kept> {
        let kept = |id: PostId| {
            let entry = self.entry(id)?;
            Some(Kept {
                id,
                owned: entry.stated.owned,
                body: entry.body.clone(),
            })
        };
        let newest_first = timeline.ids().iter().rev();
        newest_first
            .filter_map(|position| kept(position.id))
            .collect()
    }
}
