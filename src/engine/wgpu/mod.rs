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
mod kernels;
mod shader;
mod step;
#[cfg(test)]
mod tests;
mod tiling;

use std::sync::Arc;

use rayon::ThreadPool;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

use self::adapter::Adapters;
use self::gpu::Gpu;
use self::kernels::{Buffers, Carry, Kernels};
use self::shader::Geometry;
use super::resample::Resampler;
use super::sealed::Sealed;
use super::{
    Backend, Engine, EngineError, Growth, Precision, Selection, check_length, check_state,
    check_strength, refuse_painter,
};
use crate::frame::{Frame, FrameMut, Packing};
use crate::model::Model;
use crate::motion::Flow;
use crate::{Cancel, Size, State, pool};

/// Bytes of a value of the state, and of a pixel of a frame.
const WORD: usize = 4;

/// Steps that are handed over before those so many before them have been done: the device has always
/// something to do, and never so much that it could not be cancelled.
const BATCH_STEPS: u32 = 16;

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
    cancel: Cancel,
}

impl WgpuEngine {
    /// An engine for `model` at `size` on the device that `selection` names by its index or a part
    /// of its name, or else on the first one; what only imitates one in software is never taken
    /// for [`Backend::Auto`] unless it is named. Its state is all zeros.
    pub fn new(model: &Model, size: Size, selection: &Selection) -> Result<Self, EngineError> {
        refuse_painter(model, Backend::Wgpu)?;
        check_length(size)?;
        let adapters = match selection.backend {
            Backend::Auto => Adapters::Hardware,
            _ => Adapters::All,
        };
        let gpu = Arc::new(Gpu::open(selection.device.as_deref(), adapters)?);
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
        let tiling = kernels::tiling(&gpu, model, half)?;
        let (buffers, kernels, carry) = gpu.make(|| {
            let buffers = Buffers::new(&gpu, &geometry, tiling);
            let kernels = Kernels::new(&gpu, &geometry, model, tiling, half, &buffers);
            Ok((buffers, kernels, Carry::new(&gpu, &geometry, tiling)))
        })?;
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
            cancel: Cancel::default(),
        })
    }

    fn pixels(&self) -> usize {
        self.geometry.size.pixels()
    }

    /// Computes the next state into the other buffer, and makes that the state.
    fn record_step(&mut self, commands: &mut CommandEncoder) {
        self.record_blurs(commands);
        self.kernels.step.run(commands, self.current);
        self.current = 1 - self.current;
    }

    /// Hands `steps` steps over that `record` records, given how many are left after each.
    ///
    /// Each by itself: drivers give devices up that are busy with one thing for too long.
    fn submit_steps(
        &mut self,
        steps: u32,
        mut record: impl FnMut(&mut Self, &mut CommandEncoder, u32),
    ) -> Result<(), EngineError> {
        let gpu = self.gpu.clone();
        let mut batch = None;
        for step in 1..=steps {
            if self.cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            let submitted = gpu.submit(|commands| record(self, commands, steps - step));
            if step.is_multiple_of(BATCH_STEPS)
                && let Some(before) = batch.replace(submitted)
            {
                gpu.wait(before)?;
            }
        }
        Ok(())
    }

    /// Blurs channels into the other buffer.
    fn record_blurs(&self, commands: &mut CommandEncoder) {
        for blur in self.kernels.blurs.iter().flatten() {
            blur.run(commands, self.current);
        }
    }

    /// Steps the state where it could not be moved, and there only.
    fn record_growth(&self, commands: &mut CommandEncoder) {
        self.record_blurs(commands);
        self.kernels.doubted_step.run(commands, self.current);
        if let Some(kernels) = self.carry.made() {
            kernels.grow.run(commands, self.current);
        }
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

    /// Brings the values of a buffer.
    fn read(&self, buffer: &Buffer) -> Result<Vec<f32>, EngineError> {
        let size = buffer.size();
        let usage = BufferUsages::COPY_DST | BufferUsages::MAP_READ;
        let staging = self
            .gpu
            .make(|| Ok(self.gpu.buffer(size as usize, usage)))?;
        let submitted = self.gpu.submit(|commands| {
            commands.copy_buffer_to_buffer(buffer, 0, &staging, 0, None);
        });
        self.gpu.map(&staging, submitted)?;
        Ok(bytemuck::pod_collect_to_vec(&self.gpu.view(&staging)?))
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
        return Err(EngineError::UnsupportedSize {
            size,
            why: format!(
                "{} has room for {} MB of state at most and this model needs {}",
                gpu.title(),
                most >> 20,
                needed.div_ceil(1 << 20)
            ),
        });
    }
    Ok(())
}

impl Sealed for WgpuEngine {}

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

    fn set_cancel(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError> {
        if flow.is_still() {
            return Ok(());
        }
        let words = frames::flow_words(flow, growth.seed, self.geometry.size);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let gpu = self.gpu.clone();
        let (geometry, buffers) = (&self.geometry, &self.buffers);
        let kernels = self.carry.kernels(&gpu, geometry, buffers, bytes.len())?;
        gpu.write_start(&kernels.flow, bytes.len() as u64, |mut memory| {
            memory.copy_from_slice(bytes)
        })?;
        gpu.submit(|commands| {
            commands.clear_buffer(&buffers.doubted, 0, None);
            kernels.carry.run(commands, self.current);
        });
        self.current = 1 - self.current;
        self.shown = false;
        self.submit_steps(growth.steps, |engine, commands, _| {
            engine.record_growth(commands);
        })
    }

    fn step(&mut self, steps: u32) -> Result<bool, EngineError> {
        if steps == 0 {
            return Ok(true);
        }
        self.shown = false;
        self.submit_steps(steps, |engine, commands, left| {
            if left == 0 {
                commands.clear_buffer(&engine.buffers.results, 0, Some(WORD as u64));
            }
            engine.record_step(commands);
        })?;
        self.show()?;
        Ok(self.gpu.view(&self.buffers.shown)?[..WORD] == [0; WORD])
    }

    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<bool, EngineError> {
        check_strength(strength)?;
        if !self.shown {
            self.show()?;
        }
        let size = self.geometry.size;
        let view = self.gpu.view(&self.buffers.shown)?;
        let Self {
            pool, resampler, ..
        } = self;
        let picture = Frame::packed(&view[WORD..], size.width * WORD, size, Packing::RGBA)
            .expect("the picture has the memory that its size needs");
        pool.install(|| {
            if frame.size() == size {
                frame.mix_frame(strength, &picture);
            } else {
                picture.copy_to_rgb(resampler.input(size));
                frame.mix_frame(strength, &resampler.resample(frame.size()));
            }
        });
        Ok(true)
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
