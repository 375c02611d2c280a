//! NVIDIA cards, through the CUDA driver, which is found at run time.
//!
//! A step is one kernel, and what it needs between global memory and global memory never leaves the
//! registers and the shared memory of a multiprocessor: see kernels/step_half.cuh, which multiplies
//! on tensor cores, and kernels/step_full.cu. docs/cuda.md tells how they are made and checked.

mod device;
mod driver;
mod kernels;
mod parameters;
mod rule;
mod staging;

use std::collections::HashMap;
use std::sync::Arc;

use rayon::ThreadPool;

use super::resample::Resampler;
use super::sealed::Sealed;
use super::{
    Backend, Engine, EngineError, Growth, SHARPNESS, Selection, TRUST, check_length, check_state,
    check_strength, refuse_painter,
};
use crate::frame::{Frame, FrameMut};
use crate::model::Model;
use crate::motion::Flow;
use crate::{Cancel, Size, State, pool};
use device::{Buffer, Device, Event, Graph, Kernel, Launch, Pinned, Stream};
pub use driver::Driver;
use kernels::Step;
use parameters::{
    CarryParameters, FlowGrid, GrowParameters, RenderParameters, SeedParameters, Shape,
    SourceParameters,
};
use staging::{Download, Upload};

/// Name of the backend in errors.
const BACKEND: &str = "cuda";

/// Steps that are launched at once; even, so that the state is where it was before.
const GRAPH_STEPS: u32 = 64;
/// Steps of growth, which are launched one by one, that are in the stream at most.
const GROWTH_STEPS: u32 = 64;
/// Graphs that are kept.
const MAX_GRAPHS: usize = 16;

/// That there is nothing that the backend could run on; `why` is a clause.
fn absent(why: String) -> EngineError {
    EngineError::Absent {
        backend: BACKEND,
        why,
    }
}

/// That something is there and does not do what it should; `why` is a clause.
fn failed(why: String) -> EngineError {
    EngineError::Failed {
        backend: BACKEND,
        why,
    }
}

/// Runs an automaton on an NVIDIA card.
pub struct CudaEngine {
    // Dropped from top to bottom: the stream waits for what still uses the rest.
    stream: Stream,
    device: Arc<Device>,
    pool: Arc<ThreadPool>,
    size: Size,
    shape: Shape,
    frozen_channels: usize,
    updated_channels: usize,
    kernels: FrameKernels,
    step: Step,
    /// By number of steps and where the state is before.
    graphs: HashMap<(u32, usize), Graph>,
    frozen: Buffer<f32>,
    /// The updated channels, and room for what they become.
    cells: [Buffer<f32>; 2],
    /// Which of `cells` the state is.
    current: usize,
    not_finite: Download<u32>,
    /// The frame, and the picture that is shown: red, green and blue planes.
    source: Upload<u8>,
    picture: Download<u8>,
    /// Vectors of the flow along x and along y, and its confidence.
    flow: [Upload<f32>; 3],
    /// How far each pixel's motion is not believed, and whether that is anything in a tile.
    distrust: Buffer<f32>,
    doubted: Buffer<u32>,
    done: Event,
    /// After the last two graphs, of which the stream holds no more.
    launched: [Event; 2],
    resampler: Resampler,
    cancel: Cancel,
}

/// The kernels of kernels/frame.cu.
struct FrameKernels {
    set_source: Kernel,
    seed: Kernel,
    carry: Kernel,
    grow: Kernel,
    render: Kernel,
}

impl CudaEngine {
    /// An engine for `model` at `size` on the card that `selection` asks for, by its number or a
    /// part of its name. Its state is all zeros.
    ///
    /// With [`Precision::Half`](super::Precision::Half), models that no kernel of half precision
    /// can hold (more than 32 channels, more than 128 in a hidden layer, weights beyond 65504) run
    /// with full precision; [`Engine::device`] says which it is.
    pub fn new(model: &Model, size: Size, selection: &Selection) -> Result<Self, EngineError> {
        refuse_painter(model, Backend::Cuda)?;
        Self::with_driver(Driver::system()?, model, size, selection)
    }

