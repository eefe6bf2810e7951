//! Who may read and write what (spec/posts.md rules 1 to 4): what roles and duties decide here, what is a relation is
//! asked from the roster.

use std::sync::Arc;

use contracts::{Audience, Duty, Role, Roles, Roster, UserId, Verified};
use kit::FieldErrors;

use crate::config::Config;
use crate::error::Error;

/// Most audiences of a post.
pub const MAX: usize = 20;

/// What a reader reads. The relation is part of every query, never filtered afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Whose own posts are in reach whatever their audience.
    pub user: Option<UserId>,
    /// The audiences in reach.
    pub audiences: Vec<Audience>,
}

/// The rules of this school.
#[derive(Clone)]
pub struct Rules {
    roster: Arc<dyn Roster>,
    config: Arc<Config>,
}

impl Rules {
    /// The settings' rules over the roster's relations.
    #[must_use]
    pub fn new(roster: Arc<dyn Roster>, config: Config) -> Self {
        Self {
            roster,
            config: Arc::new(config),
        }
    }

    /// What the caller reads. Nobody reads `public` only; while there is no such audience they have to sign in.
    ///
    /// # Errors
    /// 401 without sign-in; 503 `roster_unavailable`.
    pub async fn reader(&self, who: Option<&Verified>) -> Result<Reader, Error> {
        let public = self.config.public_audience;
        let Some(who) = who else {
            if !public {
                return Err(Error::Problem(kit::problem::Problem::unauthorized(
                    "Sign in to read posts",
                )));
            }
            return Ok(Reader {
                user: None,
                audiences: vec![Audience::Public],
            });
        };
        let audiences = self.existing(self.roster.readable(who).await?);
        Ok(Reader {
            user: Some(who.user),
            audiences: if public {
                with_public(audiences)
            } else {
                audiences
            },
        })
    }

    /// A reader as another service describes it, without audiences that do not exist here.
    #[must_use]
    pub fn described(&self, user: Option<UserId>, audiences: Vec<Audience>) -> Reader {
        Reader {
            user,
            audiences: self.existing(audiences),
        }
    }

    fn existing(&self, mut audiences: Vec<Audience>) -> Vec<Audience> {
        audiences.retain(|key| self.config.public_audience || *key != Audience::Public);
        audiences
    }

    /// Whether the caller moderates: an admin, or staff or a teacher with the duty of the office.
    ///
    /// # Errors
    /// 503 `roster_unavailable`.
    pub async fn moderates(&self, who: &Verified) -> Result<bool, Error> {
        Ok(who.is(Role::Admin) || self.duties(who).await?.contains(&Duty::Office))
    }

    /// Only staff and teachers hold duties.
    async fn duties(&self, who: &Verified) -> Result<Vec<Duty>, Error> {
        let may_hold = who.is(Role::Staff) || who.is(Role::Teacher);
        Ok(if may_hold {
            self.roster.duties(who).await?
        } else {
            Vec::new()
        })
    }

    /// Whether what the caller publishes would need approval, which nobody can give yet.
    ///
    /// # Errors
    /// [`Error::NeedsApproval`].
    pub fn publishes(&self, who: &Verified) -> Result<(), Error> {
        if self.config.moderate.contains(&who.roles.primary()) {
            Err(Error::NeedsApproval)
        } else {
            Ok(())
        }
    }

    /// The audiences of a new post: those asked for, once each, or the default; the caller may write to all of them.
    ///
    /// # Errors
    /// 422 for a list that cannot be, 403 naming the first key the caller may not write to, 503 `roster_unavailable`.
    pub async fn audiences(
        &self,
        who: &Verified,
        asked: Option<Vec<Audience>>,
    ) -> Result<Vec<Audience>, Error> {
        let duties = self.duties(who).await?;
        let audiences = match asked {
            Some(asked) => self.list(asked)?,
            None if !self.config.default_audience.is_empty() => {
                return Ok(self.config.default_audience.clone());
            }
            None => default_for(who.roles, &duties).ok_or(Error::AudienceRequired)?,
        };
        self.may_write(who, &duties, &audiences).await?;
        Ok(audiences)
    }

    /// The audiences of a changed post. Keys it had are kept without asking again.
    ///
    /// # Errors
    /// As [`Rules::audiences`].
    pub async fn changed(
        &self,
        who: &Verified,
        had: &[Audience],
        asked: Vec<Audience>,
    ) -> Result<Vec<Audience>, Error> {
        let audiences = self.list(asked)?;
        if audiences.len() == had.len() && audiences.iter().all(|key| had.contains(key)) {
            return Ok(had.to_vec());
        }
        let added: Vec<_> = audiences
            .iter()
            .copied()
            .filter(|key| !had.contains(key))
            .collect();
        if !added.is_empty() {
            self.may_write(who, &self.duties(who).await?, &added)
                .await?;
        }
        Ok(audiences)
    }

    fn list(&self, asked: Vec<Audience>) -> Result<Vec<Audience>, Error> {
        let mut audiences: Vec<Audience> = Vec::with_capacity(asked.len().min(MAX));
        for key in asked {
            if key == Audience::Public && !self.config.public_audience {
                return Err(FieldErrors::one(
                    "audience",
                    "public is switched off (posts.public_audience)",
                )
                .into());
            }
            if !audiences.contains(&key) {
                audiences.push(key);
            }
        }
        if audiences.is_empty() || audiences.len() > MAX {
            return Err(FieldErrors::one("audience", format!("must be 1 to {MAX} keys")).into());
        }
        Ok(audiences)
    }

    async fn may_write(
        &self,
        who: &Verified,
        duties: &[Duty],
        audiences: &[Audience],
    ) -> Result<(), Error> {
        for key in audiences {
            let allowed = self.config.default_audience.contains(key)
                || by_role(&self.config, who.roles, duties, *key)
                || self.roster.writes_by_relation(who, key).await?;
            if !allowed {
                return Err(Error::AudienceForbidden(*key));
            }
        }
        Ok(())
    }
}

fn with_public(mut audiences: Vec<Audience>) -> Vec<Audience> {
    if !audiences.contains(&Audience::Public) {
        audiences.push(Audience::Public);
    }
    audiences
}

/// What roles and duties alone let somebody write to (rule 2).
fn by_role(config: &Config, roles: Roles, duties: &[Duty], key: Audience) -> bool {
    if roles.contains(Role::Admin) || duties.contains(&Duty::Office) {
        return true;
    }
    match key {
        Audience::School => roles.contains(Role::Teacher) && config.teachers_school_wide,
        Audience::Role(Role::Member) => plain_member(roles, duties),
        _ => false,
    }
}

/// Where a post goes that names no audience and no default is set (rule 3); `None`: one has to be named.
fn default_for(roles: Roles, duties: &[Duty]) -> Option<Vec<Audience>> {
    if roles.contains(Role::Admin)
        || roles.contains(Role::Teacher)
        || duties.contains(&Duty::Office)
    {
        Some(vec![Audience::School])
    } else if plain_member(roles, duties) {
        Some(vec![Audience::Role(Role::Member)])
    } else {
        None
    }
}

/// Staff without a duty, or a bare member.
fn plain_member(roles: Roles, duties: &[Duty]) -> bool {
    match roles.primary() {
        Role::Staff => duties.is_empty(),
        Role::Member => true,
        _ => false,
    }
}
