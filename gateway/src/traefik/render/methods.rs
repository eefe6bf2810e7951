//! Sets of methods.

use std::collections::BTreeSet;

use super::super::model::{Matcher, Method, Rule};

/// Which methods of a path a route answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Methods {
    /// These.
    Only(BTreeSet<Method>),
    /// Every one but these.
    AllBut(BTreeSet<Method>),
}

impl Methods {
    /// Methods whose requests have no body that anybody reads.
    const WITHOUT_BODY: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

    /// Whether one of them comes with a body.
    #[must_use]
    pub fn take_bodies(&self) -> bool {
        match self {
            Self::Only(methods) => methods
                .iter()
                .any(|method| !Self::WITHOUT_BODY.contains(&method.as_str())),
            Self::AllBut(_) => true,
        }
    }

    /// As a condition; none where every method is meant.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        let any = |methods: &BTreeSet<Method>| {
            let each = methods.iter().cloned();
            Rule::any(each.map(|method| Matcher::Method(method).into()).collect())
        };
        match self {
            Self::Only(methods) => any(methods),
            Self::AllBut(methods) => any(methods).map(Rule::negated),
        }
    }
}
