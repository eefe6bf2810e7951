//! `POST`, `GET`, `PUT` and `DELETE /api/profile`: one's own.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::UserId;
use contracts::access::Member;
use kit::conditional::IfMatch;
use kit::extract::{Json, Query};
use kit::problem::Problem;
use kit::routes::{Answer, Description};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::bodies::{Message, Names, ProfileBody, ProfileChange};
use super::headers::{self, Tagged, tagged};
use super::names;
use crate::error::Error;
use crate::model::{Fields, Profile};
use crate::store::TURNS;

pub async fn create(
    Member(who): Member,
    State(app): State<App>,
    Json(body): Json<ProfileChange>,
) -> Result<Tagged, Problem> {
    let change = body.checked(who.user, app.clock.now().date_naive())?;
    let fields = change.applied_to(Fields::default());
    let profile = app.store.create(who.user, &who.username, fields).await?;
    Ok(tagged(profile))
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Up to 100 accounts, separated by commas: what these people are called, instead of one's own profile.
    #[serde(default)]
    ids: Option<String>,
}

/// One's own profile, or the names that were asked for.
pub enum Found {
    /// With its `ETag`.
    Own(Box<Tagged>),
    /// By id.
    Names(Names),
}

impl IntoResponse for Found {
    fn into_response(self) -> Response {
        match self {
            Self::Own(profile) => profile.into_response(),
            Self::Names(names) => Json(names).into_response(),
        }
    }
}

impl Answer for Found {
    fn describe(description: &mut Description) {
        <Json<ProfileBody> as Answer>::describe(description);
    }
}

pub async fn read(
    Member(who): Member,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Found, Problem> {
    if let Some(ids) = wanted.ids {
        return Ok(Found::Names(names::several(&app, &who, &ids).await?));
    }
    let profile = own(&app, who.user).await?;
    Ok(Found::Own(Box::new(tagged(profile))))
}

pub async fn change(
    Member(who): Member,
    State(app): State<App>,
    condition: IfMatch,
    Json(body): Json<ProfileChange>,
) -> Result<Tagged, Problem> {
    let change = body.checked(who.user, app.clock.now().date_naive())?;
    for _ in 0..TURNS {
        let profile = own(&app, who.user).await?;
        condition.check(profile.version)?;
        let fields = change.clone().applied_to(profile.fields.clone());
        if fields == profile.fields {
            return Ok(tagged(profile));
        }
        if let Some(profile) = app.store.change(&profile, fields).await? {
            return Ok(tagged(profile));
        }
    }
    Err(Error::Contended.into())
}

pub async fn delete(
    Member(who): Member,
    State(app): State<App>,
    condition: IfMatch,
    from: headers::From,
) -> Result<Json<Message>, Problem> {
    let actor = from.actor(&who);
    for _ in 0..TURNS {
        let profile = own(&app, who.user).await?;
        condition.check(profile.version)?;
        if app.store.remove(&profile, actor.clone()).await? {
            return Ok(Json(Message {
                message: "Profile deleted successfully",
            }));
        }
    }
    Err(Error::Contended.into())
}

async fn own(app: &App, user: UserId) -> Result<Profile, Error> {
    app.store.own(user).await?.ok_or(Error::NotFound)
}
