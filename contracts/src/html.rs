//! The content of a post is HTML under an allow-list (spec/posts.md rules 14 and 15).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// The elements that stay. `img` is not among them: it may only show an attachment of the post itself, and a post has
/// none, so every image is foreign.
const ELEMENTS: [&str; 24] = [
    "p",
    "br",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "blockquote",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "h2",
    "h3",
    "h4",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
];

/// Not part of a text that begins with it; each reading takes one away.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// More passes than any text a person wrote needs; one that still changes afterwards was made to.
const PASSES: usize = 8;

static ALLOWED: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(ELEMENTS))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href", "title"]))]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"));
    builder
});

static TEXT_ONLY: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder.clean_content_tags(HashSet::from(["script", "style"]));
    builder
});

/// Drops everything that is not allowed, script and style with their text. `clean(clean(x)) = clean(x)`.
///
/// Its time can grow with the square of the length for text made to be slow; callers bound the length, and keep long
/// texts off the threads that serve others.
#[must_use]
pub fn clean(html: &str) -> String {
    clean_within(html, usize::MAX).unwrap_or_default()
}

/// The same, unless it grows beyond `most` characters on the way: `None`.
#[must_use]
pub fn clean_within(html: &str, most: usize) -> Option<String> {
    let html = html.trim_start_matches(BYTE_ORDER_MARK);
    if is_plain(html) {
        return Some(html.to_owned()).filter(|text| text.chars().count() <= most);
    }
    // Unwrapping an element that is not allowed can leave others nested as HTML does not nest them (a paragraph in a
    // paragraph); a browser reads that differently from how it is written, so it is read again until it stays.
    let mut text = pass(html);
    for _ in 0..PASSES {
        if text.chars().count() > most {
            return None;
        }
        let next = pass(&text);
        if next == text {
            return Some(text);
        }
        text = next;
    }
    Some(TEXT_ONLY.clean(html).to_string()).filter(|text| text.chars().count() <= most)
}

/// Whether HTML means nothing but the text itself, so that cleaning would change nothing.
fn is_plain(text: &str) -> bool {
    !text.contains(['<', '>', '&', '\r', '\0', '\u{a0}'])
}

fn pass(html: &str) -> String {
    let text = ALLOWED.clean(html).to_string();
    let text = if text.starts_with(BYTE_ORDER_MARK) {
        text.trim_start_matches(BYTE_ORDER_MARK).to_owned()
    } else {
        text
    };
    if text.contains("<pre>\n") {
        without_leading_newlines(&text)
    } else {
        text
    }
}

