//! For whom something is meant (spec/posts.md rule 1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Role, UserId};

/// A key that readers share with what they may read. Its text (`role:teacher`, `class:<uuid>`) is what is stored and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Everybody, without sign-in; only where the operator switched it on.
    Public,
    /// Every school member: teacher, student, guardian, admin, or holder of any duty.
    School,
    /// Every account with the role; `role:member` is every signed-in account.
    Role(Role),
    /// One account.
    User(UserId),
    /// Those enrolled in a class and those who teach it.
    Class(Uuid),
    /// The guardians of a class.
    Guardians(Uuid),
    /// Those of a course.
    Course(Uuid),
    /// One student.
    Student(UserId),
    /// The guardians of one student who see the student's records.
    GuardiansOf(UserId),
    /// The candidates and staff of an exam.
    Exam(Uuid),
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::School => f.write_str("school"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Class(id) => write!(f, "class:{id}"),
            Self::Guardians(id) => write!(f, "guardians:{id}"),
            Self::Course(id) => write!(f, "course:{id}"),
            Self::Student(id) => write!(f, "student:{id}"),
            Self::GuardiansOf(id) => write!(f, "guardians-of:{id}"),
            Self::Exam(id) => write!(f, "exam:{id}"),
        }
    }
}

/// The text is no audience key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown audience; known: public, school, role:<role>, user:<id>, class:<uuid>, guardians:<uuid>, course:<uuid>, student:<id>, guardians-of:<id>, exam:<uuid>"
)]
pub struct UnknownAudience;

impl FromStr for Audience {
    type Err = UnknownAudience;

    fn from_str(text: &str) -> Result<Self, UnknownAudience> {
        fn user(text: &str) -> Result<UserId, UnknownAudience> {
            text.parse().map_err(|_| UnknownAudience)
        }
        /// One spelling only: lower case with hyphens, since the text is the key.
        fn uuid(text: &str) -> Result<Uuid, UnknownAudience> {
            let id = Uuid::try_parse(text).map_err(|_| UnknownAudience)?;
            if id.as_hyphenated().to_string() == text {
                Ok(id)
            } else {
                Err(UnknownAudience)
            }
        }
        match text.split_once(':') {
            None if text == "public" => Ok(Self::Public),
            None if text == "school" => Ok(Self::School),
            Some(("role", role)) => role.parse().map(Self::Role).map_err(|_| UnknownAudience),
            Some(("user", id)) => user(id).map(Self::User),
            Some(("class", id)) => uuid(id).map(Self::Class),
            Some(("guardians", id)) => uuid(id).map(Self::Guardians),
            Some(("course", id)) => uuid(id).map(Self::Course),
            Some(("student", id)) => user(id).map(Self::Student),
            Some(("guardians-of", id)) => user(id).map(Self::GuardiansOf),
            Some(("exam", id)) => uuid(id).map(Self::Exam),
            _ => Err(UnknownAudience),
        }
    }
}

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Audience {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Audience {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_audience() -> impl Strategy<Value = Audience> {
        let id = (1..i64::MAX).prop_map(UserId);
        let uuid = any::<u128>().prop_map(Uuid::from_u128);
        prop_oneof![
            Just(Audience::Public),
            Just(Audience::School),
            (0..6usize).prop_map(|i| Audience::Role(Role::ALL[i])),
            id.clone().prop_map(Audience::User),
            id.clone().prop_map(Audience::Student),
            id.prop_map(Audience::GuardiansOf),
            uuid.clone().prop_map(Audience::Class),
            uuid.clone().prop_map(Audience::Guardians),
            uuid.clone().prop_map(Audience::Course),
            uuid.prop_map(Audience::Exam),
        ]
    }

    proptest! {
        #[test]
        fn an_audience_is_its_text_and_back(audience in any_audience()) {
            prop_assert_eq!(audience.to_string().parse(), Ok(audience));
        }

        #[test]
        fn a_text_that_is_taken_is_the_only_spelling(text in "[a-zA-Z:0-9-]{0,44}") {
            if let Ok(audience) = text.parse::<Audience>() {
                prop_assert_eq!(audience.to_string(), text);
            }
        }
    }

    #[test]
    fn an_upper_case_uuid_is_not_a_second_spelling_of_a_class() {
        assert!(
            "class:01900000-0000-7000-8000-0000000000AB"
                .parse::<Audience>()
                .is_err()
        );
        assert!(
            "class:01900000-0000-7000-8000-0000000000ab"
                .parse::<Audience>()
                .is_ok()
        );
    }
}
