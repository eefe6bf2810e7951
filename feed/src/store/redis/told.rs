//! What is known of single things, and of everything together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use contracts::{PostId, UserId};

use super::changes::id;
use super::core::{Core, Said};
use super::reply::{Reply, strange};
use super::text;
use crate::projection::{Kept, Window};
use crate::query::Figures;
use crate::store::StoreError;

/// How long it may take to read everything: nobody waits for that but an operator.
const WHOLE: Duration = Duration::from_secs(30);

impl Core {
    async fn told(&self, words: &[Vec<u8>]) -> Result<Option<Reply>, StoreError> {
        let said = self
            .run(&self.scripts.told, DateTime::UNIX_EPOCH, words)
            .await?;
        Ok(match said {
            Said::Word(_, reply) => Some(reply),
            Said::Cold | Said::Nothing => None,
        })
    }

    pub(super) async fn version(&self, post: PostId) -> Result<Option<i64>, StoreError> {
        let Some(mut reply) = self.told(&[b"version".to_vec(), id(post)]).await? else {
            return Ok(None);
        };
        let order = reply.text()?;
        if order.is_empty() {
            return Ok(None);
        }
        Ok(Some(text::order_of(&order)?.version))
    }

    pub(super) async fn name_version(&self, user: UserId) -> Result<Option<i64>, StoreError> {
        let words = [b"name".to_vec(), user.to_string().into_bytes()];
        let Some(mut reply) = self.told(&words).await? else {
            return Ok(None);
        };
        let said = reply.text()?;
        said.get(..16).map(text::number_of).transpose()
    }

    pub(super) async fn names(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, String>, StoreError> {
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let mut words = vec![b"names".to_vec()];
        words.extend(users.iter().map(|user| user.to_string().into_bytes()));
        let Some(mut reply) = self.told(&words).await? else {
            return Ok(HashMap::new());
        };
        let names = users.iter().copied().zip(reply.texts()?);
        Ok(names.filter(|(_, name)| !name.is_empty()).collect())
    }

    pub(super) async fn figures(&self) -> Result<Figures, StoreError> {
        let Some(mut reply) = self.told(&[b"figures".to_vec()]).await? else {
            return Ok(Figures::default());
        };
        let prefix = format!("{}{}", self.redis.key("f:"), reply.text()?);
        let (timelines, items, bytes) = (reply.size()?, reply.size()?, reply.size()?);
        let last = reply.text()?;
        let mut figures = Figures {
            published: true,
            timelines,
            items,
            bytes,
            last_event_at: if last.is_empty() {
                None
            } else {
                Some(text::time_of(&last)?)
            },
            prefix,
            ..Figures::default()
        };
        let mut marks = reply.texts()?.into_iter();
        while let (Some(field), Some(offset)) = (marks.next(), marks.next()) {
            let (topic, partition) = field.split_once(' ').ok_or_else(|| strange("a mark"))?;
            let number = |_| strange("a mark");
            figures.applied.entry(topic.to_owned()).or_default().insert(
                partition.parse().map_err(number)?,
                offset.parse().map_err(number)?,
            );
        }
        Ok(figures)
    }

    pub(super) async fn windows(&self) -> Result<Option<Vec<Window>>, StoreError> {
        let patient = self.redis.within(WHOLE);
        let nothing: [&[u8]; 0] = [];
        let said = self
            .run_on(
                &patient,
                &self.scripts.windows,
                DateTime::UNIX_EPOCH,
                &nothing,
            )
            .await?;
        let Said::Word(_, mut reply) = said else {
            return Ok(None);
        };
        let mut bodies = HashMap::new();
        for one in reply.list()?.rest() {
            let mut one = Reply::of(one)?;
            let (id, owned) = (text::post(&one.text()?)?, one.text()? == "1");
            let body = Arc::new(text::body_of(&one.bytes()?)?.body);
            bodies.insert(id, Kept { id, owned, body });
        }
        let mut windows = Vec::new();
        for line in reply.rest() {
            let mut line = Reply::of(line)?;
            let name = text::line_of(&line.text()?)?;
            let mut items = Vec::new();
            for place in line.texts()? {
                items.extend(bodies.get(&text::place_of(&place)?.id).cloned());
            }
            windows.push(Window { line: name, items });
        }
        Ok(Some(windows))
    }
}
