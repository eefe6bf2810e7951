//! Where lines of the log are written: gathered for a moment and written together by a thread of its own, so that a request
//! waits for no system call. A warning or an error is written at once, with everything before it.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes from which on a request waits for the writer: a reader that is too slow slows the server down and loses no line.
const MOST: usize = 1 << 20;

type Out = Box<dyn Write + Send>;

struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end has come.
    filled: Condvar,
    /// There is room again.
    emptied: Condvar,
    out: Mutex<Out>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    ended: bool,
}

impl Shared {
    /// Writes everything that waits. A reader that went away is no reason to stop serving.
    fn write_out(&self) {
        // held while taking, so that lines keep their order whoever writes them
        let mut out = self.out.lock();
        let lines = std::mem::take(&mut self.state.lock().waiting);
        self.emptied.notify_all();
        if !lines.is_empty() {
            let _ = out.write_all(&lines).and_then(|()| out.flush());
        }
    }

    fn run(&self) {
        loop {
            {
                let mut state = self.state.lock();
                while state.waiting.is_empty() && !state.ended {
                    self.filled.wait(&mut state);
                }
                if !state.ended {
                    self.filled.wait_for(&mut state, GATHER);
                }
                if state.ended && state.waiting.is_empty() {
                    return;
                }
            }
            self.write_out();
        }
    }
}

/// The writer of a process's log. Clones write to the same place.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

/// Keeps the log alive; what waits is written when it is dropped.
#[must_use = "the log ends with it"]
pub struct LogGuard {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Starts the thread.
    pub(super) fn start(out: Out) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            out: Mutex::new(out),
        });
        let running = shared.clone();
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || running.run())?;
        let lines = Self(shared);
        Ok((
            lines.clone(),
            LogGuard {
                lines,
                thread: Some(thread),
            },
        ))
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.lines.0.state.lock().ended = true;
        self.lines.0.filled.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // lines that came after the thread had ended
        self.lines.0.write_out();
    }
}

impl std::fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogGuard")
    }
}

/// Takes one line.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    now: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ended = {
            let mut state = self.shared.state.lock();
            while state.waiting.len() >= MOST && !state.ended {
                self.shared.emptied.wait(&mut state);
            }
            let first = state.waiting.is_empty();
            state.waiting.extend_from_slice(bytes);
            if first {
                self.shared.filled.notify_one();
            }
            state.ended
        };
        if self.now || ended {
            self.shared.write_out();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            shared: &self.0,
            now: false,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line {
            shared: &self.0,
            now: *metadata.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sink::Sink;
    use super::*;

    #[test]
    fn every_line_is_written_once_and_whole_whoever_writes_at_the_same_time() {
        let sink = Sink::default();
        let (lines, guard) = Lines::start(Box::new(sink.clone())).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..500 {
                        let mut line = Line {
                            shared: &lines.0,
                            now: n % 100 == 0,
                        };
                        line.write_all(format!("{writer} {n}\n").as_bytes())
                            .unwrap();
                    }
                });
            }
        });
        drop(guard);
        let text = sink.text();
        for writer in 0..8 {
            let own: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{writer} ")))
                .collect();
            let expected: Vec<_> = (0..500).map(|n| n.to_string()).collect();
            assert_eq!(own, expected);
        }
    }

    #[test]
    fn a_warning_is_there_at_once_with_everything_before_it() {
        let sink = Sink::default();
        let (lines, _guard) = Lines::start(Box::new(sink.clone())).unwrap();
        Line {
            shared: &lines.0,
            now: false,
        }
        .write_all(b"before\n")
        .unwrap();
        Line {
            shared: &lines.0,
            now: true,
        }
        .write_all(b"warning\n")
        .unwrap();
        assert_eq!(sink.text(), "before\nwarning\n");
    }
}