/// HTML ignores one newline after `<pre>`: each reading would take one more away.
fn without_leading_newlines(html: &str) -> String {
    let mut parts = html.split("<pre>");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("<pre>");
        text.push_str(part.trim_start_matches('\n'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_specification_comes_out_as_written_there() {
        let html = r#"Hi <b onclick=x>you</b><script>1</script> <a href="javascript:1">k</a>"#;
        assert_eq!(
            clean(html),
            r#"Hi <b>you</b> <a rel="nofollow noopener noreferrer">k</a>"#
        );
    }

    #[test]
    fn every_allowed_element_stays_and_every_image_goes() {
        let kept = "<h2>a</h2><h3>b</h3><h4>c</h4><p><strong>d</strong><em>e</em><u>f</u><s>g</s><i>h</i><br><code>j</code></p>\
                    <blockquote>k</blockquote><pre>l</pre><ul><li>m</li></ul><ol><li>n</li></ol>\
                    <table><thead><tr><th>o</th></tr></thead><tbody><tr><td>p</td></tr></tbody></table>";
        assert_eq!(clean(kept), kept);
        assert_eq!(
            clean(r#"a<img src="https://x.test/1.png" alt="x">b<h1>c</h1>"#),
            "abc"
        );
    }

    #[test]
    fn only_http_https_and_mailto_are_followed() {
        for href in ["http://x.test/", "https://x.test/?a=1", "mailto:a@x.test"] {
            let expected = format!(r#"<a href="{href}" rel="nofollow noopener noreferrer">k</a>"#);
            assert_eq!(
                clean(&format!(
                    r#"<a href="{href}" rel="opener" target=_top>k</a>"#
                )),
                expected
            );
        }
        for href in [
            "javascript:1",
            "JaVaScRiPt:1",
            "java\nscript:1",
            "&#106;avascript:1",
            "data:text/html,x",
            "//x.test",
            "/a",
            "vbscript:1",
            "x",
        ] {
            let cleaned = clean(&format!(r#"<a href="{href}">k</a>"#));
            assert_eq!(
                cleaned, r#"<a rel="nofollow noopener noreferrer">k</a>"#,
                "{href}"
            );
        }
    }

    #[test]
    fn script_and_style_go_with_their_text_wherever_they_stand() {
        for html in [
            "a<script>x</script>b",
            "a<style>x</style>b",
            "a<SCRIPT src=//x>x</sCript >b",
            "a<svg><script>x</script></svg>b",
        ] {
            assert_eq!(clean(html), "ab", "{html}");
        }
    }

    #[test]
    fn nesting_that_html_does_not_know_is_settled_and_stays() {
        for html in [
            "<p><button><p>x</p></button></p>",
            "<h2><marquee><h2>x",
            "<pre>\n\n\nx</pre>",
            "<a href=http://x>1<table><a href=http://y>2</a></table>3</a>",
        ] {
            let once = clean(html);
            assert_eq!(clean(&once), once, "{html}");
            assert!(once.contains('<'), "{html} lost its elements: {once}");
        }
    }

    /// Pieces of markup, well formed or not: far more of them nest badly than in random characters.
    fn markup() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(
                [
                    "<p>",
                    "</p>",
                    "<b>",
                    "</b>",
                    "<a href='http://x'>",
                    "<a title='<pre>\n'>",
                    "</a>",
                    "<table>",
                    "</table>",
                    "<tr>",
                    "<td>",
                    "<tbody>",
                    "<button>",
                    "</button>",
                    "<pre>",
                    "\n",
                    "<ul>",
                    "<li>",
                    "<h2>",
                    "<marquee>",
                    "<svg>",
                    "<math>",
                    "<mi>",
                    "<style>",
                    "</style>",
                    "<script>",
                    "<!--",
                    "-->",
                    "<select>",
                    "<option>",
                    "<br>",
                    "<template>",
                    "<noscript>",
                    "<textarea>",
                    "</textarea>",
                    "<title>",
                    "</div>",
                    "<div>",
                    "<i>",
                    "</i>",
                    "<code>",
                    "<blockquote>",
                    "<foreignObject>",
                    "<annotation-xml encoding='text/html'>",
                    "<caption>",
                    "<form>",
                    "<img src=x onerror=1>",
                    "&",
                    "&lt;script&gt;",
                    "&amp;",
                    "\u{a0}",
                    "\r\n",
                    "<plaintext>",
                    "<frameset>",
                    "<body onload=x>",
                    "]]>",
                    "<![CDATA[",
                    "\u{feff}",
                ]
                .as_slice()
            )
            .prop_map(str::to_owned),
            "[a-z<>&\"'= ü]{0,6}",
        ];
        prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn cleaning_what_is_clean_changes_nothing(html in markup()) {
            let once = clean(&html);
            prop_assert_eq!(clean(&once), once);
        }

        #[test]
        fn nothing_outside_the_allow_list_comes_through(html in markup()) {
            for element in clean(&html).split('<').skip(1) {
                let name = element.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
                prop_assert!(ELEMENTS.contains(&name), "<{element}");
                let tag = element.split('>').next().unwrap();
                prop_assert!(!tag.contains("onload=") && !tag.contains("onerror="), "<{element}");
            }
        }

        #[test]
        fn what_is_passed_on_unread_is_what_reading_it_would_give(text in "[^\\p{Cc}<>&\u{a0}\u{feff}]{0,40}") {
            prop_assert_eq!(pass(&text), text);
        }
    }
}