    /// The same with a given driver.
    pub fn with_driver(
        driver: Arc<Driver>,
        model: &Model,
        size: Size,
        selection: &Selection,
    ) -> Result<Self, EngineError> {
        refuse_painter(model, Backend::Cuda)?;
        check_length(size)?;
        let pool = pool::shared(selection.threads)?;
        let device = Device::open(driver, selection.device.as_deref())?;
        let stream = Stream::new(&device)?;
        let module = kernels::load(&device, kernels::FRAME)?;
        let kernels = FrameKernels {
            set_source: module.kernel(c"set_source")?,
            seed: module.kernel(c"seed")?,
            carry: module.kernel(c"carry")?,
            grow: module.kernel(c"grow")?,
            render: module.kernel(c"render")?,
        };
        let step = Step::new(&device, &stream, model, size, selection.precision)?;
        let architecture = &model.architecture;
        let shape = Shape::new(size, architecture.border);
        let zeros = |channels: usize| {
            let buffer = Buffer::new(&device, channels * shape.plane())?;
            stream.zero(&buffer)?;
            Ok::<_, EngineError>(buffer)
        };
        let engine = Self {
            frozen: zeros(architecture.frozen())?,
            cells: [
                zeros(architecture.updated())?,
                zeros(architecture.updated())?,
            ],
            current: 0,
            not_finite: Download::new(&device, 1)?,
            source: Upload::new(&device, 3 * shape.plane())?,
            picture: Download::new(&device, 3 * shape.plane())?,
            flow: [
                Upload::new(&device, 0)?,
                Upload::new(&device, 0)?,
                Upload::new(&device, 0)?,
            ],
            distrust: Buffer::new(&device, shape.plane())?,
            doubted: Buffer::new(&device, step.tiles()[1])?,
            done: Event::new(&device)?,
            launched: [Event::new(&device)?, Event::new(&device)?],
            cancel: Cancel::default(),
            resampler: Resampler::new(),
            graphs: HashMap::new(),
            frozen_channels: architecture.frozen(),
            updated_channels: architecture.updated(),
            step,
            kernels,
            shape,
            size,
            pool,
            device,
            stream,
        };
        engine.stream.wait()?;
        Ok(engine)
    }

    /// Runs `steps` steps and returns how many milliseconds they took on the card, as its events
    /// say: for benchmarks.
    pub fn timed_steps(&mut self, steps: u32) -> Result<f32, EngineError> {
        let begin = Event::new(&self.device)?;
        let end = Event::new(&self.device)?;
        // Graphs are made before.
        self.step(steps)?;
        self.step(steps)?;
        self.stream.record(&begin)?;
        self.launch_steps(steps)?;
        self.stream.record(&end)?;
        end.wait()?;
        end.ms_since(&begin)
    }

    /// One thread a pixel.
    fn pixelwise(&self) -> Launch {
        const THREADS: [u32; 2] = [32, 8];
        Launch {
            blocks: [
                (self.size.width as u32).div_ceil(THREADS[0]),
                (self.size.height as u32).div_ceil(THREADS[1]),
            ],
            threads: THREADS,
            shared: 0,
        }
    }

    fn cells(&self) -> &Buffer<f32> {
        &self.cells[self.current]
    }

    fn next(&self) -> &Buffer<f32> {
        &self.cells[1 - self.current]
    }

    /// Waits for all that was asked for.
    fn wait(&self) -> Result<(), EngineError> {
        self.stream.record(&self.done)?;
        self.done.wait()
    }

    fn check_cancel(&self) -> Result<(), EngineError> {
        match self.cancel.is_cancelled() {
            true => Err(EngineError::Cancelled),
            false => Ok(()),
        }
    }

    /// Puts steps into the stream, the last of which says whether its values are finite.
    fn launch_steps(&mut self, steps: u32) -> Result<(), EngineError> {
        let mut left = steps;
        for graph in 0.. {
            if left == 0 {
                break;
            }
            // While one runs the next one waits for it, and the one after that can be cancelled.
            let launched = graph % 2;
            if graph >= 2 {
                self.launched[launched].wait()?;
            }
            self.check_cancel()?;
            let steps = left.min(GRAPH_STEPS);
            left -= steps;
            let key = (steps, self.current);
            if !self.graphs.contains_key(&key) {
                if self.graphs.len() == MAX_GRAPHS {
                    // The driver waits for those that are still running.
                    self.graphs.clear();
                }
                let graph = self.record_steps(steps)?;
                self.graphs.insert(key, graph);
            }
            self.stream.run(&self.graphs[&key])?;
            if left > 0 {
                self.stream.record(&self.launched[launched])?;
            }
            self.current = (self.current + steps as usize) % 2;
        }
        Ok(())
    }

