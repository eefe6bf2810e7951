//! A few words for a `User-Agent`, so that people recognise their own sessions in the list.

/// The longest `User-Agent` that is kept, in bytes.
const MAX: usize = 256;

/// Cut to a length that is worth keeping.
#[must_use]
pub fn kept(user_agent: &str) -> String {
    let mut end = user_agent.len().min(MAX);
    while !user_agent.is_char_boundary(end) {
        end -= 1;
    }
    user_agent[..end].to_owned()
}

/// "Firefox on Windows"; `None` when neither is recognised.
#[must_use]
pub fn label(user_agent: &str) -> Option<String> {
    let first = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    // the order matters: most browsers also name the ones they descend from
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_agents_are_recognised() {
        let of = |text| label(text).unwrap_or_default();
        assert_eq!(
            of("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            "Firefox on Windows"
        );
        assert_eq!(
            of(
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
            ),
            "Chrome on Android"
        );
        assert_eq!(
            of(
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
            ),
            "Edge on Windows"
        );
        assert_eq!(of("curl/8.5.0"), "curl");
        assert_eq!(label("something else"), None);
    }

    #[test]
    fn a_long_agent_is_cut_between_characters() {
        assert_eq!(kept(&"ä".repeat(200)).len(), 256);
        assert_eq!(kept(&format!("a{}", "ä".repeat(200))).len(), 255);
    }
}
