//! What is wrong with the fields of a request, all of it at once.

use std::borrow::Cow;

use super::Problem;

/// Names of fields and what is wrong with each; as a [`Problem`] it is 422 `validation`.
#[derive(Debug, Default, thiserror::Error)]
#[error("Some fields are not valid")]
pub struct FieldErrors(Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl FieldErrors {
    /// One field, one message.
    #[must_use]
    pub fn one(name: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self(vec![(name.into(), message.into())])
    }

    /// One more.
    pub fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.0.push((name.into(), message.into()));
    }

    /// The names, in the order in which they were found.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| &**name).collect()
    }

    /// `Ok` if nothing was found.
    ///
    /// # Errors
    /// Everything that was found.
    pub fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl<N: Into<Cow<'static, str>>, M: Into<Cow<'static, str>>> FromIterator<(N, M)> for FieldErrors {
    fn from_iter<T: IntoIterator<Item = (N, M)>>(found: T) -> Self {
        let found = found.into_iter();
        Self(
            found
                .map(|(name, message)| (name.into(), message.into()))
                .collect(),
        )
    }
}

impl From<FieldErrors> for Problem {
    fn from(errors: FieldErrors) -> Self {
        let problem = Self::unprocessable("validation", errors.to_string());
        let fields = errors.0.into_iter();
        fields.fold(problem, |problem, (name, message)| {
            problem.field(name, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_in_one_problem() {
        assert!(FieldErrors::default().check().is_ok());
        let mut errors = FieldErrors::one("title", "is required");
        errors.add("tags", format!("must be at most {}", 10));
        assert_eq!(errors.names(), ["title", "tags"]);
        let problem = Problem::from(errors.check().unwrap_err());
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (422, "validation")
        );
        let fields: Vec<_> = problem.fields().iter().collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            fields,
            [
                (&text("tags"), &text("must be at most 10")),
                (&text("title"), &text("is required"))
            ]
        );
    }
}
