//! The threads that everything runs on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pools in use, by number of threads: filters with the same number share one.
static POOLS: Mutex<Option<HashMap<usize, Weak<ThreadPool>>>> = Mutex::new(None);

/// Most threads that are started.
const MAX_THREADS: usize = 1024;

/// Why threads cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads: {why}")]
#[non_exhaustive]
pub struct ThreadsError {
    /// How many were asked for.
    pub threads: usize,
    /// What the system said.
    pub why: String,
}

/// A pool of `threads` threads; 0: one for each core.
pub(crate) fn shared(threads: usize) -> Result<Arc<ThreadPool>, ThreadsError> {
    let failed = |why: String| ThreadsError { threads, why };
    if threads > MAX_THREADS {
        return Err(failed(format!("there can be at most {MAX_THREADS}")));
    }
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    if let Some(pool) = pools.get(&threads).and_then(Weak::upgrade) {
        return Ok(pool);
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("nca-{i}"))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let pool = Arc::new(pool);
    pools.retain(|_, pool| pool.strong_count() > 0);
    pools.insert(threads, Arc::downgrade(&pool));
    Ok(pool)
}
