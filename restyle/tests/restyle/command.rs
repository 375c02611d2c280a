//! The program, run.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes a fraction of it; a program that hangs must fail and not stop the tests.
const HANGS: Duration = Duration::from_secs(300);

/// The program with these arguments, not started yet.
pub fn restyle<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nca-restyle"));
    command
        .args(args)
        // Nobody has logged in: drivers that are looked for a graphics processor in must not complain.
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same, under a limit of the shell's `ulimit`, such as `-f 100`.
#[cfg(unix)]
pub fn restyle_limited<I: AsRef<std::ffi::OsStr>>(
    limit: &str,
    args: impl IntoIterator<Item = I>,
) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_nca-restyle"))
        .args(args)
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Restyles with options under which the picture stays as it is.
pub fn unchanged(input: &Path, output: &Path, options: &[&str]) -> Output {
    let mut command = restyle([input, output]);
    command.args(["--steps", "0", "--warmup", "0", "--strength", "0"]);
    finish(command.args(options).spawn().unwrap())
}

/// As [`unchanged`], and it must succeed.
pub fn must(input: &Path, output: &Path, options: &[&str]) -> String {
    succeeded(unchanged(input, output, options))
}

/// What the program wrote to stderr; it must have succeeded.
pub fn succeeded(output: Output) -> String {
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert!(!errors.contains("CRITICAL"), "{errors}");
    errors
}

/// Waits for the end.
pub fn finish(child: Child) -> Output {
    finish_within(HANGS, child)
}

/// Waits for the end, which must not take so long.
pub fn finish_within(limit: Duration, mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > limit {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("it hangs: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}
