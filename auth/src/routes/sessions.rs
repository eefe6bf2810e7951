//! `GET /auth/sessions` and `DELETE /auth/sessions/{id}`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use contracts::{access::Member, events::RevokeReason};
use kit::{Json, NoContent, Page, Path, Problem};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Client;
use crate::{model::Session, state::Auth, store::Which};

/// A session as its holder sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    id: Uuid,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    ip: Option<String>,
    user_agent: Option<String>,
    device_label: Option<String>,
    current: bool,
}

impl SessionView {
    /// As the holder of session `current` sees it.
    pub fn of(session: Session, current: Uuid) -> Self {
        Self {
            current: session.id == current,
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            ip: session.ip,
            user_agent: session.user_agent,
            device_label: session.label,
        }
    }
}

/// The own living sessions, newest first, whole.
pub async fn list(
    Member(who): Member,
    State(auth): State<Auth>,
) -> Result<Json<Page<SessionView>>, Problem> {
    auth.present(&who).await?;
    let sessions = auth.store.sessions(who.user).await?;
    Ok(Json(Page {
        items: sessions
            .into_iter()
            .map(|session| SessionView::of(session, who.session))
            .collect(),
        next_cursor: None,
    }))
}

/// Ends an own session; another person's is not found.
pub async fn end(
    Member(who): Member,
    State(auth): State<Auth>,
    client: Client,
    Path(id): Path<Uuid>,
) -> Result<NoContent, Problem> {
    auth.present(&who).await?;
    auth.store
        .end(
            who.user,
            Which::One(id),
            RevokeReason::Revoked,
            client.origin.by(who.user),
        )
        .await?;
    Ok(NoContent)
}
