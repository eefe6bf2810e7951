//! Relations: who belongs to what. Asked from the roster's committed state, never derived from a token.

use async_trait::async_trait;
use kit::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::{Audience, Verified};

/// A named duty a member of staff or a teacher holds; the role `staff` alone gives member rights (design, Access).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// The school office.
    Office,
    /// Attendance follow-up.
    AttendanceOffice,
    /// Fees and payments.
    Bursar,
    /// Leads exams.
    ExamLead,
    /// Safeguarding lead.
    Safeguarding,
}

/// What a service asks about a caller's relations. An implementation that cannot answer returns 503
/// `roster_unavailable`: never "allowed", never "empty".
#[async_trait]
pub trait Roster: Send + Sync {
    /// The audiences the person reads, sorted, without `public` (which is a setting of the service that asks).
    ///
    /// # Errors
    /// 503 `roster_unavailable`.
    async fn readable(&self, who: &Verified) -> Result<Vec<Audience>, Problem>;

    /// The duties the person holds today.
    ///
    /// # Errors
    /// 503 `roster_unavailable`.
    async fn duties(&self, who: &Verified) -> Result<Vec<Duty>, Problem>;

    /// Whether a relation (teaches the class, guards the child, ...) lets the person write to the audience. What roles and
    /// duties alone allow is decided by the service that owns what is written.
    ///
    /// # Errors
    /// 503 `roster_unavailable`.
    async fn writes_by_relation(
        &self,
        who: &Verified,
        audience: &Audience,
    ) -> Result<bool, Problem>;
}

/// A roster that knows accounts and roles only: there are no classes and no duties. This is the whole truth of a school
/// that keeps none here, not a part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RolesOnly;

#[async_trait]
impl Roster for RolesOnly {
    async fn readable(&self, who: &Verified) -> Result<Vec<Audience>, Problem> {
        let mut audiences: Vec<_> = who.roles.iter().map(Audience::Role).collect();
        audiences.push(Audience::User(who.user));
        if who.roles.school_member() {
            audiences.push(Audience::School);
        }
        audiences.sort_unstable();
        Ok(audiences)
    }

    async fn duties(&self, _: &Verified) -> Result<Vec<Duty>, Problem> {
        Ok(Vec::new())
    }

    async fn writes_by_relation(&self, _: &Verified, _: &Audience) -> Result<bool, Problem> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Roles, UserId};

    fn person(roles: &[Role]) -> Verified {
        Verified {
            user: UserId(7),
            email: None,
            username: "ines".into(),
            roles: roles.iter().copied().collect::<Roles>(),
            session: uuid::Uuid::nil(),
            expires_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn a_bare_member_does_not_read_what_is_for_the_school() {
        let audiences = RolesOnly.readable(&person(&[])).await.unwrap();
        assert_eq!(
            audiences,
            [Audience::Role(Role::Member), Audience::User(UserId(7))]
        );
    }

    #[tokio::test]
    async fn a_student_reads_school_own_role_and_what_is_addressed_to_them() {
        let audiences = RolesOnly.readable(&person(&[Role::Student])).await.unwrap();
        for expected in ["school", "role:student", "role:member", "user:7"] {
            assert!(
                audiences.contains(&expected.parse().unwrap()),
                "{expected} is missing"
            );
        }
        assert_eq!(audiences.len(), 4);
    }
}