    /// Puts a step of the state where it could not be moved, and there only, into the stream.
    fn launch_growth(&self) -> Result<(), EngineError> {
        self.step.launch(
            &self.stream,
            &self.frozen,
            [self.cells(), self.next()],
            Some(&self.doubted),
            None,
        )?;
        let parameters = GrowParameters {
            cells: self.cells().address(),
            next: self.next().address(),
            distrust: self.distrust.address(),
            shape: self.shape,
            updated_channels: self.updated_channels as i32,
            unused: 0,
        };
        // SAFETY: this is what the kernel takes; the buffers are ours.
        unsafe {
            self.stream
                .launch(&self.kernels.grow, self.pixelwise(), &parameters)
        }
    }

    /// A graph of `steps` steps from where the state is now.
    fn record_steps(&mut self, steps: u32) -> Result<Graph, EngineError> {
        let Self {
            stream,
            step,
            frozen,
            cells,
            current,
            not_finite,
            ..
        } = self;
        stream.capture(|stream| {
            stream.zero(not_finite.device())?;
            for i in 0..steps {
                let from = (*current + i as usize) % 2;
                let flag = (i + 1 == steps).then(|| not_finite.device());
                step.launch(stream, frozen, [&cells[from], &cells[1 - from]], None, flag)?;
            }
            not_finite.fetch(stream)
        })
    }
}

impl Sealed for CudaEngine {}

impl Engine for CudaEngine {
    fn backend(&self) -> Backend {
        Backend::Cuda
    }

    fn device(&self) -> String {
        let precision = if self.step.is_half { "half" } else { "full" };
        format!("{}, {precision} precision", self.device.name)
    }

    fn size(&self) -> Size {
        self.size
    }

    fn set_source(&mut self, frame: &Frame<'_>) -> Result<(), EngineError> {
        let Self {
            pool,
            resampler,
            source,
            stream,
            shape,
            size,
            ..
        } = self;
        let (pitch, plane) = (shape.pitch(), shape.plane());
        source.fill(stream, 3 * plane, |samples| {
            pool.install(|| {
                if frame.size() == *size {
                    staging::write_planes(frame, samples, pitch);
                } else {
                    frame.copy_to_rgb(resampler.input(frame.size()));
                    staging::write_planes(&resampler.resample(*size), samples, pitch);
                }
            });
        })?;
        let parameters = SourceParameters {
            samples: source.device().address(),
            frozen: self.frozen.address(),
            shape: *shape,
            frozen_channels: self.frozen_channels as i32,
            unused: 0,
        };
        // SAFETY: this is what the kernel takes; the buffers are ours.
        unsafe {
            self.stream
                .launch(&self.kernels.set_source, self.pixelwise(), &parameters)
        }
    }

    fn seed(&mut self, seed: u64) -> Result<(), EngineError> {
        let parameters = SeedParameters {
            frozen: self.frozen.address(),
            cells: self.cells().address(),
            seed,
            shape: self.shape,
            frozen_channels: self.frozen_channels as i32,
            updated_channels: self.updated_channels as i32,
        };
        // SAFETY: this is what the kernel takes; the buffers are ours.
        unsafe {
            self.stream
                .launch(&self.kernels.seed, self.pixelwise(), &parameters)
        }
    }

