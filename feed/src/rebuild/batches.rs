//! What is read one by one, put into a stream many at a time.

use futures_util::future::FutureExt;
use futures_util::stream::{BoxStream, Stream, StreamExt, TryStreamExt};

/// Where a batch ends at the latest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// So many of them.
    pub(super) count: usize,
    /// With the one that reaches so many bytes: what is under way is bounded whatever people write.
    pub(super) bytes: usize,
}

/// What is there without waiting, in order, and at least one; `weight` tells the bytes of one. An error comes after what was
/// read before it.
pub(super) fn batches<T, E>(
    rows: impl Stream<Item = Result<T, E>> + Send + 'static,
    most: Most,
    weight: impl Fn(&T) -> usize + Send + Sync + 'static,
) -> BoxStream<'static, Result<Vec<T>, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let weight = std::sync::Arc::new(weight);
    futures_util::stream::try_unfold(rows.boxed().peekable(), move |mut rows| {
        let weight = weight.clone();
        async move {
            let Some(first) = rows.try_next().await? else {
                return Ok(None);
            };
            let mut bytes = weight(&first);
            let mut batch = vec![first];
            while batch.len() < most.count && bytes < most.bytes {
                // An error stays where it is for the next time.
                let ready = std::pin::Pin::new(&mut rows)
                    .next_if(Result::is_ok)
                    .now_or_never();
                let Some(Some(Ok(row))) = ready else { break };
                bytes += weight(&row);
                batch.push(row);
            }
            Ok(Some((batch, rows)))
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn sizes(
        rows: Vec<Result<usize, &'static str>>,
    ) -> Vec<Result<Vec<usize>, &'static str>> {
        let most = Most {
            count: 3,
            bytes: 100,
        };
        batches(stream::iter(rows), most, |row| *row)
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_batch_ends_by_count_or_by_bytes_and_nothing_is_lost_or_moved() {
        let rows = [1, 2, 3, 4, 200, 5, 60, 60, 6].map(Ok);
        let batches = [vec![1, 2, 3], vec![4, 200], vec![5, 60, 60], vec![6]];
        assert_eq!(sizes(rows.to_vec()).await, batches.map(Ok));
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_read_before_it() {
        let rows = vec![Ok(1), Ok(2), Err("broke off")];
        assert_eq!(sizes(rows).await, [Ok(vec![1, 2]), Err("broke off")]);
    }

    #[tokio::test]
    async fn what_is_there_does_not_wait_for_what_is_still_to_come() {
        let rows = stream::iter([Ok::<_, ()>(1)]).chain(stream::pending());
        let most = Most { count: 9, bytes: 9 };
        let first = batches(rows, most, |_| 1).next().now_or_never();
        assert_eq!(first, Some(Some(Ok(vec![1]))));
    }
}
