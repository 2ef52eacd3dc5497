//! The first parts of objects. They are kept, so that a file that is recognised, sampled and read is asked for once; and
//! those of the next objects are fetched beside one that is missing, so that who goes through many small objects does not
//! wait for each.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::object_store::Result;
use datafusion::object_store::path::Path;
use futures::future::{join, join_all};
use tokio::sync::OnceCell;

/// Objects whose first parts are fetched together.
const TOGETHER: usize = 16;
/// First parts that are kept: 64 MiB of them, where all are as long as they may be.
const KEPT: usize = 1_024;

/// The first parts of the objects of one bucket.
#[derive(Default)]
pub(super) struct Heads(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The objects in the order in which they were listed.
    listed: Vec<Path>,
    numbers: HashMap<Path, usize>,
    heads: HashMap<usize, Arc<OnceCell<Bytes>>>,
    /// The numbers of those that are kept, from the first that was asked for.
    kept: VecDeque<usize>,
}

impl Heads {
    /// Takes an object for the next in order, unless it is known.
    pub(super) fn listed(&self, path: &Path) {
        let mut known = self.known();
        if !known.numbers.contains_key(path) {
            let number = known.listed.len();
            known.numbers.insert(path.clone(), number);
            known.listed.push(path.clone());
        }
    }

    /// The first part of `path`, which `fetch` gives where it is not kept.
    ///
    /// # Errors
    /// Those of fetching it; what happens to others is told when they are asked for.
    pub(super) async fn get<F: Future<Output = Result<Bytes>>>(
        &self,
        path: &Path,
        fetch: impl Fn(Path) -> F,
    ) -> Result<Bytes> {
        let mut wanted = self.known().from(path).into_iter();
        let Some((path, head)) = wanted.next() else { return fetch(path.clone()).await };
        if let Some(head) = head.get() {
            return Ok(head.clone());
        }
        let fetched = |path: Path, head: Arc<OnceCell<Bytes>>| {
            let fetch = &fetch;
            async move { head.get_or_try_init(|| fetch(path)).await.cloned() }
        };
        let others = join_all(wanted.map(|(path, head)| fetched(path, head)));
        join(fetched(path, head), others).await.0
    }

    /// What is known, also where a reader died while it held it: it is never half there.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The first parts of `path` and of the objects behind it, all of them kept from now on; none if it was not listed.
    fn from(&mut self, path: &Path) -> Vec<(Path, Arc<OnceCell<Bytes>>)> {
        let Some(number) = self.numbers.get(path).copied() else { return Vec::new() };
        let numbers = number..self.listed.len().min(number + TOGETHER);
        let heads = numbers.map(|number| {
            let kept = self.heads.entry(number).or_insert_with(|| {
                self.kept.push_back(number);
                Arc::default()
            });
            (self.listed[number].clone(), Arc::clone(kept))
        });
        let heads = heads.collect();
        while self.kept.len() > KEPT {
            self.kept.pop_front().map(|oldest| self.heads.remove(&oldest));
        }
        heads
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn each_is_fetched_once_and_some_are_fetched_ahead() {
        let heads = Heads::default();
        let paths: Vec<Path> = (0..40).map(|number| Path::from(format!("{number:02}"))).collect();
        for path in &paths {
            heads.listed(path);
        }
        let fetched = AtomicUsize::new(0);
        let fetch = |path: Path| {
            fetched.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Bytes::from(path.to_string())) }
        };
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(heads.get(path, fetch).await.unwrap(), path.as_ref());
            let ahead = (number / TOGETHER + 1) * TOGETHER;
            assert_eq!(fetched.load(Ordering::Relaxed), ahead.min(paths.len()), "{number}");
        }
        assert_eq!(heads.get(&paths[0], fetch).await.unwrap(), "00");
        assert_eq!(fetched.load(Ordering::Relaxed), paths.len());
    }

    #[tokio::test]
    async fn the_oldest_go_and_another_s_failure_is_not_told() {
        let heads = Heads::default();
        let paths: Vec<Path> = (0..2 * KEPT).map(|number| Path::from(format!("{number}"))).collect();
        for path in &paths {
            heads.listed(path);
        }
        let refused = |path: Path| async move {
            let number: usize = path.as_ref().parse().unwrap();
            if number.is_multiple_of(2) { Ok(Bytes::from(path.to_string())) } else { Err(not_implemented()) }
        };
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(heads.get(path, refused).await.is_ok(), number.is_multiple_of(2), "{number}");
        }
        let known = heads.known();
        assert!(known.kept.len() <= KEPT && known.heads.len() == known.kept.len());
    }

    fn not_implemented() -> datafusion::object_store::Error {
        datafusion::object_store::Error::NotImplemented { operation: "get".to_owned(), implementer: "test".to_owned() }
    }
}
