//! The spoof matrix: everything a client may try to be somebody else (spec/auth.md section 5.2 and more). None is accepted,
//! neither through the gateway nor at a service's own port.

mod direct;
mod rows;
mod tokens;

use crate::support::{Person, Place, School, Topology, raw};

use self::direct::direct;
#[cfg(any(feature = "real-tests", feature = "deployed-tests"))]
pub use self::rows::through_traefik;
use self::rows::{
    Row,
    Seen::{Because, Refused, Teacher},
    through_the_gateway,
};
use self::tokens::Tokens;

/// Runs the rows and gives those that came out otherwise.
async fn wrong(base: &str, rows: &[Row], tokens: &Tokens, teacher: &Person) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let headers = tokens.fill(&row.headers);
        let close = if headers.contains("Connection:") {
            ""
        } else {
            "Connection: close\n"
        };
        let upgrade = if headers.contains("Upgrade:") {
            "Connection: close\n"
        } else {
            ""
        };
        let text = format!(
            "{} HTTP/1.1\nHost: school.example\n{headers}{close}{upgrade}\n",
            tokens.fill(row.line)
        );
        let answer = raw(base, &text).await;
        let right = match row.seen {
            Teacher => {
                answer.status == 200
                    && answer.text.contains(&format!("\"id\":{}", teacher.id))
                    && !answer.text.contains("\"admin\"")
            }
            Refused(status) => answer.status == status,
            Because(status, code) => {
                answer.status == status && answer.text.contains(&format!("\"code\":\"{code}\""))
            }
        };
        if !right || answer.text.starts_with("HTTP/1.1 101") {
            wrong.push(format!(
                "{}: expected {:?}, came {}",
                row.name, row.seen, answer.text
            ));
        }
    }
    wrong
}

pub async fn gateway_matrix(school: impl Place, rows: Vec<Row>) {
    let teacher = school.teacher().await;
    let tokens = Tokens::make(&school, &teacher).await;
    assert!(rows.len() >= 40);
    let wrong = wrong(school.base(), &rows, &tokens, &teacher).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    school.leave().await;
}

#[tokio::test]
async fn nobody_passes_for_another_through_the_gateway_of_one_process() {
    gateway_matrix(
        School::start(Topology::Together).await,
        through_the_gateway(),
    )
    .await;
}

#[tokio::test]
async fn nobody_passes_for_another_through_the_gateway_to_services_apart() {
    gateway_matrix(School::start(Topology::Apart).await, through_the_gateway()).await;
}

#[tokio::test]
async fn nobody_passes_for_another_at_a_services_own_port() {
    let school = School::start(Topology::Apart).await;
    let teacher = school.sign_in_teacher().await;
    let tokens = Tokens::make(&school, &teacher).await;
    let wrong = wrong(&school.direct("feed"), &direct(), &tokens, &teacher).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // A person's token opens no internal route, and a service's does.
    let person = school.nobody_at("posts").with_token(teacher.token());
    assert_eq!(
        person
            .get("/internal/posts/export?order=id")
            .await
            .expect(401)
            .code(),
        "wrong_token_kind"
    );
    let service = person.with_token(&tokens.fill("{service}"));
    service
        .get("/internal/posts/export?order=id")
        .await
        .expect(200);
    school.stop().await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn nothing_a_client_says_makes_it_somebody_else_on_real_servers() {
    gateway_matrix(
        School::start(Topology::Servers).await,
        through_the_gateway(),
    )
    .await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn nothing_a_client_says_makes_it_somebody_else_through_traefik_on_real_servers() {
    gateway_matrix(School::start(Topology::Traefik).await, through_traefik()).await;
}
