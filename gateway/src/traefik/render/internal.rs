//! The entry point where Traefik asks itself: who is calling, and what to answer in the place of an answer of its own.

use super::super::model::{
    EntryPoint, Matcher, Name, PathText, Place, Reference, Router, Rule, Target, Unwritable,
};
use super::routers::everything;
use super::{AUTH, GATEWAY, PROBLEM, VALIDATE, chain, services};

pub(super) fn all() -> Result<Vec<Router>, Unwritable> {
    let validate: Rule = Matcher::Path(PathText::new(VALIDATE)?).into();
    let problem: Rule = Matcher::PathPrefix(PathText::new(format!("{PROBLEM}/"))?).into();
    Ok(vec![
        router(
            "validate",
            validate.clone(),
            20,
            vec![chain::auth_errors()],
            services::name_of(AUTH)?,
        ),
        router(
            "validate-gone",
            validate,
            10,
            vec![chain::auth_gone()],
            services::name_of(GATEWAY)?,
        ),
        router(
            "problem",
            problem,
            20,
            Vec::new(),
            services::name_of(GATEWAY)?,
        ),
        router(
            "internal-nobody",
            everything()?,
            1,
            Vec::new(),
            services::nobody(),
        ),
    ])
}

fn router(
    name: &'static str,
    rule: Rule,
    priority: u32,
    middlewares: Vec<Name>,
    service: Name,
) -> Router {
    Router {
        name: Name::fixed(name),
        place: Place::At(vec![EntryPoint::Internal]),
        rule,
        priority,
        middlewares,
        target: Target::Service(Reference::Own(service)),
        // The request that it is asked for is in the log already.
        logged: false,
    }
}
