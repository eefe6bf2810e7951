use std::sync::Arc;

use async_trait::async_trait;
use kit::problem::Problem;
use parking_lot::Mutex;

use crate::{Audience, Duty, RolesOnly, Roster, UserId, Verified};

/// Roles, and what a test adds to them.
#[derive(Clone, Debug, Default)]
pub struct TestRoster(Arc<Mutex<Relations>>);

#[derive(Debug, Default)]
struct Relations {
    duties: Vec<(UserId, Duty)>,
    reads: Vec<(UserId, Audience)>,
    writes: Vec<(UserId, Audience)>,
    down: bool,
}

impl TestRoster {
    /// From now on this one has the duty.
    pub fn duty(&self, who: &Verified, duty: Duty) {
        self.0.lock().duties.push((who.user, duty));
    }

    /// From now on this one reads what is for the audience.
    pub fn reads(&self, who: &Verified, audience: Audience) {
        self.0.lock().reads.push((who.user, audience));
    }

    /// From now on this one does not read it by a relation any more.
    pub fn leaves(&self, who: &Verified, audience: Audience) {
        let gone = (who.user, audience);
        self.0.lock().reads.retain(|read| *read != gone);
    }

    /// From now on this one may write to the audience.
    pub fn writes(&self, who: &Verified, audience: Audience) {
        self.0.lock().writes.push((who.user, audience));
    }

    /// From now on nobody can ask it.
    pub fn goes_down(&self) {
        self.0.lock().down = true;
    }

    fn asked<T>(&self, answer: impl FnOnce(&Relations) -> T) -> Result<T, Problem> {
        let relations = self.0.lock();
        if relations.down {
            return Err(Problem::unavailable(
                "roster_unavailable",
                "The roster cannot be asked",
            ));
        }
        Ok(answer(&relations))
    }
}

#[async_trait]
impl Roster for TestRoster {
    async fn readable(&self, who: &Verified) -> Result<Vec<Audience>, Problem> {
        let by_relation = self.asked(|relations| of(&relations.reads, who))?;
        let mut audiences = RolesOnly.readable(who).await?;
        audiences.extend(by_relation);
        Ok(audiences)
    }

    async fn duties(&self, who: &Verified) -> Result<Vec<Duty>, Problem> {
        self.asked(|relations| of(&relations.duties, who))
    }

    async fn writes_by_relation(
        &self,
        who: &Verified,
        audience: &Audience,
    ) -> Result<bool, Problem> {
        self.asked(|relations| relations.writes.contains(&(who.user, *audience)))
    }
}

fn of<T: Copy>(all: &[(UserId, T)], who: &Verified) -> Vec<T> {
    let own = all.iter().filter(|(user, _)| *user == who.user);
    own.map(|(_, what)| *what).collect()
}
