//! Tokens of services.

use backends::testing::TestDb;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::testing::Answer;
use kit::{Clock as _, testing, token::TokenKind};
use serde_json::json;

use crate::school::School;

const FEED: &str = "feed-secret-feed-secret-feed-secret";

async fn ask(school: &School, credential: &str) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(credential));
    school
        .send(
            testing::request(http::Method::POST, "/internal/auth/service-token")
                .header("authorization", &basic),
        )
        .await
}

backends::on_every_database! {
    async fn a_service_gets_a_token_of_its_kind_for_its_secret(db: TestDb) {
        let school = School::with(&db, |config| config.service_credentials = vec![format!("feed:{FEED}").into()]).await;
        let answer = ask(&school, &format!("feed:{FEED}")).await;
        assert_eq!((answer.status, &answer.body["expires_in"], &answer.body["token_type"]), (200, &json!(300), &json!("bearer")));
        let claims = school.keys.verify(&answer.member("access_token"), school.clock.now()).unwrap();
        assert_eq!((claims.kind, claims.sub.as_str(), claims.exp - claims.iat), (TokenKind::Service, "feed", 300));
        for wrong in [format!("feed:{FEED}x"), format!("posts:{FEED}"), "feed".into(), String::new()] {
            let refused = ask(&school, &wrong).await;
            assert_eq!(refused.problem(), (401, "invalid_credentials"));
            assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
        }
        let bearer = school.call(http::Method::POST, "/internal/auth/service-token", &answer.member("access_token"), None).await;
        assert_eq!(bearer.status, 401);
    }

    async fn a_service_token_is_no_person(db: TestDb) {
        let school = School::with(&db, |config| config.service_credentials = vec![format!("feed:{FEED}").into()]).await;
        let token = ask(&school, &format!("feed:{FEED}")).await.member("access_token");
        for path in ["/api/auth/me", "/api/auth/sessions", "/api/auth/verify", "/api/auth/validate"] {
            assert_eq!(school.get(path, &token).await.problem(), (401, "wrong_token_kind"), "{path}");
        }
        assert_eq!(school.call(http::Method::POST, "/api/auth/logout", &token, None).await.problem(), (401, "wrong_token_kind"));
    }

    async fn a_service_that_leaves_the_configuration_is_refused_and_secrets_are_stored_hashed(db: TestDb) {
        let first = School::with(&db, |config| config.service_credentials = vec![format!("feed:{FEED}").into(), format!("posts:{FEED}").into()]).await;
        let stored: Vec<(Vec<u8>,)> = db.query("SELECT secret_hash FROM service_credentials").all().await.unwrap();
        assert!(stored.iter().all(|(hash,)| hash.len() == 32));
        drop(first);
        let second = School::with(&db, |config| config.service_credentials = vec![format!("posts:another-{FEED}").into()]).await;
        assert_eq!(ask(&second, &format!("feed:{FEED}")).await.status, 401);
        assert_eq!(ask(&second, &format!("posts:{FEED}")).await.status, 401);
        assert_eq!(ask(&second, &format!("posts:another-{FEED}")).await.status, 200);
    }
}
