//! Which request is answered by whom.

use http::Method;

use crate::harness::{BOTH, School, Where, request};

#[tokio::test]
async fn a_path_that_could_be_read_in_two_ways_is_refused_before_anything_else() {
    let school = School::start(Where::Together).await;
    for path in [
        "/api/posts/../auth/me",
        "/api/posts/..",
        "/api/./posts",
        "/api/%2e%2e/internal",
        "/api/posts/%2E%2e/x",
        "/api/posts/..;/x",
        "//api/posts/public",
        "/api//posts/public",
        "/api/posts%2fpublic",
        "/api/posts%2Fpublic",
        "/api%5cposts",
        "/api/posts/%00",
        "/api/posts/%0d%0a",
        "/api/posts/%",
        "/api/posts/%zz",
        "/api/posts/%252e%252e/x",
        "/api/posts/%c0%ae",
        "/api/v1/../posts/public",
        "/api/v1//posts/public",
        "http://evil.example/api/posts/public",
    ] {
        let answer = school.get_as(42, path).await;
        assert_eq!(answer.problem(), (400, "bad_path".to_owned()), "{path}");
    }
    assert_eq!((school.calls(), school.asked()), (0, 0));
}

#[tokio::test]
async fn both_spellings_and_a_trailing_slash_reach_the_same_route_with_its_query() {
    for place in BOTH {
        let school = School::start(place).await;
        for path in [
            "/api/posts/public?a=%2F..",
            "/api/v1/posts/public?a=%2F..",
            "/api/posts/public/?a=%2F..",
            "/api/v1/posts/public/?a=%2F..",
        ] {
            let answer = school.get(path).await;
            assert_eq!(
                answer.json()["uri"],
                "/api/posts/public?a=%2F..",
                "{place:?} {path}"
            );
        }
    }
}

#[tokio::test]
async fn internal_routes_metrics_and_unknown_paths_do_not_exist() {
    for place in BOTH {
        let school = School::start(place).await;
        for path in [
            "/internal/posts/export",
            "/api/internal/posts/export",
            "/api/v1/internal/posts/export",
            "/metrics",
            "/api/metrics",
            "/",
            "/api",
            "/api/v1",
            "/api/posts",
            "/api/posts/health/ready",
        ] {
            assert_eq!(
                school.get_as(1, path).await.problem(),
                (404, "not_found".to_owned()),
                "{place:?} {path}"
            );
        }
        assert_eq!(school.calls(), 0);
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let school = School::start(Where::Together).await;
    let answer = school
        .send(request(Method::DELETE, "/api/posts/protected", &[]))
        .await;
    assert_eq!(
        (answer.problem(), answer.header("allow")),
        (
            (405, "method_not_allowed".to_owned()),
            Some("GET, HEAD, POST")
        )
    );
    assert_eq!(school.asked(), 0);
}

#[tokio::test]
async fn a_route_for_every_method_takes_every_method() {
    for place in BOTH {
        let school = School::start(place).await;
        for method in [
            Method::GET,
            Method::POST,
            Method::OPTIONS,
            Method::PATCH,
            Method::DELETE,
            Method::from_bytes(b"PROPFIND").unwrap(),
        ] {
            let answer = school
                .send(request(method.clone(), "/api/posts/any", &[]))
                .await;
            assert_eq!(answer.json()["method"], method.as_str(), "{place:?}");
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    for place in BOTH {
        let school = School::start(place).await;
        let answer = school
            .send(request(Method::HEAD, "/api/posts/public", &[]))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (200, 0),
            "{place:?}"
        );
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_its_request_id() {
    for place in BOTH {
        let school = School::start(place).await;
        for path in [
            "/api/posts/public",
            "/api/posts/protected",
            "/nothing",
            "/health",
            "/api/posts/../x",
        ] {
            let answer = school
                .send(request(Method::GET, path, &[("x-request-id", "abc-1")]))
                .await;
            assert_eq!(
                answer.header("x-content-type-options"),
                Some("nosniff"),
                "{path}"
            );
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(answer.header("x-frame-options"), Some("DENY"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(
                answer
                    .header("content-security-policy")
                    .unwrap()
                    .starts_with("default-src 'none'")
            );
            assert_eq!(
                answer
                    .headers
                    .get_all("x-request-id")
                    .iter()
                    .collect::<Vec<_>>(),
                ["abc-1"]
            );
        }
    }
}

#[tokio::test]
async fn a_service_sees_the_request_id_the_gateway_made_or_took() {
    let school = School::start(Where::Apart).await;
    let taken = school
        .send(request(
            Method::GET,
            "/api/posts/public",
            &[("x-request-id", "abc-1"), ("connection", "x-request-id")],
        ))
        .await;
    assert_eq!(taken.seen("x-request-id"), ["abc-1"]);
    let made = school
        .send(request(
            Method::GET,
            "/api/posts/public",
            &[("x-request-id", "not one!")],
        ))
        .await;
    assert_eq!(
        made.seen("x-request-id"),
        [made.header("x-request-id").unwrap()]
    );
}

#[tokio::test]
async fn metrics_name_the_service_and_the_template_in_both_topologies() {
    for place in BOTH {
        let school = School::start(place).await;
        school.get("/api/posts/17").await;
        school.get("/api/posts/protected").await;
        let metrics = school.metrics.render();
        for expected in [
            r#"route="/api/posts/{id}""#,
            r#"route="/api/posts/protected""#,
            r#"service="posts""#,
        ] {
            assert!(
                metrics
                    .lines()
                    .any(|line| line.starts_with("http_requests_total") && line.contains(expected)),
                "{place:?} {expected} {metrics}"
            );
        }
    }
}
