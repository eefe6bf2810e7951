//! The limit per client address, whose address that is, and the names answered for.

use chrono::Duration;
use http::Method;

use crate::harness::{School, Where, config, from};

/// How many of `n` requests pass.
async fn passed(
    school: &School,
    n: usize,
    peer: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> usize {
    let mut passed = 0;
    for _ in 0..n {
        let answer = school.send(from(peer, Method::GET, path, headers)).await;
        if answer.status == 429 {
            assert_eq!(answer.problem(), (429, "rate_limited".to_owned()));
            assert_eq!(answer.header("retry-after"), Some("1"));
        } else {
            passed += 1;
        }
    }
    passed
}

#[tokio::test]
async fn of_300_requests_in_one_instant_200_pass_and_a_second_client_is_unaffected() {
    let school = School::start(Where::Together).await;
    assert_eq!(
        passed(&school, 300, "192.0.2.1", "/api/posts/public", &[]).await,
        200
    );
    assert_eq!(school.calls(), 200);
    assert_eq!(
        passed(&school, 10, "192.0.2.2", "/api/posts/public", &[]).await,
        10
    );
    school.clock.advance(Duration::seconds(1));
    assert_eq!(
        passed(&school, 300, "192.0.2.1", "/api/posts/public", &[]).await,
        100
    );
}

#[tokio::test]
async fn exempt_routes_and_health_neither_count_nor_are_limited() {
    let school = School::start(Where::Together).await;
    for path in ["/api/posts/hook", "/health", "/api/posts/health"] {
        assert_eq!(
            passed(&school, 250, "192.0.2.1", path, &[]).await,
            250,
            "{path}"
        );
    }
    assert_eq!(
        passed(&school, 300, "192.0.2.1", "/api/posts/public", &[]).await,
        200
    );
    assert_eq!(
        passed(&school, 5, "192.0.2.1", "/api/posts/hook", &[]).await,
        5
    );
}

#[tokio::test]
async fn paths_that_do_not_exist_count() {
    let school = School::start(Where::Together).await;
    assert_eq!(
        passed(&school, 300, "192.0.2.1", "/api/guess", &[]).await,
        200
    );
}

#[tokio::test]
async fn changing_the_address_in_a_header_or_within_an_ipv6_network_makes_no_second_client() {
    let school = School::start(Where::Together).await;
    let mut through = 0;
    for n in 0..300 {
        let forged = format!("198.51.100.{}", n % 250);
        through += passed(
            &school,
            1,
            "192.0.2.1",
            "/api/posts/public",
            &[("x-forwarded-for", &forged)],
        )
        .await;
    }
    assert_eq!(through, 200);
    let mut through = 0;
    for n in 0..300 {
        through += passed(
            &school,
            1,
            &format!("2001:db8:1:2::{n:x}"),
            "/api/posts/public",
            &[],
        )
        .await;
    }
    assert_eq!(through, 200);
    assert_eq!(
        passed(&school, 1, "2001:db8:1:3::1", "/api/posts/public", &[]).await,
        1
    );
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts_and_is_told_to_services() {
    for (place, seen) in [(Where::Together, "client"), (Where::Apart, "header")] {
        let mut config = config();
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let school = School::with(place, config).await;
        let headers = [
            ("x-forwarded-for", "6.6.6.6, 198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "school.example"),
        ];
        let answer = school
            .send(from("10.0.0.9", Method::GET, "/api/posts/public", &headers))
            .await;
        match seen {
            "client" => assert_eq!(answer.json()["client"], "198.51.100.1"),
            _ => assert_eq!(answer.seen("x-forwarded-for"), ["198.51.100.1"]),
        }
        assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
        assert_eq!(answer.seen("x-forwarded-host"), ["school.example"]);
        assert_eq!(
            passed(&school, 300, "10.0.0.9", "/api/posts/public", &headers).await,
            199
        );
        assert_eq!(
            passed(
                &school,
                1,
                "10.0.0.9",
                "/api/posts/public",
                &[("x-forwarded-for", "198.51.100.2")]
            )
            .await,
            1
        );
    }
}

#[tokio::test]
async fn nobody_else_is_believed_about_where_a_request_comes_from() {
    let headers = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=6.6.6.6"),
        ("host", "school.example"),
    ];
    let apart = School::start(Where::Apart).await;
    let answer = apart
        .send(from(
            "203.0.113.5",
            Method::GET,
            "/api/posts/public",
            &headers,
        ))
        .await;
    assert_eq!(answer.seen("x-forwarded-for"), ["203.0.113.5"]);
    assert_eq!(answer.seen("x-forwarded-proto"), ["http"]);
    assert_eq!(answer.seen("x-forwarded-host"), ["school.example"]);
    assert_eq!(answer.seen("forwarded"), Vec::<String>::new());
    let together = School::start(Where::Together).await;
    let answer = together
        .send(from(
            "203.0.113.5",
            Method::GET,
            "/api/posts/public",
            &headers,
        ))
        .await;
    assert_eq!(answer.json()["client"], "203.0.113.5");
    assert_eq!(answer.seen("x-forwarded-proto"), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_for_another_host_is_misdirected_but_health_answers() {
    let mut config = config();
    config.hosts = vec!["school.example".to_owned()];
    let school = School::with(Where::Together, config).await;
    let ask = async |host: &str, path: &str| {
        school
            .send(from("192.0.2.1", Method::GET, path, &[("host", host)]))
            .await
    };
    assert_eq!(
        ask("evil.example", "/api/posts/public").await.problem(),
        (421, "misdirected".to_owned())
    );
    assert_eq!(
        ask("School.example:8080", "/api/posts/public").await.status,
        200
    );
    assert_eq!(ask("127.0.0.1", "/health").await.status, 200);
    assert_eq!(school.calls(), 1);
}

#[test]
fn a_setting_out_of_range_is_an_error_that_says_the_range() {
    let load = |key: &str, value: &str| {
        let env = vec![(format!("SCHOOLYARD_GATEWAY__{key}"), value.to_owned())];
        let section = kit::config::Config::load(&[gateway::SECTION], None, env, &[])
            .and_then(|config| config.section::<gateway::Config>("gateway"));
        section.map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(
        load("RATE_LIMIT", "0")
            .unwrap_err()
            .contains("between 1 and 1000000")
    );
    assert!(
        load("UPSTREAM_TIMEOUT", "0")
            .unwrap_err()
            .contains("between 1 and 300")
    );
    assert!(
        load("TRUSTED_PROXIES", "10.0.0.0/8,nonsense")
            .unwrap_err()
            .contains("`nonsense`")
    );
    assert!(load("DOCS", "everybody").unwrap_err().contains("public"));
    assert_eq!(load("TRUSTED_PROXIES", "10.0.0.0/8,::1"), Ok(()));
    assert_eq!(load("DOCS", "member"), Ok(()));
}
