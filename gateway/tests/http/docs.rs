//! Swagger UI and the documents, offline.

use gateway::DocsAccess;
use http::Method;
use serde_json::Value;

use crate::harness::{School, Where, config, request};

/// The addresses a page loads from.
fn references(html: &str) -> Vec<String> {
    let after = |marker: &str| {
        html.split(marker)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    [after("src=\""), after("href=\"")].concat()
}

#[tokio::test]
async fn the_page_loads_every_file_from_here_and_nothing_from_elsewhere() {
    let school = School::start(Where::Together).await;
    for path in ["/api/docs", "/api/docs/", "/api/v1/docs/"] {
        let page = school.get(path).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let files = references(&page.text());
        assert_eq!(files.len(), 7, "{files:?}");
        for file in files {
            assert!(file.starts_with("/api/docs/"), "{file}");
            let answer = school.get(&file).await;
            assert_eq!(answer.status, 200, "{file}");
            let kind = answer.header("content-type").unwrap();
            assert!(
                ["text/javascript", "text/css", "image/png"].contains(&kind),
                "{file}: {kind}"
            );
            assert!(answer.body.len() > 100, "{file}");
        }
        assert!(!page.text().contains("://") && !page.text().contains("\"//"));
        assert!(
            !page.text().contains("<script>") && !page.text().contains(" style="),
            "the policy would forbid it"
        );
    }
}

#[tokio::test]
async fn the_settings_name_all_documents_and_no_validator() {
    let school = School::start(Where::Together).await;
    let settings = school.get("/api/docs/swagger-initializer.js").await.text();
    for expected in [
        r#""url": "/api/schema""#,
        r#""url": "/api/schema/posts""#,
        r#""url": "/api/schema/gateway""#,
        r#""validatorUrl": "none""#,
        r#""urls.primaryName": "all services""#,
    ] {
        assert!(settings.contains(expected), "{expected}: {settings}");
    }
    assert!(!settings.contains("://"), "{settings}");
}

#[tokio::test]
async fn the_style_sheets_load_nothing_but_what_they_hold() {
    let school = School::start(Where::Together).await;
    for file in ["swagger-ui.css", "index.css"] {
        let css = school.get(&format!("/api/docs/{file}")).await.text();
        assert!(
            css.split("url(")
                .skip(1)
                .all(|rest| rest.trim_start_matches(['"', '\'']).starts_with("data:")),
            "{file}"
        );
        assert!(!css.contains("@import"), "{file}");
    }
}

#[tokio::test]
async fn the_page_has_a_policy_that_lets_it_work_and_nothing_out() {
    let school = School::start(Where::Together).await;
    for path in ["/api/docs", "/api/docs/swagger-ui-bundle.js"] {
        let policy = school
            .get(path)
            .await
            .header("content-security-policy")
            .unwrap()
            .to_owned();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(
            !policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval")
        );
    }
}

#[tokio::test]
async fn only_the_files_of_the_page_are_served() {
    let school = School::start(Where::Together).await;
    for name in [
        "index.html",
        "oauth2-redirect.html",
        "swagger-ui-es-bundle.js",
        "nothing",
        "%2e%2e%2findex",
    ] {
        assert!(
            school
                .get(&format!("/api/docs/{name}"))
                .await
                .status
                .is_client_error(),
            "{name}"
        );
    }
}

fn resolves(document: &Value, at: &Value) {
    match at {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                assert!(
                    document.pointer(target.trim_start_matches('#')).is_some(),
                    "{target} leads nowhere"
                );
            }
            members
                .values()
                .for_each(|member| resolves(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| resolves(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_documents_are_openapi_3_1_and_hold_every_public_route_and_no_internal_one() {
    let school = School::start(Where::Together).await;
    let merged = school.get("/api/schema/").await;
    assert_eq!(merged.header("content-type"), Some("application/json"));
    let merged = merged.json();
    assert!(merged["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(merged["info"]["title"], "schoolyard");
    let paths: Vec<&str> = merged["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for expected in [
        "/api/posts/{id}",
        "/api/posts/protected",
        "/api/services/status",
        "/api/schema/{service}",
    ] {
        assert!(paths.contains(&expected), "{paths:?}");
    }
    assert!(
        paths.iter().all(|path| path.starts_with("/api/")),
        "{paths:?}"
    );
    resolves(&merged, &merged);
    let posts = school.get("/api/v1/schema/posts").await.json();
    assert_eq!(posts["info"]["title"], "posts");
    assert!(posts["paths"].get("/api/services/status").is_none());
    resolves(&posts, &posts);
    assert_eq!(school.get("/api/schema/nothing").await.problem().0, 404);
}

#[tokio::test]
async fn a_document_is_yaml_on_demand_and_nothing_else() {
    let school = School::start(Where::Together).await;
    let yaml = school.get("/api/schema/posts?format=yaml").await;
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(
        yaml.text().lines().any(|line| line == "  /api/posts/{id}:"),
        "{}",
        yaml.text()
    );
    assert_eq!(
        school
            .get("/api/schema?format=json")
            .await
            .header("content-type"),
        Some("application/json")
    );
    assert_eq!(school.get("/api/schema?format=xml").await.problem().0, 422);
}

#[test]
fn the_documents_can_be_written_without_a_server() {
    let posts = crate::harness::posts(&std::sync::Arc::default());
    let documents = gateway::documents(&[("posts", &posts.openapi)], DocsAccess::Public).unwrap();
    let merged: Value = serde_json::from_slice(&documents.merged().json()).unwrap();
    assert!(merged["paths"]["/api/posts/{id}"]["get"].is_object());
    assert!(merged["paths"]["/api/services/status"]["get"].is_object());
    assert!(documents.of("gateway").is_some() && documents.of("nothing").is_none());
}

#[tokio::test]
async fn documents_for_members_need_a_member() {
    let mut config = config();
    config.docs = DocsAccess::Member;
    let school = School::with(Where::Together, config).await;
    for path in [
        "/api/docs",
        "/api/docs/swagger-ui.css",
        "/api/schema",
        "/api/schema/posts",
    ] {
        assert_eq!(school.get(path).await.problem().0, 401, "{path}");
        assert_eq!(school.get_as(42, path).await.status, 200, "{path}");
    }
    let by_cookie = school
        .send(request(Method::GET, "/api/docs", &[("cookie", "sy=42")]))
        .await;
    assert_eq!(by_cookie.status, 200);
}
