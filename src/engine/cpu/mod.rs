//! The processor.
//!
//! Everything of a step is fused a row at a time, rows run in parallel. See `kernel` for the
//! arithmetic and `grid` for the memory.

mod carry;
mod grid;
mod growth;
mod isa;
mod kernel;
mod operands;
mod rule;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::resample::Resampler;
use super::{
    Backend, Engine, EngineError, Growth, MAX_LENGTH, Precision, Selection, check_length,
    check_state,
};
use crate::frame::{Frame, FrameMut, Packing};
use crate::model::Model;
use crate::motion::Flow;
use crate::source::SourceChannels;
use crate::{Cancel, Size, State, noise, pool};
use carry::{CarryRow, CarryScratch};
use grid::{Grid, HALO, fill_halo};
use growth::{Blocks, GrowRow};
pub use isa::Isa;
use kernel::{Scratch, StepRow};
use rule::Rule;

/// Runs an automaton on the processor.
pub struct CpuEngine {
    isa: Isa,
    pool: Arc<ThreadPool>,
    rule: Rule,
    source: SourceChannels,
    frozen: Grid,
    /// The updated channels.
    cells: Grid,
    /// What a step writes; then the two change places.
    next: Grid,
    /// One for each thread.
    scratch: Vec<Mutex<Scratch>>,
    /// All blocks of a row.
    everywhere: Blocks,
    /// Where the state could not be moved.
    doubted: Blocks,
    /// How far the motion of each pixel was not believed; empty until the state is moved.
    distrust: Vec<f32>,
    /// One for each thread; empty until the state is moved.
    carry_scratch: Vec<Mutex<CarryScratch>>,
    resampler: Resampler,
    cancel: Cancel,
}

impl CpuEngine {
    /// Widest and highest state that is accepted.
    pub const MAX_LENGTH: usize = MAX_LENGTH;

    /// An engine for `model` at `size`, with the fastest instructions of this machine for the
    /// precision that `selection` asks for. Its state is all zeros.
    pub fn new(model: &Model, size: Size, selection: &Selection) -> Result<Self, EngineError> {
        if let Some(device) = &selection.device {
            return Err(EngineError::NoDevice {
                backend: Backend::Cpu.name(),
                device: device.clone(),
                available: "it has none to choose from".into(),
            });
        }
        let isa = match selection.precision {
            Precision::Full => Isa::detect(),
            Precision::Half => Isa::half().ok_or_else(|| EngineError::NoHalfPrecision {
                backend: Backend::Cpu.name(),
                why: "the processor lacks AVX512-BF16".into(),
            })?,
        };
        Self::with_isa(model, size, selection.threads, isa)
    }

    /// An engine that uses the instructions `isa` and `threads` threads; 0: one for each core.
    pub fn with_isa(
        model: &Model,
        size: Size,
        threads: usize,
        isa: Isa,
    ) -> Result<Self, EngineError> {
        check_length(size)?;
        let pool = pool::shared(threads)?;
        let architecture = &model.architecture;
        let rule = Rule::new(model, isa.is_half());
        let grid = |channels| Grid::zeros(channels, size, architecture.border);
        let cells = grid(architecture.updated());
        let threads = pool.current_num_threads();
        let scratch = (0..threads)
            .map(|_| Mutex::new(Scratch::new(&rule, cells.stride())))
            .collect();
        Ok(Self {
            isa,
            pool,
            source: SourceChannels::new(architecture.source, size),
            frozen: grid(architecture.frozen()),
            next: grid(architecture.updated()),
            cells,
            rule,
            scratch,
            everywhere: Blocks::all(size.width, 1),
            doubted: Blocks::all(size.width, size.height),
            distrust: Vec::new(),
            carry_scratch: (0..threads).map(|_| Mutex::default()).collect(),
            resampler: Resampler::new(),
            cancel: Cancel::default(),
        })
    }

