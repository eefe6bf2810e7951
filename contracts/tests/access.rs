//! The access extractors on a real router, past the gateway: what a bearer proves, and that headers prove nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use axum::body::Body;
use axum::{Extension, Router, routing::get};
use contracts::access::{Admin, ClientAddress, Member, Service, Visitor};
use contracts::{Role, Roles, UserId, Verified, Verifier};
use http::{Request, StatusCode};
use kit::clock::{Clock, MockClock};
use kit::token::{Claims, KeyRing, TokenKind};
use uuid::Uuid;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Door {
    router: Router,
    keys: KeyRing,
    clock: MockClock,
}

impl Door {
    fn new() -> Self {
        let clock = MockClock::default();
        let keys = KeyRing::hs256(&SECRET.to_owned().into(), "schoolyard").unwrap();
        let router = Router::new()
            .route(
                "/member",
                get(|Member(who): Member| async move { who.user.to_string() }),
            )
            .route(
                "/admin",
                get(|Admin(who): Admin| async move { who.user.to_string() }),
            )
            .route(
                "/visitor",
                get(|Visitor(who): Visitor| async move {
                    who.map_or("nobody".to_owned(), |who| who.user.to_string())
                }),
            )
            .route(
                "/service",
                get(|Service(name): Service| async move { name.to_string() }),
            )
            .route(
                "/address",
                get(|ClientAddress(address): ClientAddress| async move { format!("{address:?}") }),
            );
        Self {
            router: router.layer(Extension(Verifier::new(keys.clone(), clock.shared()))),
            keys,
            clock,
        }
    }

    fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        let now = self.clock.now().timestamp();
        let mut claims: Claims = serde_json::from_value(serde_json::json!({
            "iss": "schoolyard", "aud": "schoolyard", "sub": "42", "email": "eva@school.example", "username": "eva",
            "roles": ["member", "teacher"], "sid": Uuid::from_u128(7), "jti": Uuid::from_u128(8), "iat": now, "exp": now + 60,
        }))
        .unwrap();
        change(&mut claims);
        self.keys.sign(&claims)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let request = headers
            .iter()
            .fold(Request::get(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let answer = tower::ServiceExt::oneshot(self.router.clone(), request)
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_bearer_proves_its_person_and_nobody_is_nobody() {
    let door = Door::new();
    let own = format!("Bearer {}", door.token(|_| {}));
    assert_eq!(
        door.get("/member", &[("authorization", &own)]).await,
        (StatusCode::OK, "42".into())
    );
    assert_eq!(
        door.get("/visitor", &[("authorization", &own)]).await,
        (StatusCode::OK, "42".into())
    );
    assert_eq!(
        door.get("/visitor", &[("x-user-id", "1")]).await,
        (StatusCode::OK, "nobody".into())
    );
    let (status, body) = door.get("/member", &[("x-user-id", "1")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body.contains("No authorization header"), "{body}");
    let (status, body) = door.get("/admin", &[("authorization", &own)]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("\"forbidden\""), "{body}");
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_nobody_is_good_enough() {
    let door = Door::new();
    let expired = format!("Bearer {}", door.token(|claims| claims.exp = 1));
    let (status, body) = door.get("/visitor", &[("authorization", &expired)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body.contains("Token expired"), "{body}");
    let sessionless = format!("Bearer {}", door.token(|claims| claims.sid = None));
    assert_eq!(
        door.get("/visitor", &[("authorization", &sessionless)])
            .await
            .0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn every_identity_header_must_say_what_the_token_says() {
    let door = Door::new();
    let own = format!("Bearer {}", door.token(|_| {}));
    let session = Uuid::from_u128(7).to_string();
    let right = [
        ("x-user-id", "42"),
        ("x-user-email", "eva@school.example"),
        ("x-user-roles", "member,teacher"),
        ("x-session-id", &session),
    ];
    let mut all = vec![("authorization", own.as_str())];
    all.extend(right);
    assert_eq!(door.get("/member", &all).await.0, StatusCode::OK);
    for (name, value) in right {
        for wrong in [
            vec![(name, "1")],
            vec![(name, value), (name, value)],
            vec![(name, "")],
        ] {
            let mut headers = vec![("authorization", own.as_str())];
            headers.extend(wrong.iter().copied());
            let (status, body) = door.get("/member", &headers).await;
            assert!(
                status == StatusCode::UNAUTHORIZED && body.contains("identity_mismatch"),
                "{wrong:?}: {status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_is_no_person_and_a_person_no_service() {
    let door = Door::new();
    let service = format!(
        "Bearer {}",
        door.token(|claims| {
            claims.kind = TokenKind::Service;
            claims.sub = "feed".into();
        })
    );
    let person = format!("Bearer {}", door.token(|_| {}));
    assert_eq!(
        door.get("/service", &[("authorization", &service)]).await,
        (StatusCode::OK, "feed".into())
    );
    for (path, token) in [
        ("/service", &person),
        ("/member", &service),
        ("/visitor", &service),
    ] {
        let (status, body) = door.get(path, &[("authorization", token)]).await;
        assert!(
            status == StatusCode::UNAUTHORIZED && body.contains("wrong_token_kind"),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn what_the_gateway_proved_is_not_proved_again() {
    let door = Door::new();
    let who = Verified {
        user: UserId(9),
        email: None,
        username: "tom".into(),
        roles: Roles::MEMBER.with(Role::Admin),
        session: Uuid::nil(),
        expires_at: door.clock.now(),
    };
    let router = door.router.clone().layer(Extension(Arc::new(who)));
    let inside = Door { router, ..door };
    assert_eq!(
        inside
            .get("/admin", &[("authorization", "Bearer whatever")])
            .await,
        (StatusCode::OK, "9".into())
    );
}

#[tokio::test]
async fn a_request_without_a_connection_has_no_address() {
    assert_eq!(Door::new().get("/address", &[]).await.1, "None");
}
