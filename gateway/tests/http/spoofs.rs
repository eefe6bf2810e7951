//! What a client says about itself, against what a service sees (spec/auth.md section 5.2).

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, BOTH, School, Where, request};

const NAMES: [&str; 12] = [
    "X-User-ID",
    "x-user-id",
    "X_User_ID",
    "X.User.ID",
    "X-User_ID",
    "x.user-id",
    "X!User!ID",
    "X~User~ID",
    "X|User|ID",
    "X-User-Id",
    "X+User+ID",
    "X*User*ID",
];

/// Every header the service saw that could be read as an identity.
fn identity_of(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let mut found: Vec<String> = body["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .filter(|(name, _)| {
            let plain: String = name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            plain.starts_with("x-user") || plain.starts_with("x-session")
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    found.sort();
    found
}

fn person_42() -> Vec<String> {
    [
        "x-session-id: 5e550000-0000-7000-8000-000000000001",
        "x-user-email: p42@école.example",
        "x-user-id: 42",
        "x-user-roles: member,student",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn attacks() -> Vec<Vec<(String, String)>> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all: Vec<Vec<_>> = NAMES.iter().map(|name| vec![pair(name, "1")]).collect();
    all.extend([
        vec![pair("X-User-ID", "1"), pair("X-User-ID", "2")],
        vec![
            pair("X-User-ID", "1"),
            pair("X_User_ID", "1"),
            pair("X.User.ID", "1"),
        ],
        vec![pair("X-User-Roles", "admin")],
        vec![
            pair("X_User_Roles", "admin"),
            pair("X-User-Roles", "admin,teacher"),
        ],
        vec![
            pair("X-User-Email", "head@school.example"),
            pair("X-Session-ID", "x"),
            pair("X_Session_ID", "x"),
        ],
        vec![pair("Connection", "X-User-ID"), pair("X-User-ID", "1")],
        vec![pair(
            "Connection",
            "X-User-ID, X-User-Roles, X-User-Email, X-Session-ID, close",
        )],
        vec![
            pair("Connection", "keep-alive"),
            pair("Connection", "x-user-id"),
        ],
        vec![
            pair("X-Forwarded-Uri", "/api/posts/public"),
            pair("X-Forwarded-User", "1"),
            pair("X-Original-URL", "/x"),
        ],
        vec![pair("X-User-", "1"), pair("X-User-Whatever", "1")],
    ]);
    all
}

#[tokio::test]
async fn with_a_token_of_42_every_spoof_is_seen_as_42_in_both_topologies() {
    for place in BOTH {
        let school = School::start(place).await;
        for attack in attacks() {
            for path in ["/api/posts/protected", "/api/posts/optional"] {
                let mut headers: Vec<(&str, &str)> = attack
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str()))
                    .collect();
                headers.push(("authorization", "Bearer of-42"));
                let answer = school.send(request(Method::GET, path, &headers)).await;
                assert_eq!(answer.status, 200, "{place:?} {attack:?}");
                assert_eq!(
                    identity_of(&answer),
                    person_42(),
                    "{place:?} {path} {attack:?}"
                );
                assert_eq!(answer.seen("authorization"), ["Bearer of-42"]);
            }
        }
    }
}

#[tokio::test]
async fn without_a_token_a_protected_route_is_never_called_and_elsewhere_the_headers_are_gone() {
    for place in BOTH {
        let school = School::start(place).await;
        for attack in attacks() {
            let headers: Vec<(&str, &str)> = attack
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let before = school.calls();
            let refused = school
                .send(request(Method::GET, "/api/posts/protected", &headers))
                .await;
            assert_eq!(
                (refused.problem(), school.calls()),
                ((401, "unauthorized".to_owned()), before),
                "{attack:?}"
            );
            for path in ["/api/posts/public", "/api/posts/optional"] {
                let answer = school.send(request(Method::GET, path, &headers)).await;
                assert_eq!(
                    identity_of(&answer),
                    Vec::<String>::new(),
                    "{place:?} {path} {attack:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_cookie_becomes_a_bearer_token_and_a_stale_header_is_replaced() {
    let school = School::start(Where::Apart).await;
    let answer = school
        .send(request(
            Method::GET,
            "/api/posts/protected",
            &[("cookie", "sy=42"), ("x-user-id", "1")],
        ))
        .await;
    assert_eq!(answer.seen("authorization"), ["Bearer of-42"]);
    assert_eq!(identity_of(&answer), person_42());
}

#[tokio::test]
async fn a_person_without_address_has_an_empty_email_header() {
    let school = School::start(Where::Apart).await;
    let answer = school
        .send(request(
            Method::GET,
            "/api/posts/protected",
            &[("authorization", "Bearer of-7"), ("x-user-email", "a@b.c")],
        ))
        .await;
    assert_eq!(answer.seen("x-user-email"), [""]);
}

/// Sends bytes and reads the status line.
async fn status_of(school: &School, bytes: &str) -> String {
    let mut stream = TcpStream::connect(school.listen().await).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn an_h2c_upgrade_opens_no_tunnel() {
    for place in BOTH {
        let school = School::start(place).await;
        let upgrade = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
        let protected = format!("GET /api/posts/protected HTTP/1.1\r\nHost: s\r\n{upgrade}\r\n");
        assert_eq!(
            status_of(&school, &protected).await,
            "HTTP/1.1 401 Unauthorized"
        );
        let public = format!("GET /api/posts/public HTTP/1.1\r\nHost: s\r\n{upgrade}\r\n");
        assert_eq!(status_of(&school, &public).await, "HTTP/1.1 200 OK");
        let headers = [
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("te", "trailers"),
        ];
        let answer = school
            .send(request(Method::GET, "/api/posts/public", &headers))
            .await;
        for (name, _) in headers {
            assert_eq!(answer.seen(name), Vec::<String>::new(), "{name}");
        }
    }
}

#[tokio::test]
async fn bytes_that_no_client_library_sends_are_refused() {
    let school = School::start(Where::Together).await;
    for target in [
        "/api/posts/../posts/public",
        "/api//posts/public",
        "http://evil.example/api/posts/public",
        "/api/posts%2fpublic",
        "/api\\posts",
        "/api/posts/%00",
    ] {
        let status = status_of(
            &school,
            &format!("GET {target} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{target}");
    }
    assert_eq!(school.calls(), 0);
}
