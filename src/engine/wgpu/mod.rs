//! The graphics processor, through Vulkan, Metal or Direct3D 12, whichever the machine has; all of
//! them are loaded at run time.
//!
//! The state stays on the device, channel after channel. Kernels are WGSL texts made to measure for
//! an architecture and a size (`step`, `shader`), compiled when the engine is made. A frame goes up
//! as samples and comes down as samples, and with the picture comes whether the state is finite: a
//! frame is waited for once.
//!
//! ```text
//! frame -> [source] -> frozen --+
//! flow  -> [carry]  -> cells ---+-> [blur] [step] -> cells ... -> [picture] -> frame
//! ```
//!
//! Every value is computed by one thread in an order of its own, so a device gives the same bits
//! from run to run; another device, or driver, may round differently.

mod adapter;
mod frames;
mod gpu;
mod kernel;
mod shader;
mod step;
#[cfg(test)]
mod tests;
mod tiling;

use std::sync::Arc;

use rayon::ThreadPool;
use wgpu::{Buffer, BufferUsages, CommandEncoder, ComputePipeline};

use self::adapter::Adapters;
use self::gpu::Gpu;
use self::kernel::{Kernel, compile, workgroups};
use self::shader::Geometry;
use self::tiling::{Rule, Tiling};
use super::cpu::DOUBT;
use super::resample::Resampler;
use super::{Backend, Engine, EngineError, Precision, Selection, check_length, check_state};
use crate::frame::{Frame, FrameMut, Packing};
use crate::model::{Architecture, Model};
use crate::motion::Flow;
use crate::{Size, State, pool};

/// Bytes of a value of the state, and of a pixel of a frame.
const WORD: usize = 4;

/// Runs an automaton on a graphics processor.
pub struct WgpuEngine {
    gpu: Arc<Gpu>,
    pool: Arc<ThreadPool>,
    half: bool,
    geometry: Geometry,
    kernels: Kernels,
    buffers: Buffers,
    carry: Carry,
    /// Which of `buffers.cells` is the state; a step writes the other.
    current: usize,
    /// Whether `buffers.shown` is mapped, and whether it has the picture of the state.
    mapped: bool,
    shown: bool,
    resampler: Resampler,
}

struct Kernels {
    source: Kernel,
    start: Kernel,
    /// Along columns and rows, where the architecture has blurs.
    blurs: Option<[Kernel; 2]>,
    step: Kernel,
    picture: Kernel,
}

struct Buffers {
    /// A frame of the state's size, a pixel in each word.
    frame: Buffer,
    frozen: Buffer,
    cells: [Buffer; 2],
    seed: Buffer,
    /// Whether a value is not finite, then the picture, a pixel in each word.
    results: Buffer,
    /// The same where the processor can read it.
    shown: Buffer,
}

/// What moves the state; its memory is taken when something moves.
struct Carry {
    pipeline: ComputePipeline,
    kernel: Option<(Buffer, Kernel)>,
}

impl WgpuEngine {
    /// An engine for `model` at `size` on the device that `selection` names by its index or a part
    /// of its name, or else on the first one; what only imitates one in software is never taken
    /// for [`Backend::Auto`] unless it is named. Its state is all zeros.
    pub fn new(model: &Model, size: Size, selection: &Selection) -> Result<Self, EngineError> {
        check_length(size)?;
        let adapters = match selection.backend {
            Backend::Auto => Adapters::Hardware,
            _ => Adapters::All,
        };
        let gpu = Gpu::open(selection.device.as_deref(), adapters)?;
        let half = selection.precision == Precision::Half;
        if half && !gpu.has_half() {
            return Err(EngineError::NoHalfPrecision {
                backend: Backend::Wgpu.name(),
                why: format!("{} does not compute with 16 bits", gpu.title()),
            });
        }
        let architecture = &model.architecture;
        let geometry = Geometry::new(architecture, size);
        check_memory(&gpu, &geometry)?;
        let pool = pool::shared(selection.threads)?;
        let (buffers, kernels, carry) = gpu.make(|| {
            let buffers = Buffers::new(&gpu, &geometry);
            let kernels = Kernels::new(&gpu, &geometry, model, half, &buffers);
            (buffers, kernels, Carry::new(&gpu, &geometry))
        })?;
        let kernels = kernels?;
        Ok(Self {
            gpu,
            pool,
            half,
            geometry,
            kernels,
            buffers,
            carry,
            current: 0,
            mapped: false,
            shown: false,
            resampler: Resampler::new(),
        })
    }

