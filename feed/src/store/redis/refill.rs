//! Lines with room, and filling them up.

use chrono::{DateTime, Utc};
use contracts::events::PostState;

use super::changes::changed;
use super::core::{Core, Said};
use super::text;
use crate::change::Order;
use crate::item::{Body, Item};
use crate::position::Position;
use crate::projection::Gap;
use crate::store::StoreError;

impl Core {
    pub(super) async fn gaps(&self, building: Option<u64>) -> Result<Vec<Gap>, StoreError> {
        let words = [building
            .map(|number| number.to_string())
            .unwrap_or_default()];
        let said = self
            .run(&self.scripts.gaps, DateTime::UNIX_EPOCH, &words)
            .await?;
        let Said::Word(_, mut reply) = said else {
            return Ok(Vec::new());
        };
        let generation = reply.generation()?;
        let mut gaps = Vec::new();
        for gap in reply.rest() {
            let mut gap = super::reply::Reply::of(gap)?;
            let (line, below) = (text::line_of(&gap.text()?)?, text::place_of(&gap.text()?)?);
            gaps.push(Gap {
                generation,
                line,
                below,
                room: self.limits.window.saturating_sub(gap.size()?),
                refused: gap.count()?,
            });
        }
        gaps.sort_by_key(|gap| gap.line);
        Ok(gaps)
    }

    pub(super) async fn refill(
        &self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let lowest = found.last().map(place);
        let down_to = match lowest {
            _ if end => String::new(),
            Some(lowest) => text::place(lowest),
            None => return Ok(false),
        };
        let mut words: Vec<Vec<u8>> = [
            self.limits.window.to_string(),
            text::time(now - self.limits.remember),
            gap.generation.to_string(),
            gap.line.to_string(),
            text::place(gap.below),
            gap.refused.to_string(),
            down_to,
        ]
        .map(String::into_bytes)
        .into();
        for post in found {
            let item = Item::of(post, now);
            let body = Body::of(&item);
            let post_words = [
                text::place(place(post)),
                text::order(Order::owned(post.version)),
                // Of what changed lately something is remembered; if not, its event is still to come.
                text::flag(changed(post) + self.limits.remember > now),
                text::flag(item.position() == place(post)),
                item.user_id.to_string(),
                text::audiences(&item.audience),
                text::tags(&item.tags),
                text::time_or_none(item.pinned_until),
                body.json().len().to_string(),
            ];
            words.extend(post_words.map(String::into_bytes));
            words.push(text::body(item.user_id, &item.audience, &body));
        }
        self.forget_floors();
        match self.run(&self.scripts.refill, now, &words).await? {
            Said::Word(_, mut reply) => Ok(reply.int()? == 1),
            Said::Cold | Said::Nothing => Ok(false),
        }
    }
}

fn place(post: &PostState) -> Position {
    Position::new(post.published_at, post.post_id)
}
