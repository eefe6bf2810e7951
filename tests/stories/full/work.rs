//! A stack at work: somebody is there, and the load goes on.

use std::time::Instant;

use serde_json::json;

use super::load::{Load, nothing_lost};
use super::stack::FullStack;
use crate::support::{Person, School};

/// The teacher who the load is.
pub const TEACHER: &str = "ines";

/// A stack under load.
pub struct Work {
    pub stack: FullStack,
    pub person: Person,
    pub load: Load,
}

impl Work {
    /// On a stack with so many instances of each service.
    pub async fn begin(instances: usize) -> Self {
        let (stack, person) = staffed(instances).await;
        Self::of(stack, person).await
    }

    /// On this stack, once everybody was served well.
    pub async fn of(stack: FullStack, person: Person) -> Self {
        let work = Self {
            load: Load::begin(&person, TEACHER, School::PASSWORD),
            stack,
            person,
        };
        work.well_since(Instant::now()).await;
        work
    }

    /// Waits until everybody did everything well, once after this moment.
    pub async fn well_since(&self, moment: Instant) {
        self.load.well_since(moment, &self.stack).await;
    }

    /// Ends the load: more posts than this were acknowledged, and nothing is lost or there twice.
    pub async fn lost_nothing(self, more_than: usize) {
        let (_, published) = self.load.end().await;
        assert!(published.len() > more_than, "{} posts", published.len());
        nothing_lost(&self.stack, &self.person, &published).await;
    }
}

/// A stack and its teacher, who has a profile: the load reads it, and one that is not there would be no good answer.
pub async fn staffed(instances: usize) -> (FullStack, Person) {
    let stack = FullStack::up(instances).await;
    let office = stack.office().await;
    let person = stack.person(&office, TEACHER, &["teacher"]).await;
    person.post("/api/profile", json!({})).await.expect(200);
    (stack, person)
}
