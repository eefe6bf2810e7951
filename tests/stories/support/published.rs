//! A school that runs already and shows one port, as an operator's does: nothing of it is seen but what comes back.

use std::time::Duration;

use kit::testing::required_env;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Person, Place, School};

/// How long a story waits for what must come; nothing waits this long that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// The school at `SCHOOLYARD_TEST_SCHOOL` (`http://127.0.0.1:8080`).
pub struct Published {
    base: String,
    secret: String,
    admin: Person,
}

impl Published {
    /// With the administrator of `SCHOOLYARD_TEST_SCHOOL_ADMIN` and `SCHOOLYARD_TEST_SCHOOL_PASSWORD`. It signs with
    /// `SCHOOLYARD_TEST_SCHOOL_SECRET`, which a story needs for what a thief of it could make.
    pub async fn given() -> Self {
        let base = required_env("SCHOOLYARD_TEST_SCHOOL");
        let admin = required_env("SCHOOLYARD_TEST_SCHOOL_ADMIN");
        let password = required_env("SCHOOLYARD_TEST_SCHOOL_PASSWORD");
        Self {
            admin: Person::nobody(&base).login(&admin, &password).await,
            secret: required_env("SCHOOLYARD_TEST_SCHOOL_SECRET"),
            base,
        }
    }

    /// An account as an administrator makes one: without a password, which its person sets by the link.
    async fn make(&self, username: &str, role: &str) {
        let account = json!({
            "username": username, "email": format!("{username}@school.example"), "first_name": "Ines", "last_name": "Example",
            "roles": [role],
        });
        let made = self.admin.post("/api/auth/users", account).await;
        if made.status == 409 {
            assert_eq!(made.code(), "user_exists");
            return;
        }
        let id = made.expect(201).json()["id"].clone();
        let path = format!("/api/auth/users/{id}/reset-password");
        let link = self.admin.post(&path, json!({})).await.expect(201).json();
        let link = link["reset_url"].as_str().expect("a link");
        let token = link.rsplit('/').next().expect("a token at its end");
        let chosen = json!({"token": token, "new_password": School::PASSWORD});
        self.nobody()
            .post("/api/auth/reset-password", chosen)
            .await
            .expect(204);
    }
}

impl Place for Published {
    fn base(&self) -> &str {
        &self.base
    }

    fn secret(&self) -> &str {
        &self.secret
    }

    async fn teacher(&self) -> Person {
        self.make("ines", "teacher").await;
        self.nobody().login("ines", School::PASSWORD).await
    }

    async fn a_second_later(&self) {
        sleep(Duration::from_millis(1_100)).await;
    }

    /// Asks until it is so, and gives what stood there last.
    async fn once(&self, person: &Person, path: &str, arrived: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        let asking = async {
            while !arrived(&seen) {
                sleep(Duration::from_millis(50)).await;
                seen = person.get(path).await.expect(200).json();
            }
        };
        // Late is told by the story, which says what it wanted.
        let _ = timeout(PATIENCE, asking).await;
        seen
    }

    /// It goes on without the story.
    async fn leave(self) {}
}
