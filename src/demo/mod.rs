//! The demo school: people with logins, and posts of theirs, made through the same doors as everybody's.

use std::fmt::Write as _;

use anyhow::Context;
use axum::body::Body;
use contracts::Roles;
use http::{Request, StatusCode, header};
use kit::server::Server;
use kit::{Ids, RandomIds, SystemClock};
use serde_json::{Value, json};

mod content;

use content::{PEOPLE, posts};

use crate::assembly::Accounts;
use crate::data_dir::DataDir;

/// The file in the data directory that keeps the one password of the demo's people.
const PASSWORD_FILE: &str = "demo-password";

/// Fills the school unless it has accounts already, and gives the text that says who gets in and how.
///
/// # Errors
/// When an account or a post cannot be made.
pub async fn fill(
    server: &Server,
    accounts: &Accounts,
    data: &DataDir,
    seed: u64,
) -> anyhow::Result<String> {
    let ids = RandomIds::shared(SystemClock::shared());
    let fresh = accounts.none_yet();
    if !fresh && !data.file(PASSWORD_FILE).exists() {
        return Ok(
            "this school has accounts of its own already; --demo fills an empty one only"
                .to_owned(),
        );
    }
    let password = data.secret(PASSWORD_FILE, || password(&*ids))?;
    if fresh {
        for who in PEOPLE {
            let person = auth::Person {
                email: Some(email(who.username)),
                username: who.username.to_owned(),
                first_name: who.first_name.to_owned(),
                last_name: who.last_name.to_owned(),
                roles: Roles::MEMBER.with(who.role),
                password: password.clone().into(),
            };
            accounts
                .make_person(person)
                .await
                .with_context(|| format!("the account {}", who.username))?;
        }
    }
    // Also after a start that was interrupted here: the key makes each post once.
    if fresh || !data.file(DONE_FILE).exists() {
        publish(server, &password, seed).await?;
        data.secret(DONE_FILE, || "the demo's posts are made".to_owned())?;
    }
    Ok(logins(&password))
}

const DONE_FILE: &str = "demo-filled";

async fn publish(server: &Server, password: &str, seed: u64) -> anyhow::Result<()> {
    let mut tokens: Vec<(&str, String)> = Vec::new();
    for (n, text) in posts(seed).into_iter().enumerate() {
        let author = text.author;
        if !tokens.iter().any(|(known, _)| *known == author) {
            let body = json!({"username": author, "password": password});
            let login = call(server, "/api/auth/login", None, None, &body).await?;
            let token = login["access_token"]
                .as_str()
                .context("a login without token")?;
            tokens.push((author, token.to_owned()));
        }
        let token = tokens.iter().find(|(known, _)| *known == author);
        let post = json!({"title": text.title, "content": text.content, "tags": text.tags, "audience": text.audience});
        call(
            server,
            "/api/posts",
            token.map(|(_, token)| token.as_str()),
            Some(&format!("demo-{n}")),
            &post,
        )
        .await
        .with_context(|| format!("the post {}", text.title))?;
    }
    Ok(())
}

async fn call(
    server: &Server,
    path: &str,
    token: Option<&str>,
    key: Option<&str>,
    body: &Value,
) -> anyhow::Result<Value> {
    let mut request = Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = server
        .call(request.body(Body::from(serde_json::to_vec(body)?))?)
        .await;
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await?;
    anyhow::ensure!(
        status == StatusCode::OK,
        "{path} answers {status}: {}",
        String::from_utf8_lossy(&bytes)
    );
    Ok(serde_json::from_slice(&bytes)?)
}

/// Short enough to type, made of chance: a demo may be reachable from outside.
fn password(ids: &dyn Ids) -> String {
    let text = hex::encode(&ids.secret()[..8]);
    format!(
        "{}-{}-{}-{}",
        &text[..4],
        &text[4..8],
        &text[8..12],
        &text[12..]
    )
}

fn email(username: &str) -> String {
    format!("{username}@school.example")
}

fn logins(password: &str) -> String {
    let mut text = String::from("demo logins:");
    for who in PEOPLE {
        let name = format!("{} {}", who.first_name, who.last_name);
        let _ = write!(
            text,
            "\n  {:<8} {:<9} {:<15} {}",
            who.username,
            who.role.name(),
            name,
            email(who.username)
        );
    }
    let _ = write!(text, "\npassword of each: {password}");
    text
}
