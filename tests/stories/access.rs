//! The access matrix: every route of every service with who may call it. A route that is not in it fails the test, and so
//! does one whose signature says otherwise.

use kit::routes::Access;
use reqwest::Method;
use schoolyard::assembly::upstreams;

use crate::support::{School, Topology};

/// Method, path, what the gateway asks, the extractor of the handler.
const MATRIX: &str = include_str!("access_matrix.txt");

fn row(info: &kit::routes::RouteInfo) -> String {
    let method = info.method.as_ref().map_or("ANY", |method| method.as_str());
    let access = match info.access {
        Access::Internal => "internal",
        Access::Public => "public",
        Access::Optional => "optional",
        Access::Authenticated => "authenticated",
    };
    format!("{method:<6} {:<44} {access:<13} {}", info.path, info.guard)
}

fn table() -> Vec<kit::routes::RouteInfo> {
    upstreams::SERVICES
        .into_iter()
        .flat_map(|service| upstreams::api(service).unwrap().table)
        .collect()
}

#[test]
fn every_route_is_in_the_access_matrix_and_says_what_the_matrix_says() {
    let mut rows: Vec<_> = table().iter().map(row).collect();
    rows.sort_by_key(|row| row.split_whitespace().nth(1).unwrap_or_default().to_owned() + row);
    let known: Vec<_> = MATRIX
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::trim_end)
        .collect();
    assert_eq!(rows, known, "the whole matrix:\n{}\n", rows.join("\n"));
}

#[test]
fn an_open_handler_stands_on_the_kind_of_route_its_extractor_is_for() {
    for info in table() {
        let expected = match info.access {
            Access::Public => "Anyone",
            Access::Optional => "Visitor",
            Access::Internal => "Service",
            Access::Authenticated => continue,
        };
        // Two routes are there for a credential itself: one judges whatever is presented, the other takes a service's secret
        // and gives its token out.
        if ["/api/auth/validate", "/internal/auth/service-token"].contains(&info.path.as_str()) {
            continue;
        }
        assert_eq!(info.guard, expected, "{}", row(&info));
    }
}

#[tokio::test]
async fn no_protected_route_answers_without_a_token_or_to_a_student_where_it_is_for_administrators()
{
    let school = School::start(Topology::Together).await;
    let (nobody, student) = (school.nobody(), school.sign_in_student().await);
    for info in table() {
        let path = info.path.replace("{id}", "1").replace("{name}", "x");
        let method = info.method.clone().unwrap_or(Method::GET);
        let ask = |who: &crate::support::Person| {
            who.request(method.clone(), &path)
                .json(&serde_json::json!({}))
        };
        let expected = match info.access {
            Access::Authenticated => 401,
            Access::Internal => 404,
            Access::Public | Access::Optional => continue,
        };
        assert_eq!(
            nobody.send(ask(&nobody)).await.status,
            expected,
            "{} without a token",
            row(&info)
        );
        if info.guard == "Admin" {
            assert_eq!(
                student.send(ask(&student)).await.status,
                403,
                "{} as a student",
                row(&info)
            );
        }
    }
    school.stop().await;
}

#[test]
fn every_route_is_in_the_api_documentation() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    let missing: Vec<_> = table()
        .into_iter()
        .map(|info| info.path)
        .filter(|path| !text.contains(&format!("{path}`")))
        .collect();
    assert!(missing.is_empty(), "docs/API.md does not name {missing:?}");
}