    fn set_cancel(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError> {
        if flow.is_still() {
            return Ok(());
        }
        let mut grids = [FlowGrid {
            values: 0,
            width: 0,
            height: 0,
            ratio: [0.0; 2],
            scale: 0.0,
            unused: 0,
        }; 3];
        let uploads = self.flow.iter_mut().zip(flow.grids(self.size));
        for (grid, (upload, of_flow)) in grids.iter_mut().zip(uploads) {
            let size = of_flow.size();
            upload.fill(&self.stream, size.pixels(), |values| {
                for (value, cell) in values.iter_mut().zip(of_flow.values()) {
                    *value = cell;
                }
            })?;
            *grid = FlowGrid {
                values: upload.device().address(),
                width: size.width as i32,
                height: size.height as i32,
                ratio: of_flow.ratio,
                scale: of_flow.scale,
                unused: 0,
            };
        }
        self.stream.zero(&self.doubted)?;
        let parameters = CarryParameters {
            cells: self.cells().address(),
            next: self.next().address(),
            frozen: self.frozen.address(),
            distrust: self.distrust.address(),
            doubted: self.doubted.address(),
            seed: growth.seed,
            grids,
            shape: self.shape,
            frozen_channels: self.frozen_channels as i32,
            updated_channels: self.updated_channels as i32,
            trust: TRUST,
            sharpness: SHARPNESS,
            tile: self.step.tile.map(|length| length as i32),
            tiles_x: self.step.tiles()[0] as i32,
        };
        // SAFETY: this is what the kernel takes; the buffers are ours.
        unsafe {
            self.stream
                .launch(&self.kernels.carry, self.pixelwise(), &parameters)?;
        }
        self.current = 1 - self.current;
        (0..growth.steps).try_for_each(|step| {
            if step > 0 && step.is_multiple_of(GROWTH_STEPS) {
                self.wait()?;
            }
            self.check_cancel()?;
            self.launch_growth()
        })
    }

    fn step(&mut self, steps: u32) -> Result<bool, EngineError> {
        if steps == 0 {
            return Ok(true);
        }
        self.launch_steps(steps)?;
        self.wait()?;
        Ok(self.not_finite.host()[0] == 0)
    }

    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<bool, EngineError> {
        check_strength(strength)?;
        let parameters = RenderParameters {
            cells: self.cells().address(),
            samples: self.picture.device().address(),
            shape: self.shape,
        };
        // SAFETY: this is what the kernel takes; the buffers are ours.
        unsafe {
            self.stream
                .launch(&self.kernels.render, self.pixelwise(), &parameters)?;
        }
        self.picture.fetch(&self.stream)?;
        self.wait()?;
        let Self {
            pool,
            picture,
            resampler,
            size,
            shape,
            ..
        } = self;
        let picture = staging::planes(picture.host(), shape, *size);
        pool.install(|| {
            if frame.size() == *size {
                frame.mix_frame(strength, &picture);
            } else {
                picture.copy_to_rgb(resampler.input(*size));
                let picture = resampler.resample(frame.size());
                frame.mix_frame(strength, &picture);
            }
        });
        Ok(true)
    }

    fn state(&mut self) -> Result<State, EngineError> {
        let plane = self.shape.plane();
        let channels = self.frozen_channels + self.updated_channels;
        let mut values = Pinned::<f32>::zeros(&self.device, channels * plane)?;
        let (frozen, cells) = values.split_at_mut(self.frozen_channels * plane);
        // SAFETY: the stream is waited for before the memory is looked at or given back.
        let copied = unsafe {
            self.stream
                .download(&self.frozen, frozen)
                .and_then(|()| self.stream.download(self.cells(), cells))
        };
        copied.and(self.stream.wait())?;
        let mut state = State::zeros(channels, self.size);
        let rows = values.chunks_exact(self.shape.pitch());
        for (row, from) in state.values.chunks_exact_mut(self.size.width).zip(rows) {
            row.copy_from_slice(&from[..self.size.width]);
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &State) -> Result<(), EngineError> {
        let plane = self.shape.plane();
        let channels = self.frozen_channels + self.updated_channels;
        check_state(state, channels, self.size)?;
        let mut values = Pinned::<f32>::zeros(&self.device, channels * plane)?;
        let rows = values.chunks_exact_mut(self.shape.pitch());
        for (row, from) in rows.zip(state.values.chunks_exact(self.size.width)) {
            row[..self.size.width].copy_from_slice(from);
        }
        let (frozen, cells) = values.split_at(self.frozen_channels * plane);
        // SAFETY: the stream is waited for before the memory is given back.
        let copied = unsafe {
            self.stream
                .upload(frozen, &self.frozen)
                .and_then(|()| self.stream.upload(cells, self.cells()))
        };
        copied.and(self.stream.wait())
    }
}
