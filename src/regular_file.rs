use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file, which may be no folder, pipe or device, and says how many bytes it has.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let check = |metadata: Metadata| {
        if metadata.is_dir() {
            Err(io::ErrorKind::IsADirectory.into())
        } else if !metadata.is_file() {
            let why = "it is not a regular file";
            Err(io::Error::new(io::ErrorKind::InvalidInput, why))
        } else {
            Ok(metadata.len())
        }
    };
    // Before it is opened, because that alone does something to some devices, and after, because
    // it may be another file by then.
    check(std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // To open a pipe would wait for a writer.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    let length = check(file.metadata()?)?;
    Ok((file, length))
}