    fn pixels(&self) -> usize {
        self.geometry.size.pixels()
    }

    /// Computes the next state into the other buffer, and makes that the state.
    fn record_step(&mut self, commands: &mut CommandEncoder) {
        if let Some(blurs) = &self.kernels.blurs {
            for blur in blurs {
                blur.run(commands, self.current);
            }
        }
        self.kernels.step.run(commands, self.current);
        self.current = 1 - self.current;
    }

    /// Brings the picture, and whether the state is finite, to where they can be read.
    fn show(&mut self) -> Result<(), EngineError> {
        self.shown = false;
        if std::mem::take(&mut self.mapped) {
            self.buffers.shown.unmap();
        }
        let Buffers { results, shown, .. } = &self.buffers;
        let submitted = self.gpu.submit(|commands| {
            self.kernels.picture.run(commands, self.current);
            commands.copy_buffer_to_buffer(results, 0, shown, 0, None);
        });
        self.gpu.map(shown, submitted)?;
        (self.mapped, self.shown) = (true, true);
        Ok(())
    }

    /// Calls `f` with what was brought.
    fn with_shown<T>(&self, f: impl FnOnce(&[u8]) -> T) -> Result<T, EngineError> {
        let view = self.buffers.shown.get_mapped_range(..);
        let view = view.map_err(|error| self.gpu.failed(&error))?;
        Ok(f(&view))
    }

