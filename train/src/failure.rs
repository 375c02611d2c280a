//! What libtorch cannot do, as a sentence.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use super::TrainError;

/// How tch's panics begin.
const MARK: &str = "`Err` value: Torch(\"";

/// Does `work`, in which libtorch may run out of memory or lose its graphics card. tch says that by
/// panicking, from any of its functions; here it becomes an error. Other panics are let through.
///
/// While it runs, the program's panic hook keeps silent about such panics.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, TrainError> {
    let hook = Arc::new(panic::take_hook());
    let others = hook.clone();
    panic::set_hook(Box::new(move |info| {
        if said(info.payload()).is_none() {
            others(info);
        }
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    // Ours is dropped; the one from before comes back.
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| hook(info)));
    outcome.or_else(|payload| match said(payload.as_ref()) {
        Some(said) if is_out_of_memory(&said) => Err(TrainError::OutOfMemory(said)),
        Some(said) => Err(TrainError::Torch(said)),
        None => panic::resume_unwind(payload),
    })
}

/// The first line of what libtorch said, if it is what panicked.
fn said(payload: &(dyn Any + Send)) -> Option<String> {
    let message = payload.downcast_ref::<String>()?;
    let (_, said) = message.split_once(MARK)?;
    // The message is quoted, with its line ends escaped.
    let line = said.split("\\n").next().unwrap_or(said);
    Some(line.trim_end_matches("\")").replace("\\\"", "\""))
}

fn is_out_of_memory(said: &str) -> bool {
    [
        "out of memory",
        "can't allocate memory",
        "not enough memory",
    ]
    .iter()
    .any(|part| said.contains(part))
}
