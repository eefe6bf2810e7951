//! What a profile cannot consist of (spec/profile.md rules 4 to 6, section 6): a problem that names the field, and nothing
//! changed.

use contracts::testing::member;
use http::Method;
use kit::testing::Answer;
use kit::testing::request;
use serde_json::{Value, json};

use crate::world::World;

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inner, _| json!({ "x": inner }))
}

fn cases() -> Vec<(Value, &'static str, &'static str)> {
    let mut cases = Vec::new();
    for (name, max) in [
        ("first_name", 100),
        ("last_name", 100),
        ("display_name", 80),
        ("pronouns", 40),
        ("city", 100),
        ("state", 100),
        ("country", 100),
        ("zip_code", 20),
        ("phone", 40),
        ("address", 500),
        ("bio", 2000),
    ] {
        for bad in [
            json!("ü".repeat(max + 1)),
            json!("a\u{0}b"),
            json!("a\tb"),
            json!("a\u{7f}"),
            json!(7),
            json!(["x"]),
            json!({"x": 1}),
            json!(true),
        ] {
            cases.push((json!({ name: bad }), "validation", name));
        }
        if !["address", "bio"].contains(&name) {
            cases.push((json!({ name: "a\nb" }), "validation", name));
        }
    }
    for dob in [
        json!("2027-02-29"),
        json!("2026-02-29"),
        json!("1899-12-31"),
        json!("2026-03-03"),
        json!("1990-1-1"),
        json!("1990-01-01T00:00:00Z"),
        json!("x"),
        json!(19_900_101),
    ] {
        cases.push((json!({ "dob": dob }), "validation", "dob"));
    }
    for language in [json!("xx"), json!("english"), json!("de_CH"), json!(1)] {
        cases.push((json!({ "language": language }), "validation", "language"));
    }
    for zone in [json!("Europe/Atlantis"), json!("+01:00"), json!(1)] {
        cases.push((json!({ "time_zone": zone }), "validation", "time_zone"));
    }
    for preferences in [
        json!([]),
        json!(7),
        json!("x"),
        json!("[]"),
        json!({"a": "\u{0}"}),
        json!({"a": "x".repeat(16 * 1024)}),
    ] {
        cases.push((
            json!({ "preferences": preferences }),
            "validation",
            "preferences",
        ));
    }
    for preferences in [nested(17), nested(100), json!(nested(17).to_string())] {
        cases.push((
            json!({ "preferences": preferences }),
            "too_deep",
            "preferences",
        ));
    }
    for name in [
        "id",
        "photo_url",
        "visibility",
        "version",
        "created_at",
        "updated_at",
        "email",
        "",
    ] {
        cases.push((json!({ name: "x" }), "unknown_field", name));
    }
    cases
}

#[tokio::test]
async fn every_field_that_does_not_fit_is_named_and_nothing_is_written() {
    let world = World::new().await;
    for (body, code, field) in cases() {
        let answer = world.post(&member(), &body).await;
        assert_eq!(
            (answer.problem(), answer.fields()),
            ((422, code), vec![field]),
            "{body}"
        );
    }
    assert_eq!(world.own(&member()).await.status, 404);
    let filled = world.filled(&member(), &json!({"city": "Lund"})).await;
    for (body, code, field) in cases() {
        let answer = world.put(&member(), &body).await;
        assert_eq!(
            (answer.problem(), answer.fields()),
            ((422, code), vec![field]),
            "{body}"
        );
    }
    assert_eq!(world.own(&member()).await.body, filled);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn what_is_just_long_enough_is_kept() {
    let world = World::new().await;
    let body = json!({
        "first_name": "ü".repeat(100), "display_name": "ü".repeat(80), "zip_code": "1".repeat(20), "phone": "1".repeat(40),
        "address": "a\nb".repeat(166), "bio": "ü".repeat(2000), "dob": "1900-01-01", "preferences": nested(16),
    });
    let filled = world.filled(&member(), &body).await;
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&filled[name], value, "{name}");
    }
}

#[tokio::test]
async fn several_bad_fields_are_all_named() {
    let world = World::new().await;
    let body = json!({"city": "a\nb", "dob": "x", "language": "xx", "preferences": 1});
    let answer = world.post(&member(), &body).await;
    assert_eq!(answer.fields(), ["city", "dob", "language", "preferences"]);
}

#[tokio::test]
async fn a_body_that_is_none_is_refused() {
    let world = World::new().await;
    world.filled(&member(), &json!({"city": "Lund"})).await;
    let large = format!("{{\"bio\":\"{}\"}}", "x".repeat(64 * 1024));
    let deep = format!(
        "{{\"preferences\":{}1{}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    for method in [Method::POST, Method::PUT] {
        for (media, bytes, status, code) in [
            ("application/json", &b"not json"[..], 400, "malformed_json"),
            ("application/json", b"", 400, "malformed_json"),
            (
                "application/json",
                b"{\"city\":\"\xff\"}",
                400,
                "malformed_json",
            ),
            ("application/json", deep.as_bytes(), 400, "malformed_json"),
            ("application/json", b"[]", 422, "validation"),
            ("application/json", b"[null, \"Ines\"]", 422, "validation"),
            ("application/json", b"null", 422, "validation"),
            (
                "application/json",
                b"{\"city\":\"a\",\"city\":\"b\"}",
                422,
                "validation",
            ),
            ("application/json", large.as_bytes(), 413, "body_too_large"),
            ("text/plain", b"{}", 415, "unsupported_media_type"),
        ] {
            let sent = request(method.clone(), "/api/profile")
                .header("content-type", media)
                .body(bytes.to_vec())
                .extension(member());
            let answer = Answer::of(sent.send(&world.router).await).await;
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
            assert_eq!(answer.problem(), (status, code), "{method} {start}");
        }
    }
    assert_eq!(world.own(&member()).await.body["version"], 1);
}
