//! What `feed` prints.

use std::fmt::Write as _;

use feed::{Difference, Phase, Report, Verdict};

use crate::progress::Stage;

/// Ids of posts printed of one window and kind at most.
const NAMED: usize = 5;

/// How far a rebuild is.
pub(super) fn stage(report: &Report) -> Stage {
    let what = match report.phase {
        Phase::Waiting => "waiting",
        Phase::Export => "reading the posts",
        Phase::Bus => "reading the events",
        Phase::CatchUp => "catching up with what happens",
        Phase::Done | Phase::Failed => "done",
    };
    Stage {
        what: match &report.error {
            Some(error) => format!("{what} after: {error}"),
            None => what.to_owned(),
        },
        done: report.done,
        total: report.total,
        per_second: report.items_per_second,
    }
}

/// What came of a rebuild.
pub(super) fn rebuilt(report: &Report) -> String {
    let mut text = format!(
        "the stream is rebuilt: {} posts and events read in {:.1} s",
        report.items, report.seconds
    );
    if let Some(rate) = report.items_per_second {
        let _ = write!(text, ", {rate:.0} a second");
    }
    text
}

/// What came of a comparison.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let Verdict {
        audiences,
        authors,
        items,
        unconfirmed,
        differences,
        seconds,
    } = verdict;
    let compared = format!(
        "compared the windows of {audiences} audiences and {authors} authors, {items} items, in {seconds:.1} s"
    );
    let mut text = if differences.is_empty() {
        format!("the stream is what the posts are: {compared}")
    } else {
        compared
    };
    if *unconfirmed > 0 {
        let _ = write!(
            text,
            "\n{unconfirmed} posts of other producers are shown whose events are no longer kept; a rebuild drops them"
        );
    }
    for difference in differences {
        let _ = write!(text, "\n{}", window(difference));
    }
    text
}

fn window(difference: &Difference) -> String {
    let Difference {
        window,
        expected,
        found,
        missing,
        unexpected,
        changed,
    } = difference;
    let mut text = format!("{window}: {found} items, {expected} expected");
    for (what, ids) in [
        ("missing", missing),
        ("unexpected", unexpected),
        ("other text", changed),
    ] {
        if ids.is_empty() {
            continue;
        }
        let named: Vec<_> = ids.iter().take(NAMED).map(String::as_str).collect();
        let more = if ids.len() > NAMED { ", .." } else { "" };
        let _ = write!(text, "; {what}: {}{more}", named.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<String> {
        (1..=count).map(|number| number.to_string()).collect()
    }

    #[test]
    fn a_comparison_says_which_windows_differ_in_what() {
        let mut found = Verdict {
            audiences: 2,
            authors: 1,
            items: 30,
            unconfirmed: 0,
            differences: Vec::new(),
            seconds: 0.04,
        };
        assert_eq!(
            verdict(&found),
            "the stream is what the posts are: compared the windows of 2 audiences and 1 authors, 30 items, in 0.0 s"
        );
        found.unconfirmed = 1;
        found.differences.push(Difference {
            window: "school".to_owned(),
            expected: 12,
            found: 10,
            missing: ids(7),
            unexpected: Vec::new(),
            changed: ids(1),
        });
        let text = verdict(&found);
        assert!(!text.contains("is what the posts are"), "{text}");
        assert!(text.ends_with(
            "\nschool: 10 items, 12 expected; missing: 1, 2, 3, 4, 5, ..; other text: 1"
        ));
        assert!(text.contains("a rebuild drops them"), "{text}");
    }
}
