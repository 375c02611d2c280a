//! Files in the making: under a name of their own until they are whole, and gone when the program
//! is made to end before. Likewise folders for what is needed meanwhile.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tempfile::{TempDir, TempPath};

/// Those that there are.
static FILES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file in the making; dropped before it is whole it leaves nothing behind.
#[derive(Debug)]
pub struct Unfinished {
    /// Before the entry in the list: it is removed first.
    file: TempPath,
    entry: Entry,
}

/// In the list, until it is dropped.
#[derive(Debug)]
struct Entry(PathBuf);

impl Unfinished {
    /// Makes a file beside `target`, so that it can be renamed to it.
    ///
    /// # Errors
    /// When the folder is absent or cannot be written to.
    pub fn beside(target: &Path, prefix: &str, suffix: &str) -> io::Result<(File, Self)> {
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).suffix(suffix);
        // Not the private file that temporary ones are: what the user's umask says.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Not let go between the two, so that no file is missed when all are removed.
        let mut files = lock();
        let made = builder.tempfile_in(folder).map_err(without_path)?;
        let (file, temporary) = made.into_parts();
        let path = temporary.to_path_buf();
        files.insert(path.clone());
        let unfinished = Self {
            file: temporary,
            entry: Entry(path),
        };
        Ok((file, unfinished))
    }

    /// Where it is until it is whole.
    pub fn path(&self) -> &Path {
        &self.entry.0
    }

    /// Gives the whole file its name. What stood there before is replaced, with `overwrite`, or it
    /// is an error and the file is gone.
    pub fn persist(self, target: &Path, overwrite: bool) -> io::Result<()> {
        let Self { file, entry } = self;
        let result = if overwrite {
            file.persist(target)
        } else {
            file.persist_noclobber(target)
        };
        let result = match result {
            // Some file systems can only replace.
            Err(failed)
                if failed.error.kind() != io::ErrorKind::AlreadyExists && !target.exists() =>
            {
                failed.path.persist(target)
            }
            result => result,
        };
        drop(entry);
        result.map_err(|failed| failed.error)
    }
}

/// The name that the file would have had says nothing to anybody.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    let reason = text.split(" at path ").next().unwrap_or_default();
    io::Error::new(error.kind(), reason)
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock().remove(&self.0);
    }
}

/// A folder for what is needed meanwhile; it goes with the value.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    _entry: Entry,
}

impl Folder {
    /// Makes one where the system has such folders.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        let mut files = lock();
        let folder = TempDir::new().map_err(without_path)?;
        let path = folder.path().to_owned();
        files.insert(path.clone());
        Ok(Self {
            folder,
            _entry: Entry(path),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether a file can be written to a path: to be asked before the work that it takes.
///
/// # Errors
/// When what stands there is no file or is not to be replaced, or when the folder is absent or cannot
/// be written to.
pub fn check_target(target: &Path, overwrite: bool) -> io::Result<()> {
    match std::fs::metadata(target) {
        Ok(there) if !there.is_file() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "what stands there is not a regular file",
        )),
        Ok(_) if !overwrite => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it exists; --overwrite replaces it",
        )),
        _ => Unfinished::beside(target, ".nca-", "").map(drop),
    }
}

fn lock() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all files in the making and ends the program at once with this exit code, whatever it
/// waits for.
pub fn give_up(code: u8) -> ! {
    remove_all();
    end_at_once(code)
}

/// Removes all files in the making, and has no other come into being: for programs that are about to
/// end.
pub fn remove_all() {
    /// A file system that does not answer must not hold up the end.
    const PATIENCE: Duration = Duration::from_millis(300);
    let begun = Instant::now();
    let files = loop {
        match FILES.try_lock() {
            Ok(files) => break files,
            Err(TryLockError::Poisoned(files)) => break files.into_inner(),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    for path in files.iter() {
        // It may have got its name meanwhile.
        if std::fs::remove_file(path).is_err() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
    // No other comes into being.
    std::mem::forget(files);
}

/// Ends the program without the clean-up of libraries, which other threads may still be using.
pub fn end_at_once(code: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: it does nothing but end the process.
    unsafe {
        libc::_exit(code.into())
    }
    #[cfg(not(unix))]
    std::process::exit(code.into())
}

/// Has a write fail that would make a file larger than `ulimit -f` allows, as on a full disk, where
/// the program would otherwise be ended in the middle of it. For programs, at their start.
pub fn survive_size_limit() {
    #[cfg(unix)]
    // SAFETY: it is a valid signal, and to ignore it needs no handler.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
