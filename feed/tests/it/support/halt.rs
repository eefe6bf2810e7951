//! An owner whose exports stop half-way when a test wants it.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::PostId;
use contracts::clients::{ExportOrder, ExportRow, PageQuery, Posts};
use contracts::events::PostState;
use futures_util::stream::{self, BoxStream, StreamExt};
use kit::page::Page;
use kit::problem::Problem;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::owner::Owner;

/// The owner, with a hand on its exports.
#[derive(Debug)]
pub struct Halting {
    owner: Arc<Owner>,
    next: Mutex<Option<Arc<Halt>>>,
}

/// An export that stops after some rows.
#[derive(Debug)]
pub struct Halt {
    after: usize,
    fails: bool,
    came: Semaphore,
    goes_on: Semaphore,
}

impl Halting {
    pub fn of(owner: Arc<Owner>) -> Self {
        Self {
            owner,
            next: Mutex::new(None),
        }
    }

    /// The next export stops after so many rows.
    pub fn halt(&self, after: usize) -> Arc<Halt> {
        self.set(after, false)
    }

    /// The next export breaks off after so many rows.
    pub fn fail(&self, after: usize) -> Arc<Halt> {
        self.set(after, true)
    }

    fn set(&self, after: usize, fails: bool) -> Arc<Halt> {
        let halt = Arc::new(Halt {
            after,
            fails,
            came: Semaphore::new(0),
            goes_on: Semaphore::new(0),
        });
        *self.next.lock() = Some(halt.clone());
        halt
    }
}

impl Halt {
    /// Waits until the export has come so far.
    pub async fn came(&self) {
        self.came.acquire().await.unwrap().forget();
    }

    /// Lets it go on, for good.
    pub fn go_on(&self) {
        self.goes_on.close();
    }

    async fn stop(&self) -> Result<(), Problem> {
        self.came.add_permits(1);
        if self.fails {
            return Err(Problem::unavailable(
                "posts_unavailable",
                "the export broke off",
            ));
        }
        // Closed: it goes on.
        let _ = self.goes_on.acquire().await;
        Ok(())
    }
}

/// Behind the last row, so that an export with fewer rows stops at its end.
const END: &str = "end";

fn end() -> Problem {
    Problem::conflict(END, "no row")
}

#[async_trait]
impl Posts for Halting {
    fn export(&self, order: ExportOrder) -> BoxStream<'static, Result<ExportRow, Problem>> {
        let rows = self.owner.export(order);
        let Some(halt) = self.next.lock().take() else {
            return rows;
        };
        rows.enumerate()
            .chain(stream::once(async { (usize::MAX, Err(end())) }))
            .then(move |(number, row)| {
                let halt = halt.clone();
                async move {
                    if number == halt.after || number == usize::MAX {
                        halt.stop().await?;
                    }
                    row.map(|row| (number, row))
                }
            })
            .filter_map(|row| async move {
                match row {
                    Err(problem) if problem.code() == END => None,
                    row => Some(row.map(|(_, row)| row)),
                }
            })
            .boxed()
    }

    async fn page(&self, query: &PageQuery) -> Result<Page<PostState>, Problem> {
        self.owner.page(query).await
    }

    async fn find(&self, id: PostId) -> Result<Option<PostState>, Problem> {
        self.owner.find(id).await
    }
}
