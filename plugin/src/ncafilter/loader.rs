//! Models by name, and the hand-over of one that was read while another is in use.

use std::sync::{Arc, Mutex};

use nca::model::{Model, ModelError};

use super::lock;

/// A model and what it was asked for by.
#[derive(Clone)]
pub struct NamedModel {
    /// A path or the name of a bundled model.
    pub name: String,
    pub model: Arc<Model>,
}

impl NamedModel {
    /// The model that `name` means; without one, the bundled default.
    pub fn find(name: Option<&str>) -> Result<Self, ModelError> {
        let (name, model) = match name {
            Some(name) => (name.to_owned(), Model::find(name)?),
            None => {
                let model = Model::bundled_default();
                (model.card.get("name").cloned().unwrap_or_default(), model)
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
}

/// Stands for a model that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request(u64);

impl Loader {
    /// From now on models can be asked for.
    pub fn open(&self) {
        lock(&self.0).open = true;
    }

    /// From now on they cannot, and those under way are dropped.
    pub fn close(&self) {
        let mut inner = lock(&self.0);
        inner.open = false;
        inner.latest += 1;
        inner.arrived = None;
    }

    /// Asks for a model, which makes earlier requests void; `None` while closed.
    pub fn request(&self) -> Option<Request> {
        let mut inner = lock(&self.0);
        inner.open.then(|| {
            inner.latest += 1;
            Request(inner.latest)
        })
    }

    /// Whether nothing else has been asked for since.
    pub fn is_latest(&self, request: Request) -> bool {
        lock(&self.0).latest == request.0
    }

    /// Delivers what was asked for, which is dropped if the request is void.
    pub fn deliver(&self, request: Request, model: NamedModel) {
        let mut inner = lock(&self.0);
        if inner.latest == request.0 {
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
            ..NamedModel::find(None).unwrap()
        }
    }

    #[test]
    fn only_the_latest_request_gets_through() {
        let loader = Loader::default();
        assert!(loader.request().is_none());
        loader.open();
        let first = loader.request().unwrap();
        let second = loader.request().unwrap();
        assert!(!loader.is_latest(first) && loader.is_latest(second));
        loader.deliver(second, model("second"));
        loader.deliver(first, model("first"));
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
        loader.deliver(request, model("late"));
        assert!(loader.take().is_none());
    }
}
