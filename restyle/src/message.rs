//! Lines for the user, on stderr.

use std::io::Write;

/// Writes a line. Where nobody reads any more it is of no use to complain.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "nca-restyle: {line}");
}

/// Warns, unless no warnings are wanted.
pub fn warn(quiet: bool, line: &str) {
    if !quiet {
        say(&format!("warning: {line}"));
    }
}
