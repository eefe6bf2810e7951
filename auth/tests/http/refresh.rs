//! Refresh tokens.

use backends::testing::TestDb;
use contracts::Role;
use futures_util::future::join_all;
use kit::testing::Answer;
use serde_json::json;

use crate::school::School;

async fn refresh(school: &School, token: &str) -> Answer {
    school
        .post("/api/auth/refresh", json!({"refresh_token": token}))
        .await
}

backends::on_every_database! {
    async fn a_copied_token_ends_the_session_after_ten_seconds(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let first = school.signed_in("ines").await;
        let r1 = first.member("refresh_token");
        let r2 = refresh(&school, &r1).await;
        assert_eq!(r2.status, 200);
        school.advance(6);
        let r2b = refresh(&school, &r1).await;
        assert_eq!(r2b.status, 200);
        assert_ne!(r2b.member("refresh_token"), r2.member("refresh_token"));
        school.advance(5);
        assert_eq!(refresh(&school, &r1).await.problem(), (401, "refresh_reused"));
        for dead in [r2.member("refresh_token"), r2b.member("refresh_token"), r1] {
            assert_eq!(refresh(&school, &dead).await.problem(), (401, "refresh_invalid"));
        }
        for dead in [first.member("access_token"), r2b.member("access_token")] {
            assert_eq!(school.validate(&dead).await.status, 401);
        }
    }

    async fn fifty_refreshes_at_once_give_at_most_four_tokens_and_end_nothing(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let token = school.signed_in("ines").await.member("refresh_token");
        let answers = join_all((0..50).map(|_| refresh(&school, &token))).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 4);
        assert_eq!(answers.iter().filter(|answer| answer.problem() == (409, "refresh_in_progress")).count(), 46);
        for answer in good {
            assert_eq!(school.validate(&answer.member("access_token")).await.status, 200);
            assert_eq!(refresh(&school, &answer.member("refresh_token")).await.status, 200);
        }
    }

    async fn a_session_ends_when_it_is_idle_for_a_week_and_after_90_days_in_any_case(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let idle = school.signed_in("ines").await.member("refresh_token");
        school.advance(7 * 86_400);
        assert_eq!(refresh(&school, &idle).await.problem(), (401, "refresh_expired"));
        let mut token = school.signed_in("ines").await.member("refresh_token");
        for _ in 0..14 {
            school.advance(6 * 86_400);
            token = refresh(&school, &token).await.member("refresh_token");
        }
        school.advance(6 * 86_400 - 100);
        let last = refresh(&school, &token).await;
        assert_eq!((&last.body["expires_in"], &last.body["refresh_expires_in"]), (&json!(100), &json!(100)));
        school.advance(100);
        assert_eq!(refresh(&school, &last.member("refresh_token")).await.problem(), (401, "refresh_invalid"));
        assert_eq!(school.validate(&last.member("access_token")).await.status, 401);
    }

    async fn a_refreshed_token_carries_the_roles_of_now(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[]).await;
        let session = school.signed_in("ines").await;
        let head = school.token("head").await;
        school.call(http::Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": ["staff"], "reason": "hired"}))).await;
        let answer = school.post("/api/v1/users/token/refresh/", json!({"refresh_token": session.member("refresh_token")})).await;
        assert_eq!(answer.body["user"]["roles"], json!(["staff", "member"]));
        let claims = school.keys.verify(&answer.member("access_token"), kit::Clock::now(&school.clock)).unwrap();
        assert_eq!(claims.roles, ["member", "staff"]);
        assert_eq!((claims.sub.as_str(), claims.aud.as_deref(), claims.iss.as_str()), ("2", Some("schoolyard"), "schoolyard"));
    }

    async fn what_is_no_refresh_token_is_refused(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let access = school.token("ines").await;
        for token in ["", "short", &"a".repeat(43), &access] {
            assert_eq!(refresh(&school, token).await.problem(), (401, "refresh_invalid"));
        }
    }
}
