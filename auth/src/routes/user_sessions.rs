//! `/auth/users/{id}/sessions`: where a person is signed in, for administrators.

use axum::extract::State;
use contracts::{access::Admin, events::RevokeReason};
use kit::{Json, NoContent, Page, Path, Problem};

use super::{
    caller::{AccountId, Client},
    sessions::SessionView,
};
use crate::{error::Error, state::Auth, store::Which};

/// The living sessions of a person, newest first, whole. That they were looked at is audited (spec/auth.md rule 23).
pub async fn list(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    Path(AccountId(id)): Path<AccountId>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let admin = auth.present_admin(&who).await?;
    auth.store.account(id).await?.ok_or(Error::UserNotFound)?;
    let sessions = auth
        .store
        .sessions_shown(id, client.origin.by(admin))
        .await?;
    Ok(Json(Page {
        items: sessions
            .into_iter()
            .map(|session| SessionView::of(session, who.session))
            .collect(),
        next_cursor: None,
    }))
}

/// Ends every session of a person; it counts on their next request, and twice is fine.
pub async fn end_all(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    Path(AccountId(id)): Path<AccountId>,
) -> Result<NoContent, Problem> {
    let admin = auth.present_admin(&who).await?;
    auth.store.account(id).await?.ok_or(Error::UserNotFound)?;
    auth.store
        .end(
            id,
            Which::All,
            RevokeReason::Revoked,
            client.origin.by(admin),
        )
        .await?;
    Ok(NoContent)
}
