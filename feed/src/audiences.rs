//! What a reader reads (spec/feed.md rule 9).

use contracts::bearer::no_credential;
use contracts::{Audience, Role, Roster, Verified};
use kit::problem::Problem;

/// From this identity alone: nothing of it is remembered here, so that a role that is lost is lost with the next request.
/// `public` is `posts.public_audience`.
///
/// # Errors
/// 401 without an identity where nothing is public; 503 `roster_unavailable`.
pub(crate) async fn audiences_of(
    roster: &dyn Roster,
    public: bool,
    who: Option<&Verified>,
) -> Result<Vec<Audience>, Problem> {
    let mut audiences = match who {
        Some(who) => {
            let mut audiences = roster.readable(who).await?;
            audiences.extend([Audience::Role(Role::Member), Audience::User(who.user)]);
            audiences
        }
        None if public => Vec::new(),
        None => return Err(no_credential()),
    };
    audiences.retain(|audience| *audience != Audience::Public);
    if public {
        audiences.push(Audience::Public);
    }
    audiences.sort_unstable();
    audiences.dedup();
    Ok(audiences)
}