    /// Brings the values of a buffer.
    fn read(&self, buffer: &Buffer) -> Result<Vec<f32>, EngineError> {
        let size = buffer.size();
        let usage = BufferUsages::COPY_DST | BufferUsages::MAP_READ;
        let staging = self.gpu.make(|| self.gpu.buffer(size as usize, usage))?;
        let submitted = self.gpu.submit(|commands| {
            commands.copy_buffer_to_buffer(buffer, 0, &staging, 0, None);
        });
        self.gpu.map(&staging, submitted)?;
        let view = staging.get_mapped_range(..);
        let view = view.map_err(|error| self.gpu.failed(&error))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

/// Checks that a device can bind what a state needs.
fn check_memory(gpu: &Gpu, geometry: &Geometry) -> Result<(), EngineError> {
    let size = geometry.size;
    let limits = &gpu.limits;
    let most = limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size);
    let words = geometry.updated.max(geometry.frozen) * size.pixels() + 1;
    let needed = (words * WORD) as u64;
    if needed > most {
        let mb = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(EngineError::UnsupportedSize {
            size,
            why: format!(
                "{} has room for {} MB of state at most and this model needs {}",
                gpu.title(),
                most >> 20,
                mb(needed)
            ),
        });
    }
    Ok(())
}

impl Buffers {
    fn new(gpu: &Gpu, geometry: &Geometry) -> Self {
        let pixels = geometry.size.pixels();
        let storage = |words: usize, more| gpu.buffer(words * WORD, BufferUsages::STORAGE | more);
        let copied = BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let cells = || storage(geometry.updated * pixels, copied);
        Self {
            frame: storage(pixels, BufferUsages::COPY_DST),
            frozen: storage(geometry.frozen * pixels, copied),
            cells: [cells(), cells()],
            seed: storage(2, BufferUsages::COPY_DST),
            results: storage(1 + pixels, copied),
            shown: gpu.buffer(
                (1 + pixels) * WORD,
                BufferUsages::COPY_DST | BufferUsages::MAP_READ,
            ),
        }
    }
}

impl Kernels {
    fn new(
        gpu: &Gpu,
        geometry: &Geometry,
        model: &Model,
        half: bool,
        buffers: &Buffers,
    ) -> Result<Self, EngineError> {
        let text = |kernel: &str| geometry.text() + kernel;
        let Buffers {
            frame,
            frozen,
            cells: [first, second],
            seed,
            results,
            ..
        } = buffers;
        let size = geometry.size;
        let source = compile(gpu, &text(include_str!("source.wgsl")), "source");
        let start = compile(gpu, &text(include_str!("seed.wgsl")), "start");
        let picture = compile(gpu, &text(include_str!("picture.wgsl")), "picture");
        Ok(Self {
            source: Kernel::new(
                gpu,
                source,
                [&[frame, frozen], &[frame, frozen]],
                workgroups(size, 1),
            ),
            start: Kernel::new(
                gpu,
                start,
                [&[seed, frozen, first], &[seed, frozen, second]],
                workgroups(size, geometry.updated),
            ),
            blurs: blurs(gpu, geometry, &model.architecture, buffers),
            step: step(gpu, geometry, model, half, buffers)?,
            picture: Kernel::new(
                gpu,
                picture,
                [&[first, results], &[second, results]],
                workgroups(size, 1),
            ),
        })
    }
}

/// The kernel of the step.
fn step(
    gpu: &Gpu,
    geometry: &Geometry,
    model: &Model,
    half: bool,
    buffers: &Buffers,
) -> Result<Kernel, EngineError> {
    let architecture = &model.architecture;
    let memory = gpu.limits.max_compute_workgroup_storage_size as usize;
    let value_bytes = if half { 2 } else { WORD };
    let tiling = Tiling::new(architecture, value_bytes, memory).ok_or_else(|| {
        gpu.failed(&format!(
            "its workgroups have {memory} bytes of memory, too little for this model"
        ))
    })?;
    let rule = Rule::new(model, tiling);
    let weights = match half {
        true => {
            let weights = rule
                .weights
                .iter()
                .map(|&w| ::half::f16::from_f32(w).to_bits());
            gpu.filled(bytemuck::cast_slice(&weights.collect::<Vec<u16>>()))
        }
        false => gpu.filled(bytemuck::cast_slice(&rule.weights)),
    };
    let text = step::kernel(geometry, architecture, tiling, &rule, half);
    let Buffers {
        frozen,
        cells: [first, second],
        results,
        ..
    } = buffers;
    Ok(Kernel::new(
        gpu,
        compile(gpu, &text, "step"),
        [
            &[&weights, frozen, first, second, results],
            &[&weights, frozen, second, first, results],
        ],
        [
            geometry.size.width.div_ceil(tiling.width) as u32,
            geometry.size.height.div_ceil(tiling.height) as u32,
            1,
        ],
    ))
}

/// The kernels that blur along columns, and then along rows into the next state.
fn blurs(
    gpu: &Gpu,
    geometry: &Geometry,
    architecture: &Architecture,
    buffers: &Buffers,
) -> Option<[Kernel; 2]> {
    let count = architecture.blurs.len();
    if count == 0 {
        return None;
    }
    let taps: Vec<f32> = architecture.blurs.iter().flat_map(|b| b.kernel()).collect();
    let taps = gpu.filled(bytemuck::cast_slice(&taps));
    let sums = gpu.buffer(count * geometry.size.pixels() * WORD, BufferUsages::STORAGE);
    let text = geometry.text() + &shader::blur_constants(architecture) + include_str!("blur.wgsl");
    let [first, second] = &buffers.cells;
    let workgroups = workgroups(geometry.size, count);
    let columns = compile(gpu, &text, "blur_columns");
    let rows = compile(gpu, &text, "blur_rows");
    Some([
        Kernel::new(
            gpu,
            columns,
            [&[&taps, first, &sums], &[&taps, second, &sums]],
            workgroups,
        ),
        Kernel::new(
            gpu,
            rows,
            [&[&taps, &sums, second], &[&taps, &sums, first]],
            workgroups,
        ),
    ])
}

impl Carry {
    fn new(gpu: &Gpu, geometry: &Geometry) -> Self {
        let [none, full] = DOUBT;
        let doubt =
            format!("const DOUBT_NONE = f32({none:?});\nconst DOUBT_FULL = f32({full:?});\n");
        let text = geometry.text() + &doubt + include_str!("carry.wgsl");
        Self {
            pipeline: compile(gpu, &text, "carry"),
            kernel: None,
        }
    }

    /// The kernel, and the buffer that it reads flows of `bytes` bytes from.
    fn kernel(
        &mut self,
        gpu: &Gpu,
        geometry: &Geometry,
        [first, second]: &[Buffer; 2],
        bytes: usize,
    ) -> Result<&(Buffer, Kernel), EngineError> {
        if let Some((buffer, _)) = &self.kernel
            && buffer.size() < bytes as u64
        {
            self.kernel = None;
        }
        match &mut self.kernel {
            Some(kernel) => Ok(kernel),
            slot => Ok(slot.insert(gpu.make(|| {
                let flow = gpu.buffer(bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST);
                let kernel = Kernel::new(
                    gpu,
                    self.pipeline.clone(),
                    [&[&flow, first, second], &[&flow, second, first]],
                    workgroups(geometry.size, 1),
                );
                (flow, kernel)
            })?)),
        }
    }
}

impl Engine for WgpuEngine {
    fn backend(&self) -> Backend {
        Backend::Wgpu
    }

