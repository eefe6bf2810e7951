//! The Atom feed of what is public.

use crate::support::owner::{id, post, start};
use crate::support::{Setup, TestFeed};
use axum::response::Response;
use chrono::TimeDelta;
use kit::testing::{get, json, text};
use roxmltree::{Document, Node};

const NAMESPACE: &str = "http://www.w3.org/2005/Atom";

async fn public() -> TestFeed {
    TestFeed::start(Setup {
        public: true,
        ..Setup::default()
    })
    .await
}

async fn xml(feed: &TestFeed) -> String {
    let response = feed.get("/atom", None).await;
    assert_eq!(response.status(), 200);
    text(response).await
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    let child = node
        .children()
        .find(|child| child.has_tag_name((NAMESPACE, name)));
    child.unwrap().text().unwrap_or_default()
}

fn entries<'a>(document: &'a Document<'a>) -> Vec<Node<'a, 'a>> {
    let all = document.root_element().children();
    all.filter(|node| node.has_tag_name((NAMESPACE, "entry")))
        .collect()
}

async fn asked_with(feed: &TestFeed, tag: &str) -> Response {
    let request = get("/api/activity-stream/atom").header("if-none-match", tag);
    request.send(&feed.router).await
}

#[tokio::test]
async fn the_50_newest_public_posts_are_its_entries_and_nothing_else() {
    let feed = public().await;
    for number in 1..=60 {
        let mut new = post(number, i64::from(number), &["public", "user:9"]);
        new.pinned_until = (number == 1).then(|| start() + TimeDelta::days(9));
        feed.publish(&new).await;
        feed.publish(&post(number + 100, i64::from(number), &["role:member"]))
            .await;
    }
    let response = feed.get("/atom", None).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/atom+xml; charset=utf-8"
    );
    let text = text(response).await;
    let document = Document::parse(&text).unwrap();
    assert!(document.root_element().has_tag_name((NAMESPACE, "feed")));
    let titles: Vec<_> = entries(&document)
        .iter()
        .map(|entry| child(*entry, "title"))
        .collect();
    let expected: Vec<_> = (11..=60).rev().map(|n| format!("Post {n}")).collect();
    assert_eq!(titles, expected, "a pinned one is no newer for it");
    assert_eq!(
        child(document.root_element(), "updated"),
        "2026-03-02T09:00:00Z"
    );
    assert!(!text.contains("user:9") && !text.contains("user_id"));
}

#[tokio::test]
async fn an_entry_is_the_post_as_its_author_wrote_it_and_keeps_its_id_through_edits_and_rebuilds() {
    let feed = public().await;
    let mut changing = post(1, 1, &["public"]);
    (changing.title, changing.content) = (
        "Ten < twelve & \"more\"".to_owned(),
        "<p>Cake &amp; <b>tea</b></p>".to_owned(),
    );
    changing.tags.push("open day".to_owned());
    feed.publish(&changing).await;
    let first = xml(&feed).await;
    insta::assert_snapshot!(first.replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="utf-8"?>
    <feed xmlns="http://www.w3.org/2005/Atom">
    <id>urn:uuid:b21f841c-87eb-56d1-a9fb-5fa0cbc6a082</id>
    <title>Public posts</title>
    <updated>2026-03-02T08:01:00Z</updated>
    <link rel="self" type="application/atom+xml" href="https://school.example/api/activity-stream/atom"/>
    <entry>
    <id>urn:uuid:f356195f-165b-52a0-a9b3-22fe1d8a034f</id>
    <title>Ten &lt; twelve &amp; &quot;more&quot;</title>
    <published>2026-03-02T08:01:00Z</published>
    <updated>2026-03-02T08:01:00Z</updated>
    <author>
    <name>ines</name>
    </author>
    <category term="open day"/>
    <content type="html">&lt;p&gt;Cake &amp;amp; &lt;b&gt;tea&lt;/b&gt;&lt;/p&gt;</content>
    </entry>
    </feed>
    "#);
    changing.version = 2;
    changing.edited_at = Some(start() + TimeDelta::hours(2));
    feed.publish(&changing).await;
    let second = xml(&feed).await;
    let (before, after) = (
        Document::parse(&first).unwrap(),
        Document::parse(&second).unwrap(),
    );
    let (before, after) = (entries(&before)[0], entries(&after)[0]);
    for name in ["id", "published", "title", "content"] {
        assert_eq!(child(before, name), child(after, name), "{name}");
    }
    assert_eq!(child(after, "updated"), "2026-03-02T10:00:00Z");
    assert_eq!(
        child(after, "content"),
        "<p>Cake &amp; <b>tea</b></p>",
        "HTML, escaped once"
    );
    feed.rebuild().await;
    assert_eq!(xml(&feed).await, second);
}

#[tokio::test]
async fn who_has_it_already_is_told_so_until_something_changes() {
    let feed = public().await;
    feed.publish(&post(1, 1, &["public"])).await;
    let response = feed.get("/atom", None).await;
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}")] {
        let response = asked_with(&feed, &known).await;
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()["etag"], tag);
        assert_eq!(text(response).await, "");
    }
    // What others read is no change.
    feed.publish(&post(2, 2, &["school"])).await;
    assert_eq!(asked_with(&feed, &tag).await.status(), 304);
    feed.delete(id(1), 2).await;
    let response = asked_with(&feed, &tag).await;
    assert_eq!(response.status(), 200);
    assert_ne!(response.headers()["etag"], tag);
    let text = text(response).await;
    assert!(entries(&Document::parse(&text).unwrap()).is_empty());
}

#[tokio::test]
async fn while_nothing_is_public_there_is_no_such_feed() {
    let feed = TestFeed::start(Setup::default()).await;
    feed.publish(&post(1, 1, &["public"])).await;
    let response = feed.get("/atom", None).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let (status, problem) = json(response).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
}

#[tokio::test]
async fn a_cold_feed_gives_it_from_the_posts() {
    let feed = TestFeed::cold(Setup {
        public: true,
        ..Setup::default()
    })
    .await;
    feed.owner.set(&post(1, 1, &["public"]));
    feed.owner.set(&post(2, 2, &["school"]));
    let response = feed.get("/atom", None).await;
    assert_eq!(response.headers()["x-feed"], "rebuilding");
    let text = text(response).await;
    let document = Document::parse(&text).unwrap();
    assert_eq!(child(entries(&document)[0], "title"), "Post 1");
    assert_eq!(entries(&document).len(), 1);
}
