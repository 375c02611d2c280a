//! What the engine of the processor takes of memory, counted where it is taken.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Picture;
use nca::Size;
use nca::engine::Backend;
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::stylizer::Stylizer;

/// The system's allocator, with its books kept.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// All that was ever taken.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    TOTAL.fetch_add(bytes, Ordering::Relaxed);
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: everything is the system's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Restyles frames in place, at every scale, and says what the first took at most and what the
/// others took together, on average.
fn frames(model: &Model, size: Size, scale: f32) -> (usize, usize) {
    const FRAMES: usize = 200;
    let mut picture = Picture::synthetic(size, 1);
    let mut process = {
        let stylizer = Stylizer::builder(model.clone()).backend(Backend::Cpu);
        let mut stylizer = stylizer.steps(1).warmup(1).scale(scale).build().unwrap();
        move || {
            let stride = size.width * 3;
            let pixels = &mut picture.pixels;
            let mut frame = FrameMut::packed(pixels, stride, size, Packing::RGB).unwrap();
            stylizer.process(&mut frame).unwrap();
        }
    };
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    process();
    let first = PEAK.load(Ordering::Relaxed) - before;
    // The second has the first steps that are not a warm-up.
    process();
    let before = TOTAL.load(Ordering::Relaxed);
    for _ in 0..FRAMES {
        process();
    }
    (first, (TOTAL.load(Ordering::Relaxed) - before) / FRAMES)
}

/// One test, so that nothing else takes memory meanwhile.
#[test]
fn two_states_at_most_and_nothing_for_a_frame() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let models = ["published", "notebook"]
        .map(|name| Model::load(format!("{golden}/{name}.safetensors").as_ref()).unwrap());
    let sketch = Model::bundled_default();
    for model in models.iter().chain([&sketch]) {
        let size = Size::new(640, 360);
        let channels = model.architecture().channels;
        let state = channels * size.pixels() * size_of::<f32>();
        let (peak, _) = frames(model, size, 1.0);
        println!("{channels} channels: {peak} bytes, a state has {state}");
        assert!(peak <= 2 * state + 15_000_000, "{peak}");
    }
    // The queues of the thread pool grow by a block now and then; the resampler makes its tables
    // of weights for every picture.
    for (scale, limit) in [(1.0, 1_000), (0.5, 100_000)] {
        let (_, each) = frames(&sketch, Size::new(160, 96), scale);
        println!("scale {scale}: {each} bytes a frame");
        assert!(each < limit, "scale {scale}: {each} bytes a frame");
    }
}
