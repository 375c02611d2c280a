use std::io::{self, Write};
use std::path::Path;

use crate::unfinished::Unfinished;

/// Writes a file that appears when it is whole: to a temporary one beside it, which is renamed.
///
/// What stood there before is replaced, or still stands when anything fails.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, unfinished) = Unfinished::beside(path, ".nca-", "")?;
    file.write_all(bytes)?;
    drop(file);
    unfinished.persist(path, true)
}
