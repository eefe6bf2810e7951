//! The forward-auth decision (spec/auth.md section 5.2): asked once, then handed on.

use std::sync::Arc;

use axum::body::Body;
use contracts::{Decision, Identity, Presented, Verified};
use http::Request;
use http::header::AUTHORIZATION;
use kit::problem::Problem;
use kit::routes::Access;

use crate::problems;

/// Asks auth what the route's access demands. On a public route nobody is asked, and the caller is nobody.
///
/// # Errors
/// What auth refuses with (401, 403), and 503 with `Retry-After` when auth cannot say: protected routes fail closed.
pub async fn decide(
    identity: &dyn Identity,
    access: Access,
    presented: &Presented<'_>,
) -> Result<Option<Decision>, Problem> {
    if access == Access::Public {
        return Ok(None);
    }
    match identity.validate(presented).await {
        // The contract of `validate`, held here once more: what is protected never opens to nobody.
        Ok(Decision::Anonymous) if access != Access::Optional => {
            Err(Problem::unauthorized("No authorization header"))
        }
        Ok(decision) => Ok(Some(decision)),
        Err(problem) => Err(as_refusal(problem)),
    }
}

/// A refusal is passed on as it is; whatever else auth runs into is 503, so that no client takes it for a refusal.
fn as_refusal(problem: Problem) -> Problem {
    let status = problem.status();
    if status.is_client_error()
        || status.is_redirection()
        || (status == 503 && problem.retry_after_secs().is_some())
    {
        return problem;
    }
    problems::auth_unavailable().cause(problem)
}

/// Writes the decision into the request: exactly one of each identity header, or none at all. The proof itself
/// ([`Verified`]) goes into the extensions only where the request stays in this process.
pub fn hand_on(req: &mut Request<Body>, decision: Decision, stays_here: bool) {
    match decision {
        Decision::Anonymous => {
            req.headers_mut().remove(AUTHORIZATION);
        }
        Decision::Identified {
            who,
            headers,
            authorization,
        } => {
            headers.set(req.headers_mut());
            req.headers_mut().insert(AUTHORIZATION, authorization);
            kit::server::note_user(who.user.0);
            if stays_here {
                req.extensions_mut().insert::<Arc<Verified>>(who);
            }
        }
    }
}
