//! The processor.
//!
//! Everything of a step is fused a row at a time, rows run in parallel. See `kernel` for the
//! arithmetic and `grid` for the memory.

mod arithmetic;
mod carry;
mod grid;
mod growth;
mod isa;
mod kernel;
mod operands;
mod painter;
mod painting;
mod rule;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::resample::Resampler;
use super::sealed::Sealed;
use super::{
    Backend, Engine, EngineError, Growth, Precision, Selection, check_length, check_state,
    check_strength, check_stroke,
};
use crate::frame::{Frame, FrameMut, Packing};
use crate::model::Model;
use crate::motion::Flow;
use crate::source::SourceChannels;
use crate::{Cancel, Size, State, noise, pool};
use carry::{CarryRow, CarryScratch};
use grid::{Grid, HALO, fill_halo};
pub(crate) use growth::RING;
use growth::{Blocks, GrowRow, Growing};
pub use isa::Isa;
use kernel::{Scratch, StepRow};
use painting::Painting;
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
    /// Where the state could not be moved, and how far the motion of each pixel was not believed; empty
    /// until the state is moved.
    doubted: Growing,
    /// The same with the cells around, for models with a painter.
    around: Growing,
    /// One for each thread; empty until the state is moved.
    carry_scratch: Vec<Mutex<CarryScratch>>,
    /// What a model with a painter needs; then the state is that of cells.
    painting: Option<Painting>,
    resampler: Resampler,
    cancel: Cancel,
}

impl CpuEngine {
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
        let threads = pool.current_num_threads();
        let painting = Painting::new(model, size, threads);
        let size = painting
            .as_ref()
            .map_or(size, |painting| painting.lattice.grid.cells());
        let architecture = &model.architecture;
        let rule = Rule::new(model, isa.is_half());
        let grid = |channels| Grid::zeros(channels, size, architecture.border);
        let cells = grid(architecture.updated());
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
            doubted: Growing::new(size),
            around: Growing::new(size),
            carry_scratch: (0..threads).map(|_| Mutex::default()).collect(),
            painting,
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
                    Area::Doubted => doubted.blocks.row(y),
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
                if !row.run(*isa) {
                    finite.store(false, Ordering::Relaxed);
                }
            });
        if cancelled.into_inner() {
            return Err(EngineError::Cancelled);
        }
        Ok(finite.into_inner())
    }

    /// Writes the source of the last frame that the painter looked at.
    fn write_source(&mut self) {
        if let Some(painting) = &self.painting {
            write_rows(&mut self.frozen, |y, channel, values| {
                painting.lattice.source.write_row(y, channel, values);
            });
        }
    }

    /// Makes cells of another size and gives them the state that is shown where they are.
    fn resample(&mut self, stroke: f32) {
        let Some(painting) = &mut self.painting else {
            return;
        };
        let before = painting.set_stroke(stroke);
        let lattice = &painting.lattice;
        let size = lattice.grid.cells();
        let like = |grid: &Grid| Grid::zeros(grid.channels(), size, grid.border());
        self.frozen = like(&self.frozen);
        self.next = like(&self.next);
        let cells = like(&self.cells);
        let old = std::mem::replace(&mut self.cells, cells);
        self.everywhere = Blocks::all(size.width, 1);
        self.doubted = Growing::new(size);
        self.around = Growing::new(size);
        let stride = self.cells.stride();
        for scratch in &mut self.scratch {
            *scratch = Mutex::new(Scratch::new(&self.rule, stride));
        }
        write_rows(&mut self.cells, |y, channel, values| {
            before.sample_row(&old, channel, &lattice.grid, y, values);
        });
        self.write_source();
    }

    /// Steps the state where it could not be moved, and there only.
    fn grow(&mut self) -> Result<(), EngineError> {
        self.compute_next(Area::Doubted)?;
        let Self {
            isa,
            cells,
            next,
            doubted,
            ..
        } = self;
        let (row_len, width) = (cells.row_len(), cells.size().width);
        let rows = cells.values_mut().par_chunks_exact_mut(row_len);
        rows.enumerate().for_each(|(y, cells)| {
            let blocks = doubted.blocks.row(y);
            if blocks.contains(&true) {
                isa.run(GrowRow {
                    blocks,
                    distrust: &doubted.shares[y * width..][..width],
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

impl Sealed for CpuEngine {}

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
        match &self.painting {
            Some(painting) => painting.lattice.grid.picture(),
            None => self.cells.size(),
        }
    }

    fn set_stroke(&mut self, stroke: f32) -> Result<(), EngineError> {
        check_stroke(stroke)?;
        match &self.painting {
            Some(painting) if painting.stroke() != stroke => {
                let pool = self.pool.clone();
                pool.install(|| self.resample(stroke));
            }
            _ => {}
        }
        Ok(())
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
            if let Some(painting) = &mut self.painting {
                painting.look(&frame);
                self.write_source();
                return;
            }
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
                around,
                carry_scratch,
                painting,
                ..
            } = self;
            let (row_len, size) = (next.row_len(), cells.size());
            doubted.shares.resize(size.pixels(), 0.0);
            let rows = next.values_mut().par_chunks_exact_mut(row_len);
            let rows = rows.zip(doubted.blocks.rows_mut());
            let rows = rows.zip(doubted.shares.par_chunks_exact_mut(size.width));
            let rows = rows.enumerate();
            let lattice = painting.as_ref().map(|painting| &painting.lattice.grid);
            rows.for_each(|(y, ((next, blocks), distrust))| {
                isa.run(CarryRow {
                    flow,
                    lattice,
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
            if lattice.is_some() {
                doubted.widen(size, cells.border(), around);
                std::mem::swap(doubted, around);
            }
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

    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<bool, EngineError> {
        check_strength(strength)?;
        let pool = self.pool.clone();
        let size = self.size();
        let Self {
            isa,
            frozen,
            cells,
            painting,
            resampler,
            ..
        } = self;
        let mut mix = |frame: &mut FrameMut<'_>, strength| match painting {
            Some(painting) => painting.paint(*isa, frozen, cells, frame, strength),
            None => {
                frame.mix_values(strength, |y| [0, 1, 2].map(|c| cells.pixels(y, c)));
                true
            }
        };
        pool.install(|| {
            if frame.size() == size {
                return Ok(mix(frame, strength));
            }
            let mut picture =
                FrameMut::packed(resampler.input(size), size.width * 3, size, Packing::RGB)
                    .expect("the picture has the memory that its size needs");
            let is_finite = mix(&mut picture, 1.0);
            if is_finite {
                let picture = resampler.resample(frame.size());
                frame.mix_frame(strength, &picture);
            }
            Ok(is_finite)
        })
    }

    fn state(&mut self) -> Result<State, EngineError> {
        let frozen = self.frozen.channels();
        let mut state = State::zeros(frozen + self.cells.channels(), self.cells.size());
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
        let size = self.cells.size();
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
