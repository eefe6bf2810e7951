//! What people are called: `GET /api/profile/{user_id}` and `GET /api/profile?ids=`.

use axum::extract::State;
use contracts::access::Member;
use contracts::{Audience, Duty, Role, UserId, Verified};
use kit::FieldErrors;
use kit::extract::{Json, Path};
use kit::problem::Problem;

use super::App;
use super::bodies::{Name, Names};
use crate::error::Error;
use crate::store::Reach;

/// Most people asked for at once.
const IDS_MAX: usize = 100;

pub async fn one(
    Member(who): Member,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Name>, Problem> {
    let id: UserId = id
        .parse()
        .map_err(|_| Problem::not_found("not_found", "there is nothing here"))?;
    let reach = reach(&app, &who).await?;
    let found = app.store.shown(&[id], reach).await?;
    let shown = found.into_iter().next().ok_or(Error::NotFound)?;
    Ok(Json(shown.into()))
}

/// Who is not visible is left out, as who does not exist: nobody learns which.
pub async fn several(app: &App, who: &Verified, ids: &str) -> Result<Names, Error> {
    let mut users = Vec::new();
    for id in ids.split(',').map(str::trim).filter(|_| !ids.is_empty()) {
        let user: UserId = id.parse().map_err(|_| {
            FieldErrors::one("ids", "must be numbers of accounts, separated by commas")
        })?;
        if users.len() == IDS_MAX {
            return Err(FieldErrors::one("ids", format!("must be at most {IDS_MAX}")).into());
        }
        users.push(user);
    }
    let found = app.store.shown(&users, reach(app, who).await?).await?;
    Ok(Names {
        items: found.into_iter().map(Name::from).collect(),
    })
}

/// Display names are for the school (rule 7): for who belongs to it, and for the office. Everybody else has their own.
async fn reach(app: &App, who: &Verified) -> Result<Reach, Error> {
    // Only staff and teachers hold duties.
    let may_hold = who.is(Role::Staff) || who.is(Role::Teacher);
    if app.roster.readable(who).await?.contains(&Audience::School)
        || may_hold && app.roster.duties(who).await?.contains(&Duty::Office)
    {
        return Ok(Reach::School);
    }
    Ok(Reach::Only(who.user))
}
