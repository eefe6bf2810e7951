//! What readers see, and from when on.

use serde_json::json;

use crate::support::{School, Topology, titles};

async fn readers(topology: Topology) {
    let school = School::start(topology).await;
    let head = school.sign_in("head", &["admin", "teacher"]).await;
    let student = school.sign_in_student().await;
    let colleague = school.sign_in("tom", &["teacher"]).await;

    let everyone = head.publish("for the school", &["school"]).await;
    let staff = head.publish("for teachers", &["role:teacher"]).await;
    let letter = head
        .publish("for one student", &[&format!("user:{}", student.id)])
        .await;
    school.caught_up().await;
    assert_eq!(
        student.stream().await,
        ["for one student", "for the school"]
    );
    assert_eq!(colleague.stream().await, ["for teachers", "for the school"]);

    // An edit shows everywhere, in its old place.
    head.put(
        &format!("/api/posts/{everyone}"),
        json!({"title": "for the whole school"}),
    )
    .await
    .expect(200);
    school.caught_up().await;
    assert_eq!(
        student.stream().await,
        ["for one student", "for the whole school"]
    );
    assert_eq!(
        colleague.stream().await,
        ["for teachers", "for the whole school"]
    );

    // A change of audience takes it from some and gives it to others.
    head.put(
        &format!("/api/posts/{staff}"),
        json!({"audience": ["role:student"]}),
    )
    .await
    .expect(200);
    school.caught_up().await;
    assert_eq!(
        student.stream().await,
        ["for one student", "for teachers", "for the whole school"]
    );
    assert_eq!(colleague.stream().await, ["for the whole school"]);
    colleague
        .get(&format!("/api/posts/{staff}"))
        .await
        .expect(404);

    // A deletion leaves nothing: no page, no cursor.
    let page = student
        .get("/api/activity-stream?limit=1")
        .await
        .expect(200)
        .json();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    head.delete(&format!("/api/posts/{letter}"))
        .await
        .expect(200);
    school.caught_up().await;
    assert_eq!(
        student.stream().await,
        ["for teachers", "for the whole school"]
    );
    let rest = student
        .get(&format!("/api/activity-stream?limit=10&cursor={cursor}"))
        .await
        .expect(200)
        .json();
    assert_eq!(titles(&rest), ["for teachers", "for the whole school"]);
    school.stop().await;
}

#[tokio::test]
async fn edits_deletions_and_changes_of_audience_reach_every_reader_in_one_process() {
    readers(Topology::Together).await;
}

#[tokio::test]
async fn edits_deletions_and_changes_of_audience_reach_every_reader_across_services() {
    readers(Topology::Apart).await;
}

async fn rights(topology: Topology) {
    let school = School::start(topology).await;
    let admin = school.admin();
    let colleague = school.sign_in("tom", &["teacher"]).await;
    admin.publish("for teachers", &["role:teacher"]).await;
    school.caught_up().await;
    assert_eq!(colleague.stream().await, ["for teachers"]);

    // The role goes: the very next request sees it, with the token of before.
    let roles = json!({"roles": ["staff"], "reason": "moved to the office"});
    admin
        .put(&format!("/api/auth/users/{}/roles", colleague.id), roles)
        .await
        .expect(200);
    assert_eq!(colleague.stream().await, Vec::<String>::new());
    let refused = colleague
        .post(
            "/api/posts",
            json!({"title": "x", "content": "y", "audience": ["school"]}),
        )
        .await;
    assert_eq!(refused.expect(403).code(), "audience_forbidden");

    // The session goes.
    let second = school.sign_in("tom", &["staff"]).await;
    let sessions = second.get("/api/auth/sessions").await.expect(200).json();
    let sessions = sessions["items"]
        .as_array()
        .unwrap_or_else(|| sessions.as_array().expect("a list"))
        .clone();
    assert_eq!(sessions.len(), 2);
    let other = sessions
        .iter()
        .find(|session| session["current"] == false)
        .expect("the first session");
    second
        .delete(&format!(
            "/api/auth/sessions/{}",
            other["id"].as_str().unwrap()
        ))
        .await
        .expect(204);
    colleague.get("/api/activity-stream").await.expect(401);
    second.get("/api/activity-stream").await.expect(200);

    // The account goes.
    admin
        .delete(&format!("/api/auth/users/{}", second.id))
        .await
        .expect(204);
    second.get("/api/activity-stream").await.expect(401);
    school.stop().await;
}

#[tokio::test]
async fn the_loss_of_a_role_a_session_or_an_account_counts_on_the_next_request_in_one_process() {
    rights(Topology::Together).await;
}

#[tokio::test]
async fn the_loss_of_a_role_a_session_or_an_account_counts_on_the_next_request_across_services() {
    rights(Topology::Apart).await;
}

#[tokio::test]
async fn pages_by_cursor_neither_repeat_nor_skip_while_others_publish() {
    let school = School::start(Topology::Together).await;
    let teacher = school.sign_in_teacher().await;
    for n in 0..25 {
        teacher.publish(&format!("old {n}"), &["school"]).await;
    }
    school.caught_up().await;
    let (mut seen, mut cursor, mut fresh) = (Vec::new(), None::<String>, 0);
    loop {
        let path = match &cursor {
            None => "/api/activity-stream?limit=4".to_owned(),
            Some(cursor) => format!("/api/activity-stream?limit=4&cursor={cursor}"),
        };
        let page = teacher.get(&path).await.expect(200).json();
        seen.extend(titles(&page));
        teacher.publish(&format!("new {fresh}"), &["school"]).await;
        school.caught_up().await;
        fresh += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let expected: Vec<_> = (0..25).rev().map(|n| format!("old {n}")).collect();
    assert_eq!(seen, expected);
    school.stop().await;
}

async fn names(topology: Topology) {
    let school = School::start(topology).await;
    let teacher = school.sign_in_teacher().await;
    let student = school.sign_in_student().await;
    teacher.publish("Trip", &["school"]).await;
    let shown = async || {
        school.caught_up().await;
        let page = student.get("/api/activity-stream").await.expect(200).json();
        let name = page["items"][0]["username"].as_str().unwrap().to_owned();
        let profile = student.get(&format!("/api/profile/{}", teacher.id)).await;
        if profile.status == 200 {
            assert_eq!(profile.json()["display_name"], name);
        }
        name
    };
    assert_eq!(shown().await, "ines");
    let own = json!({"first_name": "Ines", "last_name": "Roy"});
    teacher.post("/api/profile", own).await.expect(200);
    assert_eq!(shown().await, "Ines Roy");
    let chosen = json!({"display_name": "Ms Roy"});
    teacher.put("/api/profile", chosen).await.expect(200);
    assert_eq!(shown().await, "Ms Roy");
    teacher.delete("/api/profile").await.expect(200);
    assert_eq!(shown().await, "former member");
    teacher.post("/api/profile", json!({})).await.expect(200);
    assert_eq!(shown().await, "ines");
    school.stop().await;
}

#[tokio::test]
async fn a_display_name_stands_on_old_items_once_its_change_is_applied_in_one_process() {
    names(Topology::Together).await;
}

#[tokio::test]
async fn a_display_name_stands_on_old_items_once_its_change_is_applied_across_services() {
    names(Topology::Apart).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn edits_deletions_and_changes_of_audience_reach_every_reader_on_real_servers() {
    readers(Topology::Servers).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn what_is_taken_away_is_gone_with_the_next_request_on_real_servers() {
    rights(Topology::Servers).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn names_follow_into_the_stream_on_real_servers() {
    names(Topology::Servers).await;
}
