//! Logins: names, formats, lock-out, limits.

use backends::testing::TestDb;
use contracts::{Role, access::ClientAddress};
use futures_util::future::join_all;
use kit::testing;
use serde_json::{Value, json};

use crate::school::{PASSWORD, School};

fn vector(name: &str) -> (String, String) {
    let all: Value = serde_json::from_str(include_str!("../data/passlib-vectors.json")).unwrap();
    let found = all["other"]
        .as_array()
        .unwrap()
        .iter()
        .chain(all["bcrypt"].as_array().unwrap())
        .find(|vector| vector["name"] == name)
        .unwrap()
        .clone();
    let password =
        String::from_utf8(hex::decode(found["password_hex"].as_str().unwrap()).unwrap()).unwrap();
    (found["hash"].as_str().unwrap().to_owned(), password)
}

backends::on_every_database! {
    async fn one_answer_holds_what_the_clients_of_all_three_systems_read(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Teacher]).await;
        let mut answer = school.signed_in("ines").await;
        for token in ["access_token", "refresh_token"] {
            assert!(answer.member(token).len() >= 43);
            answer.body[token] = json!(format!("[{token}]"));
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer.body, @r#"
        {
          "access_token": "[access_token]",
          "expires_in": 3600,
          "message": "Login successful",
          "refresh_expires_in": 604800,
          "refresh_token": "[refresh_token]",
          "token_type": "bearer",
          "user": {
            "date_joined": "2026-03-02T08:00:00Z",
            "email": "ines@x.org",
            "first_name": "ines",
            "full_name": "ines Roy",
            "id": 1,
            "is_active": true,
            "last_name": "Roy",
            "role": "teacher",
            "roles": [
              "teacher",
              "member"
            ],
            "user_type": "2",
            "username": "ines"
          }
        }
        "#); }
    }

    async fn a_person_gets_in_by_either_name_in_any_spelling(db: TestDb) {
        let school = School::open(&db).await;
        school.person("Ines", &[]).await;
        for body in [
            json!({"email": " INES@x.org ", "password": PASSWORD}),
            json!({"username": "iNes", "password": PASSWORD}),
            json!({"username": "ines@x.org", "password": PASSWORD}),
        ] {
            assert_eq!(school.post("/api/v1/users/login/", body).await.status, 200);
        }
    }

    async fn unknown_names_and_wrong_passwords_get_one_answer_and_cost_one_hash(db: TestDb) {
        let school = School::open(&db).await;
        let id = school.person("ines", &[]).await;
        school.person("nologin", &[]).await;
        let before = school.hashes();
        let unknown = school.login("nobody", PASSWORD).await;
        assert_eq!(school.hashes() - before, 1);
        let wrong = school.login("ines", "not my password").await;
        assert_eq!(school.hashes() - before, 2);
        school.set_stored_hash(id, "!unusable").await;
        let unusable = school.login("ines", PASSWORD).await;
        assert_eq!(school.hashes() - before, 3);
        school.signed_in("nologin").await;
        assert_eq!(school.hashes() - before, 4);
        for answer in [&unknown, &wrong, &unusable] {
            assert_eq!(answer.problem(), (401, "invalid_credentials"));
            assert_eq!(answer.body["detail"], "Invalid credentials");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }

    async fn hashes_of_the_source_systems_log_in_and_are_replaced(db: TestDb) {
        let school = School::open(&db).await;
        let id = school.person("ines", &[]).await;
        for name in ["passlib 2a len6", "passlib bcrypt_sha256 v1", "passlib pbkdf2_sha256", "django PBKDF2PasswordHasher", "django BCryptSHA256PasswordHasher", "django BCryptPasswordHasher", "django ScryptPasswordHasher"] {
            let (hash, password) = vector(name);
            school.set_stored_hash(id, &hash).await;
            assert_eq!(school.login("ines", &password).await.status, 200, "{name}");
            let now = school.stored_hash(id).await.unwrap();
            assert!(now.starts_with(if password.len() > 72 { "$bcrypt-sha256$v=2,t=2b,r=4$" } else { "$2b$04$" }), "{name} became {now}");
            assert_eq!(school.login("ines", &password).await.status, 200, "{name}, from the new hash");
            assert_eq!(school.stored_hash(id).await.unwrap(), now, "what is current stays");
        }
    }

    async fn a_long_password_against_plain_bcrypt_must_be_changed_and_is_not_rehashed(db: TestDb) {
        let school = School::open(&db).await;
        let id = school.person("ines", &[]).await;
        let (hash, password) = vector("passlib 2b len86");
        school.set_stored_hash(id, &hash).await;
        let answer = school.login("ines", &password).await;
        assert_eq!((answer.status, &answer.body["must_change"]), (200, &json!(true)));
        assert_eq!(school.stored_hash(id).await.unwrap(), hash);
        let change = json!({"old_password": password, "new_password": "p".repeat(80) + "!"});
        assert_eq!(school.call(http::Method::POST, "/api/auth/change-password", &answer.member("access_token"), Some(change)).await.status, 204);
        let again = school.login("ines", &("p".repeat(80) + "!")).await;
        assert_eq!((again.status, &again.body["must_change"]), (200, &json!(null)));
        assert_eq!(school.login("ines", &("p".repeat(80) + "?")).await.status, 401, "the whole password counts now");
    }

    async fn five_failures_lock_a_name_as_the_rule_says(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        for _ in 0..5 {
            assert_eq!(school.login("ines", "wrong password").await.status, 401);
            school.advance(10);
        }
        // the fifth was at 40 s and it is 50 s now
        let locked = school.login("INES", PASSWORD).await;
        assert_eq!(locked.problem(), (429, "too_many_attempts"));
        assert_eq!(locked.header("retry-after"), Some("50"));
        school.advance(55);
        assert_eq!(school.login("ines", "wrong password").await.status, 401);
        assert_eq!(school.restarted(&db).await.login("ines", PASSWORD).await.header("retry-after"), Some("120"), "a restart forgets nothing");
        school.advance(120);
        school.signed_in("ines").await;
        for _ in 0..4 {
            assert_eq!(school.login("ines", "wrong password").await.status, 401, "a success cleared the counter");
        }
        school.signed_in("ines").await;
    }

    async fn an_unknown_name_locks_like_a_known_one(db: TestDb) {
        let school = School::open(&db).await;
        for _ in 0..5 {
            assert_eq!(school.login("nobody", PASSWORD).await.status, 401);
        }
        assert_eq!(school.login("nobody", PASSWORD).await.problem(), (429, "too_many_attempts"));
    }

    async fn a_burst_of_64_guesses_gets_five_tries(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let answers = join_all((0..64).map(|_| school.login("ines", "wrong password"))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
        assert_eq!(answers.iter().filter(|answer| answer.problem() == (429, "too_many_attempts")).count(), 59);
    }

    async fn sixty_failed_logins_from_one_address_are_enough_for_a_minute(db: TestDb) {
        let school = School::with(&db, |config| {
            config.failed_logins_per_minute = 60;
            config.shared_networks = vec!["10.0.0.0/8".parse().unwrap()];
        }).await;
        school.person("ines", &[]).await;
        let from = |address: &str, name: &str, password: &str| testing::post("/api/auth/login", &json!({"username": name, "password": password}))
            .extension(ClientAddress(Some(address.parse().unwrap())));
        for n in 0..60 {
            assert_eq!(school.send(from("192.0.2.7", &format!("guess{n}"), "x")).await.status, 401);
            assert_eq!(school.send(from("192.0.2.8", "ines", PASSWORD)).await.status, 200, "a success takes no place");
        }
        let refused = school.send(from("192.0.2.7", "ines", PASSWORD)).await;
        assert_eq!(refused.problem(), (429, "rate_limited"));
        assert!(refused.header("retry-after").is_some());
        assert_eq!(school.send(from("192.0.2.8", "ines", PASSWORD)).await.status, 200);
        // a whole school shares this one: unknown names fill it, a person with an account still gets in
        for n in 0..60 {
            assert_eq!(school.send(from("10.1.2.3", &format!("guess{n}x"), "x")).await.status, 401);
        }
        assert_eq!(school.send(from("10.1.2.3", "guess", "x")).await.problem(), (429, "rate_limited"));
        assert_eq!(school.send(from("10.1.2.3", "ines", PASSWORD)).await.status, 200);
    }
}
