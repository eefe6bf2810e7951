//! `GET /auth/users`, `GET` and `PATCH /auth/users/{id}`, and the lists of the 001 system: accounts as administrators
//! see and correct them. Duty `office` joins the readers when duties are known here.

use std::{fmt::Display, str::FromStr};

use axum::extract::State;
use contracts::{Role, access::Admin};
use http::{HeaderMap, header::ETAG};
use kit::{Json, Page, Path, Problem, Query, page::Cursor};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::{
    caller::{AccountId, Client, etag, if_match},
    me::judge,
};
use crate::{
    error::Error,
    model::{Account, AccountView},
    search,
    state::Auth,
    store::{Changes, Listed},
};

/// Most accounts of a page.
const LIMIT_MAX: i64 = 100;
/// Accounts of a page unless asked otherwise.
const LIMIT: i64 = 20;
/// What a cursor's id begins with: one of another list is none of this one.
const CURSOR: u8 = b'u';

type Tagged = ([(http::HeaderName, String); 1], Json<AccountView>);

/// Which accounts are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Who hold this role now.
    #[serde(default, deserialize_with = "unless_empty")]
    role: Option<Role>,
    /// Up to five words, each somewhere in names, username or address, without regard to case and accents.
    #[serde(default)]
    q: Option<String>,
    /// Only active ones, or only deactivated ones.
    #[serde(default, deserialize_with = "unless_empty")]
    active: Option<bool>,
    /// Where to go on.
    #[serde(default)]
    cursor: Option<String>,
    /// 1 to 100; 20 if absent.
    #[serde(default, deserialize_with = "unless_empty")]
    limit: Option<i64>,
}

/// The same for the lists of the 001 system, whose path says the role.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PathListQuery {
    /// As in `/auth/users`.
    #[serde(default)]
    q: Option<String>,
    /// Only active ones, or only deactivated ones.
    #[serde(default, deserialize_with = "unless_empty")]
    active: Option<bool>,
    /// Where to go on.
    #[serde(default)]
    cursor: Option<String>,
    /// 1 to 100; 20 if absent.
    #[serde(default, deserialize_with = "unless_empty")]
    limit: Option<i64>,
}

/// What an administrator corrects; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    username: Option<String>,
    /// `null`: no address any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// `false` ends every session of the person, and no password lets them in.
    #[serde(default)]
    login_enabled: Option<bool>,
}

/// What is empty narrows nothing: forms send every field.
fn unless_empty<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// `null` is a value here.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The accounts, by id.
pub async fn list(
    Admin(who): Admin,
    State(auth): State<Auth>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    auth.present_admin(&who).await?;
    // everybody is a member
    let role = query.role.filter(|role| *role != Role::Member);
    let wanted = PathListQuery {
        q: query.q,
        active: query.active,
        cursor: query.cursor,
        limit: query.limit,
    };
    Ok(Json(page(&auth, role.map(|role| [role; 2]), wanted).await?))
}

/// Who are of `user_type` 3 or hold its role beside another one.
pub async fn students(
    Admin(who): Admin,
    State(auth): State<Auth>,
    Query(query): Query<PathListQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    auth.present_admin(&who).await?;
    Ok(Json(page(&auth, Some([Role::Student; 2]), query).await?))
}

/// The same for `user_type` 2.
pub async fn staff(
    Admin(who): Admin,
    State(auth): State<Auth>,
    Query(query): Query<PathListQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    auth.present_admin(&who).await?;
    let roles = Some([Role::Teacher, Role::Staff]);
    Ok(Json(page(&auth, roles, query).await?))
}

/// The same for `user_type` 1.
pub async fn admins(
    Admin(who): Admin,
    State(auth): State<Auth>,
    Query(query): Query<PathListQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    auth.present_admin(&who).await?;
    Ok(Json(page(&auth, Some([Role::Admin; 2]), query).await?))
}

/// One account, with its version as `ETag`.
pub async fn read(
    Admin(who): Admin,
    State(auth): State<Auth>,
    Path(AccountId(id)): Path<AccountId>,
) -> Result<Tagged, Problem> {
    auth.present_admin(&who).await?;
    let known = auth.store.account(id).await?.ok_or(Error::UserNotFound)?;
    Ok(tagged(&known.account))
}

/// Corrects an account; `If-Match` says which version was seen.
pub async fn change(
    Admin(who): Admin,
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    Path(AccountId(id)): Path<AccountId>,
    Json(body): Json<UserChange>,
) -> Result<Tagged, Problem> {
    let admin = auth.present_admin(&who).await?;
    let version = if_match(&headers)?;
    let changes = Changes {
        first_name: body.first_name,
        last_name: body.last_name,
        username: body.username,
        email: body.email,
        login_enabled: body.login_enabled,
    };
    judge(&changes)?;
    let account = auth
        .store
        .change(id, Some(version), changes, client.origin.by(admin))
        .await?;
    Ok(tagged(&account))
}

fn tagged(account: &Account) -> Tagged {
    ([(ETAG, etag(account.version))], Json(account.view()))
}

async fn page(
    auth: &Auth,
    roles: Option<[Role; 2]>,
    query: PathListQuery,
) -> Result<Page<AccountView>, Error> {
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::Invalid("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let words = search::words(&query.q.unwrap_or_default())
        .map_err(|reason| Error::Invalid("q", reason))?;
    let cursor = query.cursor.filter(|cursor| !cursor.is_empty());
    let after = cursor.as_deref().map_or(Ok(0), decode)?;
    let listed = Listed {
        after,
        roles,
        active: query.active,
        words,
        // one more tells whether there is a next page
        limit: limit + 1,
    };
    let mut accounts = auth.store.list(&listed).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = accounts.len() > wanted;
    accounts.truncate(wanted);
    let next_cursor = accounts.last().filter(|_| more).map(encode);
    Ok(Page {
        items: accounts.iter().map(Account::view).collect(),
        next_cursor,
    })
}

fn encode(last: &Account) -> String {
    let mut id = vec![CURSOR];
    id.extend_from_slice(&last.id.0.to_be_bytes());
    Cursor {
        at: last.created_at,
        id,
    }
    .encode()
}

fn decode(text: &str) -> Result<i64, Error> {
    let cursor = Cursor::decode(text)?;
    let id = cursor
        .id
        .split_first()
        .filter(|(list, _)| **list == CURSOR)
        .and_then(|(_, id)| id.try_into().ok());
    id.map(i64::from_be_bytes).ok_or_else(|| {
        Error::Problem(Problem::bad_request(
            "bad_cursor",
            "the cursor is not one of this list",
        ))
    })
}
