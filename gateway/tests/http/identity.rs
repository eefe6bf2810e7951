//! The forward-auth decision.

use http::{Method, StatusCode};
use kit::problem::Problem;

use crate::harness::{BOTH, School, Where, request};

#[tokio::test]
async fn auth_is_asked_exactly_where_the_access_says_so() {
    let school = School::start(Where::Together).await;
    for (path, asked) in [
        ("/api/posts/public", 0),
        ("/api/posts/optional", 1),
        ("/api/posts/protected", 2),
        ("/api/nothing", 2),
        ("/health", 2),
    ] {
        school.get_as(42, path).await;
        assert_eq!(school.asked(), asked, "{path}");
    }
}

#[tokio::test]
async fn only_a_service_of_this_process_gets_the_proof_itself() {
    for (place, proof) in [
        (Where::Together, serde_json::json!(42)),
        (Where::Apart, serde_json::Value::Null),
    ] {
        let school = School::start(place).await;
        assert_eq!(
            school.get_as(42, "/api/posts/protected").await.json()["verified"],
            proof,
            "{place:?}"
        );
        assert!(
            school.get_as(42, "/api/posts/public").await.json()["verified"].is_null(),
            "nobody on a public route"
        );
    }
}

#[tokio::test]
async fn a_visitor_without_credential_is_let_in_as_nobody_and_one_with_a_bad_one_is_not() {
    for place in BOTH {
        let school = School::start(place).await;
        let nobody = school.get("/api/posts/optional").await;
        assert!(nobody.json()["verified"].is_null());
        assert_eq!(nobody.seen("authorization"), Vec::<String>::new());
        let bad = school
            .send(request(
                Method::GET,
                "/api/posts/optional",
                &[("authorization", "Bearer forged")],
            ))
            .await;
        assert_eq!(bad.problem(), (401, "unauthorized".to_owned()));
        assert_eq!(bad.header("www-authenticate"), Some("Bearer"));
        assert_eq!(bad.json()["detail"], "Invalid token");
    }
}

#[tokio::test]
async fn a_public_route_keeps_the_credential_it_may_want_to_look_at() {
    let school = School::start(Where::Apart).await;
    assert_eq!(
        school
            .get_as(42, "/api/posts/public")
            .await
            .seen("authorization"),
        ["Bearer of-42"]
    );
}

#[tokio::test]
async fn two_credentials_are_none() {
    let school = School::start(Where::Together).await;
    let two = [
        ("authorization", "Bearer of-42"),
        ("authorization", "Bearer of-42"),
    ];
    assert_eq!(
        school
            .send(request(Method::GET, "/api/posts/protected", &two))
            .await
            .problem()
            .0,
        401
    );
    assert_eq!(school.calls(), 0);
}

#[tokio::test]
async fn when_auth_fails_protected_routes_fail_closed_and_public_ones_answer() {
    for place in BOTH {
        let school = School::start(place).await;
        let failures: [fn() -> Problem; 3] = [
            || Problem::internal(anyhow::anyhow!("the house is on fire")),
            || Problem::new(StatusCode::BAD_GATEWAY, "bad_gateway", "what"),
            || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "odd", "without a time"),
        ];
        for failure in failures {
            *school.auth.broken.lock() = Some(failure);
            for path in ["/api/posts/protected", "/api/posts/optional"] {
                let answer = school.get_as(42, path).await;
                assert_eq!(answer.problem(), (503, "auth_unavailable".to_owned()));
                assert!(answer.header("retry-after").is_some());
                assert!(!answer.text().contains("fire"));
            }
            assert_eq!(school.get("/api/posts/public").await.status, 200);
        }
        assert_eq!(school.calls(), 3, "only the public route was called");
    }
}

#[tokio::test]
async fn what_auth_says_about_itself_is_passed_on() {
    let school = School::start(Where::Together).await;
    *school.auth.broken.lock() =
        Some(|| Problem::unavailable("store_unavailable", "later").retry_after(3));
    let answer = school.get_as(42, "/api/posts/protected").await;
    assert_eq!(
        (answer.problem(), answer.header("retry-after")),
        ((503, "store_unavailable".to_owned()), Some("3"))
    );
    *school.auth.broken.lock() = Some(|| Problem::forbidden("csrf_failed", "no"));
    assert_eq!(
        school.get_as(42, "/api/posts/protected").await.problem(),
        (403, "csrf_failed".to_owned())
    );
}
