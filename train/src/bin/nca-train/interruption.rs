//! Ctrl-C and requests to terminate.
//!
//! Training ends after the iteration that it is in and saves what it has. What takes longer is not
//! waited for; the last checkpoint is there then. Before training there is nothing to save.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nca::internals::unfinished::give_up;

/// What shells expect of a program that ended on SIGINT: 128 and the signal's number.
const EXIT_CODE: u8 = 130;

static TRAINING: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub fn listen() -> anyhow::Result<()> {
    /// With what comes after it, less than the five seconds in which a program is expected to end.
    const PATIENCE: Duration = Duration::from_secs(4);

    ctrlc::set_handler(|| {
        let is_second = STOP.swap(true, Ordering::Relaxed);
        if is_second || !TRAINING.load(Ordering::Relaxed) {
            give_up(EXIT_CODE);
        }
        thread::spawn(|| {
            thread::sleep(PATIENCE);
            give_up(EXIT_CODE);
        });
    })
    .context("cannot catch Ctrl-C")
}

/// From now on there is something to save.
pub fn training_begins() {
    TRAINING.store(true, Ordering::Relaxed);
}

/// Whether training is to end.
pub fn stop() -> bool {
    STOP.load(Ordering::Relaxed)
}
