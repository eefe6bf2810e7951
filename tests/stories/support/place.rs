//! What a story asks of the school it takes place in, so that the same story runs where the school was started for it and where
//! one runs already.

use serde_json::Value;

use super::{Person, School};

/// A school, wherever it runs.
pub trait Place {
    /// Where people come in.
    fn base(&self) -> &str;

    /// What its tokens are signed with.
    fn secret(&self) -> &str;

    fn nobody(&self) -> Person {
        Person::nobody(self.base())
    }

    /// A teacher, signed in anew each time.
    async fn teacher(&self) -> Person;

    /// So much later that a time written now differs from the ones before.
    async fn a_second_later(&self);

    /// What stands there when the events written so far have arrived: then `arrived` is true of it, unless something is wrong.
    async fn once(&self, person: &Person, path: &str, arrived: impl Fn(&Value) -> bool) -> Value;

    /// Ends the story.
    async fn leave(self);
}

impl Place for School {
    fn base(&self) -> &str {
        Self::base(self)
    }

    fn secret(&self) -> &str {
        Self::secret(self)
    }

    async fn teacher(&self) -> Person {
        self.sign_in_teacher().await
    }

    async fn a_second_later(&self) {
        self.clock.advance(chrono::TimeDelta::seconds(1));
    }

    /// Knows when all have arrived, and asks once.
    async fn once(&self, person: &Person, path: &str, _: impl Fn(&Value) -> bool) -> Value {
        self.caught_up().await;
        person.get(path).await.expect(200).json()
    }

    async fn leave(self) {
        self.stop().await;
    }
}
