//! Every vector of `passlib-vectors.json` does in Rust what its Python side says.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use auth::password::{Stored, Unreadable, Verdict};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/passlib-vectors.json")).unwrap()
}

fn password(vector: &Value) -> String {
    let hex = vector["password_hex"].as_str().unwrap();
    String::from_utf8(hex::decode(hex).unwrap()).unwrap()
}

/// What a hash that Python made from this password must give here.
fn expected(stored: &Stored, password: &str) -> Verdict {
    let cut = matches!(stored, Stored::Bcrypt(_))
        || matches!(stored, Stored::Django(django) if django.cuts());
    if cut && password.len() > 72 {
        Verdict::MatchFirst72
    } else {
        Verdict::Match
    }
}

#[test]
fn every_bcrypt_hash_of_passlib_matches_its_password_and_no_other() {
    let vectors = vectors();
    let bcrypt = vectors["bcrypt"].as_array().unwrap();
    assert_eq!(bcrypt.len(), 34);
    for vector in bcrypt {
        let (password, name) = (password(vector), &vector["name"]);
        let stored = Stored::parse(vector["hash"].as_str().unwrap()).unwrap();
        assert_ne!(
            vector["verify"],
            Value::Bool(false),
            "the file has no negative vector"
        );
        assert_eq!(
            stored.check(&password),
            expected(&stored, &password),
            "{name}"
        );
        assert_eq!(
            stored.check(&format!("z{password}")),
            Verdict::Mismatch,
            "{name}"
        );
    }
}

#[test]
fn every_wrapped_format_matches_its_password_and_no_other() {
    let vectors = vectors();
    let wrapped: Vec<&Value> = vectors["other"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector.get("hash").is_some() && vector.get("password_hex").is_some())
        .collect();
    assert_eq!(wrapped.len(), 11);
    for vector in wrapped {
        let (password, name) = (password(vector), &vector["name"]);
        let stored = Stored::parse(vector["hash"].as_str().unwrap()).unwrap();
        assert_eq!(
            stored.check(&password),
            expected(&stored, &password),
            "{name}"
        );
        assert_eq!(
            stored.check(&format!("{password}!")),
            Verdict::Mismatch,
            "{name}"
        );
        assert!(stored.needs_rehash(&password, 12), "{name}");
    }
}

#[test]
fn djangos_unusable_mark_matches_nothing() {
    let vectors = vectors();
    let unusable = vectors["other"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["name"] == "django unusable")
        .unwrap();
    let stored = Stored::parse(unusable["hash"].as_str().unwrap()).unwrap();
    assert_eq!(stored, Stored::Unusable);
    assert_eq!(stored.check(""), Verdict::Mismatch);
}

/// The entries of `other` without a hash of their own: what passlib answers in edge cases.
#[test]
fn the_edge_cases_are_answered_as_the_python_side_answers_them() {
    let vectors = vectors();
    let results: Vec<(&str, &Value)> = vectors["other"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|vector| Some((vector["name"].as_str()?, vector.get("result")?)))
        .collect();
    let of_72 =
        Stored::parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i").unwrap();
    let x72 = "x".repeat(72);
    for (name, result) in &results {
        match *name {
            "passlib verify x*72+tail against x*72 hash" | "bcrypt 4.0.1 checkpw 72+tail" => {
                assert_eq!(**result, Value::Bool(true));
                assert_eq!(
                    of_72.check(&format!("{x72}tail")),
                    Verdict::MatchFirst72,
                    "true, but only for the first 72 bytes"
                );
            }
            // passlib raises on a NUL; a hash that bcrypt made of one is never matched here either
            "passlib NUL verify" => assert!(result["error"].as_str().unwrap().contains("NULL")),
            "bcrypt 4.0.1 hashpw NUL" => {
                let stored = Stored::parse(result.as_str().unwrap()).unwrap();
                for password in ["a\0b", "secret\0", "\0", "ab\0cd"] {
                    assert_eq!(stored.check(password), Verdict::Mismatch);
                }
            }
            "passlib salt padding (last char not in .Oeu)" => {
                assert_eq!(
                    Stored::parse(result.as_str().unwrap())
                        .unwrap()
                        .check("secret"),
                    Verdict::Match
                );
            }
            // passlib makes no 2x and verifies none of ours; `2` is older than any source system
            "passlib 2x hash" => assert_eq!(
                Stored::parse("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
                Err(Unreadable::Malformed)
            ),
            "ctx.identify 2y/2x/2a" => {
                for variant in ["2a", "2b", "2y"] {
                    assert_eq!(result[variant], "bcrypt");
                    assert!(
                        Stored::parse(&format!(
                            "${variant}$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
                        ))
                        .is_ok()
                    );
                }
            }
            "ctx.verify malformed" => {
                assert_eq!(Stored::parse("not a hash"), Err(Unreadable::Malformed));
            }
            // a policy of passlib's context or an answer without a hash: ours is stricter (rule 16) or elsewhere (rule 14)
            "passlib truncate_error=True hash of 73"
            | "passlib NUL hash"
            | "ctx.verify None hash"
            | "ctx.needs_update rounds4"
            | "ctx.needs_update 2a 12" => {}
            other => panic!("the file has a case that is not tested: {other}"),
        }
    }
    assert_eq!(results.len(), 13);
}

#[test]
fn what_rust_made_elsewhere_matches() {
    let vectors = vectors();
    let made = &vectors["rust_made"]["bcrypt_crate"];
    for (name, password) in [
        ("2a", "secret".to_owned()),
        ("2y", "secret".to_owned()),
        ("secret", "secret".to_owned()),
        ("x80", "x".repeat(80)),
    ] {
        let stored = Stored::parse(made[name].as_str().unwrap()).unwrap();
        assert_eq!(
            stored.check(&password),
            expected(&stored, &password),
            "{name}"
        );
        assert_eq!(stored.check("Secret"), Verdict::Mismatch, "{name}");
    }
}