    /// Computes `next` from `cells`, at least in `area`. Says whether all of it is finite.
    fn compute_next(&mut self, area: Area) -> Result<bool, EngineError> {
        let Self {
            isa,
            rule,
            frozen,
            cells,
            next,
            scratch,
            everywhere,
            doubted,
            cancel,
            ..
        } = self;
        let finite = AtomicBool::new(true);
        let cancelled = AtomicBool::new(false);
        let row_len = next.row_len();
        next.values_mut()
            .par_chunks_exact_mut(row_len)
            .enumerate()
            .for_each(|(y, next)| {
                let blocks = match area {
                    Area::All => everywhere.row(0),
                    Area::Doubted => doubted.row(y),
                };
                if !blocks.contains(&true) {
                    return;
                }
                if cancel.is_cancelled() {
                    cancelled.store(true, Ordering::Relaxed);
                    return;
                }
                let mut scratch = of_this_thread(scratch);
                let row = StepRow {
                    rule,
                    frozen,
                    cells,
                    y,
                    blocks,
                    next,
                    scratch: &mut scratch,
                };
                if !isa.step(row) {
                    finite.store(false, Ordering::Relaxed);
                }
            });
        if cancelled.into_inner() {
            return Err(EngineError::Cancelled);
        }
        Ok(finite.into_inner())
    }

    /// Steps the state where it could not be moved, and there only.
    fn grow(&mut self) -> Result<(), EngineError> {
        self.compute_next(Area::Doubted)?;
        let Self {
            isa,
            cells,
            next,
            doubted,
            distrust,
            ..
        } = self;
        let (row_len, width) = (cells.row_len(), cells.size().width);
        let rows = cells.values_mut().par_chunks_exact_mut(row_len);
        rows.enumerate().for_each(|(y, cells)| {
            let blocks = doubted.row(y);
            if blocks.contains(&true) {
                isa.run(GrowRow {
                    blocks,
                    distrust: &distrust[y * width..][..width],
                    y,
                    next,
                    cells,
                });
            }
        });
        Ok(())
    }
}

/// Where a step is computed.
#[derive(Clone, Copy)]
enum Area {
    All,
    /// The blocks that have pixels whose state could not be moved.
    Doubted,
}

/// Writes the start state of an updated channel at some pixels of a row: the source's colour, or noise.
#[inline(always)]
fn write_start(
    frozen: &Grid,
    seed: u64,
    channel: usize,
    y: usize,
    pixels: Range<usize>,
    values: &mut [f32],
) {
    if channel < 3 {
        values.copy_from_slice(&frozen.pixels(y, channel)[pixels]);
    } else {
        for (value, x) in values.iter_mut().zip(pixels) {
            *value = noise::uniform(seed, frozen.channels() + channel, y, x);
        }
    }
}

