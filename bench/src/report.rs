//! The report, as it stands in bench/RESULTS.md.

use std::fmt::Write as _;

use crate::measure::{Figures, Row};
use crate::wrk::Round;

/// Medians, ranges and ratios, with what the aim was.
pub fn markdown(figures: &Figures) -> String {
    let mut text = String::from(
        "| what | beside | ours, requests/s (min-max) | limit (min-max) | ratio | aim | |\n|---|---|---|---|---|---|---|\n",
    );
    for row in &figures.rows {
        let ratio = median(&row.ours, |round| round.rate) / median(&row.limit, |round| round.rate);
        let reached = if ratio >= row.least {
            "reached"
        } else {
            "**missed**"
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | **{ratio:.2}x** | {} | {reached} |",
            row.what,
            row.beside,
            rates(&row.ours),
            rates(&row.limit),
            row.aim
        );
    }
    text.push_str("\n| latency, ms | ours p50 | ours p99 | limit p50 | limit p99 | errors ours / limit |\n|---|---|---|---|---|---|\n");
    for row in &figures.rows {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {} / {} |",
            row.what,
            median(&row.ours, |round| round.p50),
            median(&row.ours, |round| round.p99),
            median(&row.limit, |round| round.p50),
            median(&row.limit, |round| round.p99),
            errors(&row.ours),
            errors(&row.limit),
        );
    }
    text.push_str("\n| what | value | aim |\n|---|---|---|\n");
    for (name, value, aim) in &figures.alone {
        let _ = writeln!(text, "| {name} | {value:.2} | {aim} |");
    }
    text.push('\n');
    for (name, value) in &figures.machine {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let rounds = figures.rows.first().map_or(0, |row: &Row| row.ours.len());
    let _ = writeln!(text, "- {rounds} rounds of each side, interleaved; medians");
    text
}

/// The middle one of what is looked at.
pub fn median<T>(rounds: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rates(rounds: &[Round]) -> String {
    let (least, most) = rounds
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), round| {
            (least.min(round.rate), most.max(round.rate))
        });
    format!(
        "{:.0} ({least:.0}-{most:.0})",
        median(rounds, |round| round.rate)
    )
}

fn errors(rounds: &[Round]) -> u64 {
    rounds.iter().map(|round| round.errors).sum()
}
