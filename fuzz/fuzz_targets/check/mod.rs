//! What must hold of every file that is read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use nca::model::{FileKind, Layer, Model};

/// Most bytes that reading may take at once for each byte of a file, and for any.
const AT_ONCE: usize = 96;
const BASE: usize = 64 << 10;
/// Longest sentence that refuses a file, in characters.
const SENTENCE: usize = 1000;

/// The system's allocator, with its books kept.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reading gives a model or a sentence and takes memory in proportion to the file; what is read can
/// be run, written and read again.
pub fn check(bytes: &[u8]) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = Model::from_bytes(bytes);
    let peak = PEAK.load(Ordering::Relaxed) - before;
    assert!(
        peak <= AT_ONCE * bytes.len() + BASE,
        "{peak} bytes for a file of {}",
        bytes.len()
    );
    let model = match result {
        Ok(model) => model,
        Err(error) => {
            let said = error.to_string();
            assert!(said.chars().count() < SENTENCE, "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
            return;
        }
    };
    // What is read is not made by these, which check everything.
    let layer = |layer: &Layer| {
        let (weights, bias) = (layer.weights().to_vec(), layer.bias().map(<[f32]>::to_vec));
        Layer::new(layer.outputs(), layer.inputs(), weights, bias)
            .expect("a layer that was read is whole")
    };
    let [layers, painter] =
        [model.layers(), model.painter()].map(|layers| layers.iter().map(layer).collect());
    Model::new(model.architecture().clone(), layers, painter, model.playback())
        .expect("a model that was read can be run");
    for kind in [FileKind::Safetensors, FileKind::Pytorch] {
        assert_eq!(
            Model::from_bytes(&model.to_bytes(kind)).as_ref(),
            Ok(&model)
        );
    }
}
