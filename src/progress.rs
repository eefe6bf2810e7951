//! Long work in sight: a bar on a terminal, lines elsewhere. On standard error, since standard output is for what was asked.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Columns of the bar itself.
const WIDTH: u64 = 30;
/// Columns of the whole line at most: wider, a terminal would wrap it and it could not be drawn over.
const COLUMNS: usize = 79;
/// Between two lines that say the same but for numbers.
const LINES: Duration = Duration::from_secs(2);

/// How far the work is.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What is being done.
    pub what: String,
    /// How much of it is done.
    pub done: u64,
    /// How much of it there is, where that is known.
    pub total: Option<u64>,
    /// How much is done in a second, of everything.
    pub per_second: Option<f64>,
}

/// Shows stages as they come.
#[derive(Debug)]
pub struct Progress {
    bar: bool,
    drawn: bool,
    last: Option<(String, Instant)>,
}

impl Progress {
    /// On standard error.
    #[must_use]
    pub fn on_stderr() -> Self {
        Self {
            bar: std::io::stderr().is_terminal(),
            drawn: false,
            last: None,
        }
    }

    /// Shows this one.
    pub fn show(&mut self, stage: &Stage) {
        let mut stderr = std::io::stderr().lock();
        if self.bar {
            self.drawn = true;
            let _ = write!(stderr, "\r\x1b[2K{}", bar(stage));
            let _ = stderr.flush();
            return;
        }
        let due = self
            .last
            .as_ref()
            .is_none_or(|(what, at)| *what != stage.what || at.elapsed() >= LINES);
        if due {
            self.last = Some((stage.what.clone(), Instant::now()));
            let _ = writeln!(stderr, "{}", line(stage));
        }
    }

    /// The work is over: the bar goes.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[2K");
            let _ = stderr.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(stage: &Stage) -> String {
    let mut text = stage.what.clone();
    match stage.total {
        Some(total) => {
            let _ = write!(text, ": {} of {total}", stage.done.min(total));
        }
        None if stage.done > 0 => {
            let _ = write!(text, ": {}", stage.done);
        }
        None => {}
    }
    if let Some(rate) = stage.per_second {
        let _ = write!(text, ", {rate:.0} a second");
    }
    text
}

fn bar(stage: &Stage) -> String {
    let text = match stage.total {
        Some(total) => {
            let filled = (stage.done.min(total) * WIDTH)
                .checked_div(total)
                .unwrap_or(WIDTH);
            let (full, empty) = (filled as usize, (WIDTH - filled) as usize);
            format!(
                "[{}{}] {}",
                "#".repeat(full),
                " ".repeat(empty),
                line(stage)
            )
        }
        None => line(stage),
    };
    text.chars()
        .filter(|c| !c.is_control())
        .take(COLUMNS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(done: u64, total: Option<u64>) -> Stage {
        Stage {
            what: "reading".to_owned(),
            done,
            total,
            per_second: None,
        }
    }

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done_and_a_line_of_a_terminal_at_most() {
        for (done, total, filled) in [(0, 60, 0), (30, 60, 15), (59, 60, 29), (60, 60, 30)] {
            let text = bar(&stage(done, Some(total)));
            assert_eq!(text.matches('#').count(), filled, "{text}");
            assert_eq!(text.find(']'), Some(31), "{text}");
        }
        assert_eq!(bar(&stage(0, Some(0))).matches('#').count(), 30);
        let long = Stage {
            what: "long\n".repeat(40),
            ..stage(1, Some(2))
        };
        let text = bar(&long);
        assert!(text.len() <= COLUMNS && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_line_says_of_how_many_only_where_that_is_known() {
        assert_eq!(line(&stage(7, Some(9))), "reading: 7 of 9");
        assert_eq!(line(&stage(7, None)), "reading: 7");
        let fast = Stage {
            per_second: Some(1234.5),
            ..stage(0, None)
        };
        assert_eq!(line(&fast), "reading, 1234 a second");
    }
}