    fn device(&self) -> String {
        let title = self.gpu.title();
        match self.half {
            true => format!("{title} with f16"),
            false => title.into(),
        }
    }

    fn size(&self) -> Size {
        self.geometry.size
    }

    fn set_source(&mut self, frame: &Frame<'_>) -> Result<(), EngineError> {
        let size = self.geometry.size;
        let Self {
            gpu,
            pool,
            buffers,
            resampler,
            ..
        } = self;
        pool.install(|| {
            let frame = if frame.size() == size {
                *frame
            } else {
                frame.copy_to_rgb(resampler.input(frame.size()));
                resampler.resample(size)
            };
            gpu.write(&buffers.frame, |bytes| frames::write(&frame, bytes))
        })?;
        gpu.submit(|commands| self.kernels.source.run(commands, 0));
        Ok(())
    }

    fn seed(&mut self, seed: u64) -> Result<(), EngineError> {
        let halves = [seed as u32, (seed >> 32) as u32];
        let seed = &self.buffers.seed;
        self.gpu.write(seed, |mut bytes| {
            bytes.copy_from_slice(bytemuck::bytes_of(&halves));
        })?;
        self.gpu
            .submit(|commands| self.kernels.start.run(commands, self.current));
        self.shown = false;
        Ok(())
    }

    fn carry(&mut self, flow: &Flow) -> Result<(), EngineError> {
        if flow.is_still() {
            return Ok(());
        }
        let words = frames::flow_words(flow, self.geometry.size);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let Self {
            gpu,
            geometry,
            buffers,
            carry,
            ..
        } = self;
        let (buffer, kernel) = carry.kernel(gpu, geometry, &buffers.cells, bytes.len())?;
        gpu.write_start(buffer, bytes.len() as u64, |mut memory| {
            memory.copy_from_slice(bytes)
        })?;
        gpu.submit(|commands| kernel.run(commands, self.current));
        self.current = 1 - self.current;
        self.shown = false;
        Ok(())
    }

    fn step(&mut self, steps: u32) -> Result<bool, EngineError> {
        if steps == 0 {
            return Ok(true);
        }
        let gpu = self.gpu.clone();
        for step in 0..steps {
            // Each by itself: drivers give devices up that are busy with one thing for too long.
            gpu.submit(|commands| {
                if step + 1 == steps {
                    commands.clear_buffer(&self.buffers.results, 0, Some(WORD as u64));
                }
                self.record_step(commands);
            });
        }
        self.show()?;
        self.with_shown(|bytes| bytes[..WORD] == [0; WORD])
    }

    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<(), EngineError> {
        if !self.shown {
            self.show()?;
        }
        let size = self.geometry.size;
        let view = self.buffers.shown.get_mapped_range(..);
        let view = view.map_err(|error| self.gpu.failed(&error))?;
        let Self {
            pool, resampler, ..
        } = self;
        let packing = Packing::new(WORD, [0, 1, 2]);
        let picture = Frame::packed(&view[WORD..], size.width * WORD, size, packing)
            .expect("the picture has the memory that its size needs");
        pool.install(|| {
            if frame.size() == size {
                frame.mix_frame(strength, &picture);
            } else {
                picture.copy_to_rgb(resampler.input(size));
                frame.mix_frame(strength, &resampler.resample(frame.size()));
            }
        });
        Ok(())
    }

    fn state(&mut self) -> Result<State, EngineError> {
        let Buffers { frozen, cells, .. } = &self.buffers;
        let mut values = self.read(frozen)?;
        values.extend(self.read(&cells[self.current])?);
        Ok(State {
            channels: self.geometry.channels(),
            size: self.geometry.size,
            values,
        })
    }

    fn set_state(&mut self, state: &State) -> Result<(), EngineError> {
        check_state(state, self.geometry.channels(), self.geometry.size)?;
        let (frozen, cells) = state.values.split_at(self.geometry.frozen * self.pixels());
        let buffers = [&self.buffers.frozen, &self.buffers.cells[self.current]];
        for (buffer, values) in buffers.into_iter().zip([frozen, cells]) {
            self.gpu.write(buffer, |mut bytes| {
                bytes.copy_from_slice(bytemuck::cast_slice(values));
            })?;
        }
        self.shown = false;
        Ok(())
    }
}
