use std::path::Path;

use anyhow::{Context, ensure};
use nca::internals::unfinished::check_target;

/// That a file can be written to `path`; to be asked before the work that it takes.
pub(crate) fn check(path: &Path, overwrite: bool) -> anyhow::Result<()> {
    ensure!(
        overwrite || !path.exists(),
        "{} exists; --overwrite replaces it",
        path.display()
    );
    check_target(path, overwrite).with_context(|| format!("cannot write {}", path.display()))
}