/// Every thread takes the one that nobody else does.
fn of_this_thread<T>(scratch: &[Mutex<T>]) -> MutexGuard<'_, T> {
    let thread = rayon::current_thread_index().unwrap_or(0);
    scratch[thread]
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f` with the number of every row of a grid, the number of each of its channels and the W
/// values of that, in parallel over the rows, and fills the halos after it.
fn write_rows(grid: &mut Grid, f: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let (width, border) = (grid.size().width, grid.border());
    let (row_len, stride) = (grid.row_len(), grid.stride());
    grid.values_mut()
        .par_chunks_exact_mut(row_len)
        .enumerate()
        .for_each(|(y, row)| {
            for (channel, values) in row.chunks_exact_mut(stride).enumerate() {
                f(y, channel, &mut values[HALO..][..width]);
                fill_halo(values, width, border);
            }
        });
}

impl Engine for CpuEngine {
    fn backend(&self) -> Backend {
        Backend::Cpu
    }

    fn device(&self) -> String {
        match self.pool.current_num_threads() {
            1 => format!("1 thread, {}", self.isa),
            threads => format!("{threads} threads, {}", self.isa),
        }
    }

    fn size(&self) -> Size {
        self.cells.size()
    }

    fn set_source(&mut self, frame: &Frame<'_>) -> Result<(), EngineError> {
        let pool = self.pool.clone();
        let size = self.size();
        pool.install(|| {
            let frame = if frame.size() == size {
                *frame
            } else {
                let input = self.resampler.input(frame.size());
                frame.copy_to_rgb(input);
                self.resampler.resample(size)
            };
            let channels = self.source.of(&frame);
            write_rows(&mut self.frozen, |y, channel, values| {
                channels.write_row(y, channel, values);
            });
        });
        Ok(())
    }

    fn seed(&mut self, seed: u64) -> Result<(), EngineError> {
        let Self {
            pool,
            frozen,
            cells,
            ..
        } = self;
        pool.install(|| {
            write_rows(cells, |y, channel, values| {
                write_start(frozen, seed, channel, y, 0..values.len(), values);
            });
        });
        Ok(())
    }

    fn set_cancel(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError> {
        if flow.is_still() {
            return Ok(());
        }
        let pool = self.pool.clone();
        pool.install(|| {
            let Self {
                isa,
                frozen,
                cells,
                next,
                doubted,
                distrust,
                carry_scratch,
                ..
            } = self;
            let (row_len, size) = (next.row_len(), cells.size());
            distrust.resize(size.pixels(), 0.0);
            let rows = next.values_mut().par_chunks_exact_mut(row_len);
            let rows = rows.zip(doubted.rows_mut());
            let rows = rows.zip(distrust.par_chunks_exact_mut(size.width));
            rows.enumerate()
                .for_each(|(y, ((next, blocks), distrust))| {
                    isa.run(CarryRow {
                        flow,
                        cells,
                        frozen,
                        seed: growth.seed,
                        y,
                        next,
                        blocks,
                        distrust,
                        scratch: &mut of_this_thread(carry_scratch),
                    });
                });
            std::mem::swap(cells, next);
            (0..growth.steps).try_for_each(|_| self.grow())
        })
    }

    fn step(&mut self, steps: u32) -> Result<bool, EngineError> {
        let pool = self.pool.clone();
        pool.install(|| {
            (0..steps).try_fold(true, |_, _| {
                let finite = self.compute_next(Area::All)?;
                std::mem::swap(&mut self.cells, &mut self.next);
                Ok(finite)
            })
        })
    }

    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<(), EngineError> {
        let pool = self.pool.clone();
        let Self {
            cells, resampler, ..
        } = self;
        let size = cells.size();
        pool.install(|| {
            if frame.size() == size {
                frame.mix_values(strength, |y| [0, 1, 2].map(|c| cells.pixels(y, c)));
            } else {
                let mut picture =
                    FrameMut::packed(resampler.input(size), size.width * 3, size, Packing::RGB)
                        .expect("the picture has the memory that its size needs");
                picture.mix_values(1.0, |y| [0, 1, 2].map(|c| cells.pixels(y, c)));
                let picture = resampler.resample(frame.size());
                frame.mix_frame(strength, &picture);
            }
        });
        Ok(())
    }

    fn state(&mut self) -> Result<State, EngineError> {
        let frozen = self.frozen.channels();
        let mut state = State::zeros(frozen + self.cells.channels(), self.size());
        for channel in 0..state.channels {
            let (grid, index) = match channel.checked_sub(frozen) {
                None => (&self.frozen, channel),
                Some(index) => (&self.cells, index),
            };
            let rows = state
                .channel_mut(channel)
                .chunks_exact_mut(grid.size().width);
            for (y, row) in rows.enumerate() {
                row.copy_from_slice(grid.pixels(y, index));
            }
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &State) -> Result<(), EngineError> {
        let size = self.size();
        let frozen = self.frozen.channels();
        let channels = frozen + self.cells.channels();
        check_state(state, channels, size)?;
        let row = |y: usize, channel| &state.channel(channel)[y * size.width..][..size.width];
        write_rows(&mut self.frozen, |y, channel, values| {
            values.copy_from_slice(row(y, channel));
        });
        write_rows(&mut self.cells, |y, channel, values| {
            values.copy_from_slice(row(y, frozen + channel));
        });
        Ok(())
    }
}
