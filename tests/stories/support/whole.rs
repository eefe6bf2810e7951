//! Everything a reader can page through, for comparisons with what should be there.

use serde_json::Value;

use super::Person;

/// Every post the owner shows this reader, newest first.
pub async fn all_posts(person: &Person) -> Vec<Value> {
    // Without a cursor it would be a bare array.
    pages(person, "/api/posts", "&cursor=").await
}

/// The whole stream by cursor.
pub async fn whole_stream(person: &Person) -> Vec<Value> {
    pages(person, "/api/activity-stream", "").await
}

async fn pages(person: &Person, path: &str, first: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), format!("{path}?limit=100{first}"));
    loop {
        let page = person.get(&next).await.expect(200).json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit=100&cursor={cursor}"),
            None => return items,
        }
    }
}

/// Id, under the name it has there, and title.
pub fn titles_by_id(items: &[Value], id: &str) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items
        .iter()
        .map(|item| (text(item, id), text(item, "title")))
        .collect()
}
