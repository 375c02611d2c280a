//! Models by name, and the hand-over of one that was read while another is in use.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nca::model::{Model, ModelError};

use super::lock;

/// How long closing waits for threads that read. They end within moments, unless the system keeps
/// one waiting for a file, of a network drive, say; that one ends when it can.
const PATIENCE: Duration = Duration::from_millis(500);

/// A model and what it was asked for by.
#[derive(Clone)]
pub struct NamedModel {
    /// A path or the name of a bundled model.
    pub name: String,
    pub model: Arc<Model>,
}

impl NamedModel {
    /// The model that `name` means; without one, the bundled default. Ends soon with an error once
    /// another thread sets `cancelled`.
    pub fn find(name: Option<&str>, cancelled: &AtomicBool) -> Result<Self, ModelError> {
        let (name, model) = match name {
            Some(name) => (name.to_owned(), Model::find_unless(name, cancelled)?),
            None => {
                let model = Model::bundled_default();
                (model.card().get("name").cloned().unwrap_or_default(), model)
            }
        };
        Ok(Self {
            name,
            model: Arc::new(model),
        })
    }
}

/// Takes a model from the thread that read it to the one that runs it.
///
/// Only the model that was asked for last gets through, whatever the order in which they arrive.
#[derive(Default)]
pub struct Loader(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    open: bool,
    latest: u64,
    arrived: Option<NamedModel>,
    readers: Vec<Reader>,
}

/// Stands for a model that was asked for.
#[derive(Clone)]
pub struct Request {
    number: u64,
    void: Arc<AtomicBool>,
}

impl Request {
    /// Set when nobody waits for the model any more.
    pub fn void(&self) -> &AtomicBool {
        &self.void
    }
}

/// A thread that reads a model.
struct Reader {
    void: Arc<AtomicBool>,
    /// Disconnected when the thread ends.
    alive: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Waits for the thread to end, until `deadline`.
    fn join(self, deadline: Instant) {
        let wait = deadline.saturating_duration_since(Instant::now());
        let waited = self.alive.recv_timeout(wait);
        // A thread that is still at work is left to itself, and one that panicked has said so.
        if waited == Err(mpsc::RecvTimeoutError::Disconnected) {
            let _ = self.thread.join();
        }
    }
}

impl Inner {
    /// Makes all requests void, and ends what reads for them.
    fn cancel(&mut self) {
        self.latest += 1;
        self.readers.retain(|reader| !reader.thread.is_finished());
        for reader in &self.readers {
            reader.void.store(true, Ordering::Relaxed);
        }
    }
}

impl Loader {
    /// From now on models can be asked for.
    pub fn open(&self) {
        lock(&self.0).open = true;
    }

    /// From now on they cannot, and those under way are dropped. What reads them has ended, if it
    /// could within [`PATIENCE`].
    pub fn close(&self) {
        let mut inner = lock(&self.0);
        inner.open = false;
        inner.arrived = None;
        inner.cancel();
        let readers = std::mem::take(&mut inner.readers);
        // They may want it.
        drop(inner);
        let deadline = Instant::now() + PATIENCE;
        for reader in readers {
            reader.join(deadline);
        }
    }

    /// Asks for a model, which makes earlier requests void; `None` while closed.
    pub fn request(&self) -> Option<Request> {
        let mut inner = lock(&self.0);
        inner.open.then(|| {
            inner.cancel();
            Request {
                number: inner.latest,
                void: Arc::default(),
            }
        })
    }

    /// Has a thread of its own read what was asked for, unless the request is void by now.
    pub fn read(
        &self,
        request: Request,
        read: impl FnOnce(Request) + Send + 'static,
    ) -> io::Result<()> {
        let (alive, ended) = mpsc::channel();
        let void = request.void.clone();
        let mut inner = lock(&self.0);
        if inner.latest != request.number {
            return Ok(());
        }
        let thread = thread::Builder::new()
            .name("ncafilter-model".into())
            .spawn(move || {
                let _alive: mpsc::Sender<()> = alive;
                read(request);
            })?;
        let reader = Reader {
            void,
            alive: ended,
            thread,
        };
        inner.readers.push(reader);
        Ok(())
    }

    /// Whether nothing else has been asked for since.
    pub fn is_latest(&self, request: &Request) -> bool {
        lock(&self.0).latest == request.number
    }

    /// Delivers what was asked for, which is dropped if the request is void.
    pub fn deliver(&self, request: &Request, model: NamedModel) {
        let mut inner = lock(&self.0);
        if inner.latest == request.number {
            inner.arrived = Some(model);
        }
    }

    /// The model that has arrived since the last call.
    pub fn take(&self) -> Option<NamedModel> {
        lock(&self.0).arrived.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> NamedModel {
        NamedModel {
            name: name.into(),
            ..NamedModel::find(None, &AtomicBool::new(false)).unwrap()
        }
    }

    #[test]
    fn only_the_latest_request_gets_through() {
        let loader = Loader::default();
        assert!(loader.request().is_none());
        loader.open();
        let first = loader.request().unwrap();
        let second = loader.request().unwrap();
        assert!(!loader.is_latest(&first) && loader.is_latest(&second));
        assert!(loader.take().is_none());
        loader.deliver(&second, model("second"));
        loader.deliver(&first, model("first"));
        assert_eq!(loader.take().unwrap().name, "second");
        assert!(loader.take().is_none());
    }

    #[test]
    fn what_arrives_after_closing_is_dropped() {
        let loader = Loader::default();
        loader.open();
        let request = loader.request().unwrap();
        loader.close();
        loader.open();
        loader.deliver(&request, model("late"));
        assert!(loader.take().is_none());
    }

    /// A reader that never ends of itself, and how many of its kind are at work.
    fn read_for_ever(loader: &Loader, at_work: &Arc<()>) {
        let request = loader.request().unwrap();
        let at_work = at_work.clone();
        let read = loader.read(request, move |request| {
            while !request.void().load(Ordering::Relaxed) {
                thread::yield_now();
            }
            drop(at_work);
        });
        read.unwrap();
    }

    #[test]
    fn a_reader_ends_when_another_model_is_asked_for() {
        let loader = Loader::default();
        loader.open();
        let at_work = Arc::new(());
        for _ in 0..10 {
            read_for_ever(&loader, &at_work);
        }
        // All but the last and this one.
        while Arc::strong_count(&at_work) > 2 {
            thread::yield_now();
        }
        loader.close();
    }

    #[test]
    fn readers_have_ended_when_closed() {
        let loader = Loader::default();
        loader.open();
        let at_work = Arc::new(());
        for _ in 0..10 {
            read_for_ever(&loader, &at_work);
        }
        loader.close();
        assert_eq!(Arc::strong_count(&at_work), 1);
        loader.open();
        assert!(loader.request().is_some());
        loader.close();
    }

    #[test]
    fn one_that_cannot_end_is_left_to_itself() {
        let loader = Loader::default();
        loader.open();
        let request = loader.request().unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let read = loader.read(request, move |_| {
            let _ = ended.recv();
        });
        read.unwrap();
        loader.close();
        end.send(()).unwrap();
    }

    #[test]
    fn nothing_is_read_for_a_void_request() {
        let loader = Loader::default();
        loader.open();
        let request = loader.request().unwrap();
        loader.close();
        let read = loader.read(request, |_| panic!("it is read"));
        read.unwrap();
        assert!(lock(&loader.0).readers.is_empty());
    }
}
