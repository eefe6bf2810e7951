//! The roles of an account (spec/auth.md section 1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One role. The order of the variants is the order in which `role` (singular) is chosen: the first one held wins.
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
pub enum Role {
    /// Runs the school's software; may do everything the school may.
    Admin,
    /// Teaches; which classes is a relation asked from the roster.
    Teacher,
    /// Works at the school; what they may do comes from named duties.
    Staff,
    /// Is taught.
    Student,
    /// Answers for a child; which one is a relation asked from the roster.
    Guardian,
    /// Has an account. Implied by every active account; alone it sees no school data.
    Member,
}

impl Role {
    /// Every role, in order.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Teacher,
        Self::Staff,
        Self::Student,
        Self::Guardian,
        Self::Member,
    ];

    /// The name used in tokens, events and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Teacher => "teacher",
            Self::Staff => "staff",
            Self::Student => "student",
            Self::Guardian => "guardian",
            Self::Member => "member",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown role; known: admin, teacher, staff, student, guardian, member")]
pub struct UnknownRole;

/// The roles of one account. `member` is implied and always in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// A bare account.
    pub const MEMBER: Self = Self(1 << Role::Member as u8);

    /// The same with one more role.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether the account holds the role.
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The roles held, in the order of [`Role`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.contains(*role))
    }

    /// `role` (singular) for clients that know one: the first of admin, teacher, staff, student, guardian, member.
    #[must_use]
    pub fn primary(self) -> Role {
        self.iter().next().unwrap_or(Role::Member)
    }

    /// `user_type` for clients of the 001 system: admin 1, teacher or staff 2, student 3, guardian only 4, else none;
    /// the lowest number wins (spec/auth.md section 1).
    #[must_use]
    pub fn user_type(self) -> Option<&'static str> {
        match self.primary() {
            Role::Admin => Some("1"),
            Role::Teacher | Role::Staff => Some("2"),
            Role::Student => Some("3"),
            Role::Guardian => Some("4"),
            Role::Member => None,
        }
    }

    /// Whether the roles alone make a school member (spec/posts.md rule 1): teacher, student, guardian or admin.
    #[must_use]
    pub fn school_member(self) -> bool {
        [Role::Admin, Role::Teacher, Role::Student, Role::Guardian]
            .into_iter()
            .any(|role| self.contains(role))
    }

    /// The comma list of `X-User-Roles`, sorted by name.
    #[must_use]
    pub fn header(self) -> String {
        self.names().join(",")
    }

    /// The names, sorted, as they stand in tokens.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.iter().map(Role::name).collect();
        names.sort_unstable();
        names
    }

    /// Reads names as they stand in a token; an unknown one (of a newer version) gives nothing.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names
            .into_iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::MEMBER, Self::with)
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Role>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

impl utoipa::PartialSchema for Roles {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        Vec::<Role>::schema()
    }
}

impl utoipa::ToSchema for Roles {
    fn schemas(
        schemas: &mut Vec<(
            String,
            utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
        )>,
    ) {
        schemas.push((
            <Role as utoipa::ToSchema>::name().into_owned(),
            <Role as utoipa::PartialSchema>::schema(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_a_member_and_the_first_role_in_order_is_the_singular_one() {
        let roles: Roles = [Role::Guardian, Role::Teacher].into_iter().collect();
        assert!(roles.contains(Role::Member));
        assert_eq!(roles.primary(), Role::Teacher);
        assert_eq!(roles.header(), "guardian,member,teacher");
        assert_eq!(
            serde_json::to_string(&roles).unwrap(),
            r#"["teacher","guardian","member"]"#
        );
    }

    #[test]
    fn the_lowest_user_type_wins() {
        let of = |roles: &[Role]| roles.iter().copied().collect::<Roles>().user_type();
        assert_eq!(of(&[Role::Guardian, Role::Admin]), Some("1"));
        assert_eq!(of(&[Role::Staff, Role::Student]), Some("2"));
        assert_eq!(of(&[Role::Guardian, Role::Student]), Some("3"));
        assert_eq!(of(&[Role::Guardian]), Some("4"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn staff_alone_is_no_school_member() {
        assert!(!Roles::MEMBER.with(Role::Staff).school_member());
        assert!(Roles::MEMBER.with(Role::Guardian).school_member());
    }
}
