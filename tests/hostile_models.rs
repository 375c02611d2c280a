//! Model files that are made to do harm: refused with one sentence, and what it takes of memory is
//! counted where it is taken.

#[path = "common/attacks.rs"]
#[allow(dead_code, reason = "not all of it is used")]
mod attacks;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nca::model::{FormatError, Model};

/// Most bytes that are taken for each byte of a file: at once, and one after the other.
const AT_ONCE: usize = 96;
const ALTOGETHER: usize = 256;
/// What every file may take, however small.
const BASE: usize = 64 << 10;
/// Longest sentence, in characters.
const SENTENCE: usize = 500;

/// The system's allocator, with its books kept.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TOTAL.fetch_add(layout.size(), Ordering::Relaxed);
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

/// One file at a time, so that nothing else takes memory meanwhile.
static ALONE: Mutex<()> = Mutex::new(());

/// Reads a file; says what came of it and the bytes that were taken, at once and altogether.
fn read(bytes: &[u8]) -> (Result<Model, FormatError>, usize, usize) {
    let (before, total) = (LIVE.load(Ordering::Relaxed), TOTAL.load(Ordering::Relaxed));
    PEAK.store(before, Ordering::Relaxed);
    let result = Model::from_bytes(bytes);
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (result, peak, TOTAL.load(Ordering::Relaxed) - total)
}

fn check_refused(name: &str, bytes: &[u8], words: &str) {
    let (result, peak, total) = read(bytes);
    let error = result.expect_err(name).to_string();
    println!(
        "{name}: {} bytes, {peak} at once, {total} altogether; {error}",
        bytes.len()
    );
    assert!(
        error.contains(words),
        "{name}: {error:?} does not say {words:?}"
    );
    assert!(error.chars().count() < SENTENCE, "{name}: {error}");
    assert!(!error.chars().any(char::is_control), "{name}: {error:?}");
    assert!(
        peak <= AT_ONCE * bytes.len() + BASE,
        "{name}: {peak} bytes at once"
    );
    assert!(
        total <= ALTOGETHER * bytes.len() + BASE,
        "{name}: {total} bytes altogether"
    );
}

/// A test for each attack, and one that none is forgotten.
macro_rules! refused {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
            let (bytes, words) = attacks::$name();
            check_refused(stringify!($name), &bytes, words);
        })*

        #[test]
        fn every_attack_has_a_test() {
            let tests = [$(stringify!($name)),*];
            assert!(attacks::all().map(|(name, _)| name).eq(tests));
        }
    };
}

refused! {
    modules_in_themselves
    modules_in_each_other
    modules_with_long_names
    modules_with_a_longer_name_each
    modules_with_one_state
    modules_in_a_row
    one_module_under_many_names
    shapes_used_again
    shapes_of_thousands
    parameters_used_again
    storages_used_again
    dicts_used_again
    globals_used_again
    classes_used_again
    a_call_with_a_long_name
    nested_tuples
    nested_dicts
    a_list_in_itself
    many_small_values
    many_small_tuples
    many_memoized
    many_marks
    a_text_longer_than_the_file
    a_description_of_one_key
    a_description_with_a_large_card
    a_painter_in_a_pickle_of_format_1
    a_cell_of_0_in_a_pickle
    tensors_on_one_memory
    tensors_of_strides_0
    a_tensor_of_no_values_and_huge_shape
    a_tensor_whose_size_overflows
    a_memory_smaller_than_declared
    files_on_each_other
    files_of_one_name
    a_file_of_huge_size
    a_compressed_file
    thousands_of_files
    an_end_that_counts_too_many
    a_large_end_that_counts_too_many
    many_ends
    a_large_pickle
    a_header_of_huge_length
    a_large_header
    a_header_of_tiny_tensors
    a_header_of_metadata
    a_header_with_a_long_shape
    a_header_whose_tensors_overlap
    a_header_whose_size_overflows
    a_header_with_one_name_twice
    a_nested_header
    a_file_larger_than_any_model
    a_cell_of_0
    a_cell_of_3
    a_cell_of_a_billion
    a_cell_of_all_bits
    a_cell_below_0
    a_cell_and_a_half
    a_cell_that_is_no_number
    a_cell_larger_than_any_number
    a_cell_without_a_painter
    a_stroke_in_the_file
    a_painter_with_coordinates
    a_painter_that_is_a_list
    a_painter_without_layers
    a_painter_of_three_layers
    a_painter_of_width_0
    a_painter_of_huge_width
    a_painter_of_thousands_of_layers
    a_painter_of_shuffled_shifts
    edges_in_the_source_without_a_painter
    a_painter_in_format_1
    a_format_to_come
    a_format_below_0
    a_painting_that_takes_seconds
    a_start_that_takes_minutes
    a_painter_without_its_first_layer
    a_painter_without_its_last_layer
    a_painter_with_a_layer_too_many
    a_painter_with_coordinates_in_its_weights
    a_painter_of_the_wrong_width
    a_painter_with_a_bias_for_others
    a_painter_with_huge_weights
    a_rule_of_another_size_than_its_cells
    a_painter_that_is_not_finite
}

/// Those that a hunt found, where they are there.
#[test]
fn the_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/models");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!(
            "skipped: there are no hostile models at {}",
            folder.display()
        );
        return;
    };
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    for entry in entries {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        check_refused(&path.display().to_string(), &bytes, "");
    }
}

/// What an honest file takes: itself in float32, and little else.
#[test]
fn an_honest_file_takes_little() {
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    for name in [
        "published.pt",
        "notebook.safetensors",
        "unusual.pt",
        "painter/cells-4.pt",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name);
        let bytes = std::fs::read(path).unwrap();
        let (result, peak, total) = read(&bytes);
        result.unwrap();
        println!(
            "{name}: {} bytes, {peak} at once, {total} altogether",
            bytes.len()
        );
        assert!(
            peak <= 2 * bytes.len() + BASE,
            "{name}: {peak} bytes at once"
        );
    }
}
