//! What is public, as an Atom feed (RFC 4287): what a page of the stream shows without sign-in, and nothing more.

use std::borrow::Cow;
use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use uuid::Uuid;

use crate::item::Item;

/// Its path, for the address it calls its own.
pub(crate) const PATH: &str = "/api/activity-stream/atom";
const NAMESPACE: &str = "http://www.w3.org/2005/Atom";
const TITLE: &str = "Public posts";

/// The feed as XML; the same items give the same bytes. `public_url` is where people reach this school, or empty.
///
/// # Errors
/// None that happens: memory takes every byte.
pub(crate) fn render(items: &[Item], public_url: &str) -> io::Result<Vec<u8>> {
    let address = format!("{}{PATH}", public_url.trim_end_matches('/'));
    let mut xml = Writer::new(Vec::with_capacity(512 + items.len() * 1024));
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let feed = xml
        .create_element("feed")
        .with_attribute(("xmlns", NAMESPACE));
    feed.write_inner_content(|xml| {
        text(xml, "id", &urn(Uuid::NAMESPACE_URL, &address))?;
        text(xml, "title", TITLE)?;
        // Without entries the time is one of them all the same, so that the same feed has the same bytes.
        let updated = items.iter().map(updated).max();
        time(xml, "updated", updated.unwrap_or_default())?;
        if !public_url.is_empty() {
            xml.create_element("link")
                .with_attributes([("rel", "self"), ("type", "application/atom+xml")])
                .with_attribute(("href", &*address))
                .write_empty()?;
        }
        items.iter().try_for_each(|item| entry(xml, item))
    })?;
    Ok(xml.into_inner())
}

fn entry(xml: &mut Writer<Vec<u8>>, item: &Item) -> io::Result<()> {
    xml.create_element("entry").write_inner_content(|xml| {
        // Made of the post's own id: it stays through edits, rebuilds and a move to another address.
        text(xml, "id", &urn(Uuid::NAMESPACE_OID, &item.aggregate))?;
        text(xml, "title", &item.title)?;
        time(xml, "published", item.timestamp)?;
        time(xml, "updated", updated(item))?;
        xml.create_element("author")
            .write_inner_content(|xml| text(xml, "name", &item.username))?;
        for tag in &item.tags {
            xml.create_element("category")
                .with_attribute(("term", &*valid(tag)))
                .write_empty()?;
        }
        xml.create_element("content")
            .with_attribute(("type", "html"))
            .write_text_content(BytesText::new(&valid(&item.content)))?;
        Ok(())
    })?;
    Ok(())
}

fn updated(item: &Item) -> DateTime<Utc> {
    item.edited_at
        .map_or(item.timestamp, |edited| edited.max(item.timestamp))
}

fn text(xml: &mut Writer<Vec<u8>>, name: &str, value: &str) -> io::Result<()> {
    xml.create_element(name)
        .write_text_content(BytesText::new(&valid(value)))?;
    Ok(())
}

fn time(xml: &mut Writer<Vec<u8>>, name: &str, at: DateTime<Utc>) -> io::Result<()> {
    text(xml, name, &at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn urn(namespace: Uuid, name: &str) -> String {
    format!("urn:uuid:{}", Uuid::new_v5(&namespace, name.as_bytes()))
}

/// XML has no way to write some characters, escaped or not (XML 1.0 section 2.2).
fn valid(text: &str) -> Cow<'_, str> {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    let replaced = text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{post, start};
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    fn item(title: &str, content: &str) -> Item {
        let mut post = post(1, 0, &["public"]);
        (post.title, post.content) = (title.to_owned(), content.to_owned());
        Item::of(&post, start())
    }

    fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
        let child = node
            .children()
            .find(|child| child.has_tag_name((NAMESPACE, name)))?;
        Some(child.text().unwrap_or_default())
    }

    proptest! {
        #[test]
        fn whatever_people_write_is_well_formed_and_reads_as_they_wrote_it(title in any::<String>(), content in any::<String>(), tag in any::<String>()) {
            let mut item = item(&title, &content);
            item.tags.push(tag.clone());
            let xml = String::from_utf8(render(&[item], "").unwrap()).unwrap();
            let document = Document::parse(&xml).unwrap();
            let entry = document.descendants().find(|node| node.has_tag_name((NAMESPACE, "entry"))).unwrap();
            // Line ends are the parser's to make one of.
            let lines = |text: &str| valid(text).replace("\r\n", "\n").replace('\r', "\n");
            let as_written = (lines(&title), lines(&content));
            prop_assert_eq!((child(entry, "title").unwrap(), child(entry, "content").unwrap()), (&*as_written.0, &*as_written.1));
            let category = entry.children().find(|node| node.has_tag_name((NAMESPACE, "category"))).unwrap();
            // White space in an attribute is the parser's to make blanks of.
            let blanks = |text: &str| lines(text).replace(['\n', '\t'], " ");
            prop_assert_eq!(blanks(category.attribute("term").unwrap()), blanks(&tag));
        }
    }

    #[test]
    fn a_feed_without_entries_has_all_a_feed_needs_and_the_same_bytes_each_time() {
        let xml = render(&[], "").unwrap();
        assert_eq!(xml, render(&[], "").unwrap());
        let text = String::from_utf8(xml).unwrap();
        let document = Document::parse(&text).unwrap();
        let feed = document.root_element();
        assert!(feed.has_tag_name((NAMESPACE, "feed")));
        for name in ["id", "title", "updated"] {
            assert!(
                child(feed, name).is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
        assert_eq!(child(feed, "link"), None);
    }

    #[test]
    fn a_school_with_an_address_says_it_and_has_an_id_of_its_own() {
        let ids = ["", "https://a.example", "https://b.example/"].map(|url| {
            let xml = String::from_utf8(render(&[], url).unwrap()).unwrap();
            let document = Document::parse(&xml).unwrap();
            let link = document
                .descendants()
                .find(|node| node.has_tag_name((NAMESPACE, "link")));
            let href = link.map(|link| link.attribute("href").unwrap().to_owned());
            assert_eq!(
                href,
                (!url.is_empty()).then(|| format!("{}{PATH}", url.trim_end_matches('/')))
            );
            child(document.root_element(), "id").unwrap().to_owned()
        });
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }
}
