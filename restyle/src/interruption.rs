//! Ctrl-C and requests to terminate.
//!
//! Work in progress looks at [`interrupted`] now and then, ends and cleans up. What does not look
//! in time, such as a frame of very many steps or an element that hangs, is not waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::message;

/// What shells expect of a program that ended on SIGINT: 128 and the signal's number.
pub const EXIT_CODE: u8 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub fn listen() -> Result<()> {
    /// With what comes after it, less than the five seconds in which a program is expected to end.
    const PATIENCE: Duration = Duration::from_secs(4);

    ctrlc::set_handler(|| {
        // The second time there is no patience.
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            force();
        }
        thread::spawn(|| {
            thread::sleep(PATIENCE);
            force();
        });
    })
    .context("Ctrl-C cannot be listened to")
}

/// Whether the user wants the program to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Says that it has ended.
pub fn say() {
    message::say("interrupted; nothing was left behind");
}

fn force() -> ! {
    // Whoever is in the middle of writing to a terminal that takes nothing holds up all others.
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        nca::internals::unfinished::give_up(EXIT_CODE);
    });
    nca::internals::unfinished::remove_all();
    say();
    nca::internals::unfinished::end_at_once(EXIT_CODE)
}
