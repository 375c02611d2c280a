//! All kernels of an engine and the memory that they work on.

use wgpu::{Buffer, BufferUsages, ComputePipeline};

use super::WORD;
use super::gpu::Gpu;
use super::kernel::{Kernel, compile, workgroups};
use super::shader::{self, Geometry};
use super::step;
use super::tiling::{Rule, Tiling};
use crate::engine::EngineError;
use crate::model::{Architecture, Model};

pub(super) struct Kernels {
    pub(super) source: Kernel,
    pub(super) start: Kernel,
    /// Along columns and rows, where the architecture has blurs.
    pub(super) blurs: Option<[Kernel; 2]>,
    pub(super) step: Kernel,
    /// The same, of the tiles that carrying the state has found to be doubted.
    pub(super) doubted_step: Kernel,
    pub(super) picture: Kernel,
}

pub(super) struct Buffers {
    /// A frame of the state's size, a pixel in each word.
    pub(super) frame: Buffer,
    pub(super) frozen: Buffer,
    pub(super) cells: [Buffer; 2],
    pub(super) seed: Buffer,
    /// A word for every tile: whether the state could not be moved somewhere in it.
    pub(super) doubted: Buffer,
    /// Whether a value is not finite, then the picture, a pixel in each word.
    pub(super) results: Buffer,
    /// The same where the processor can read it.
    pub(super) shown: Buffer,
}

/// What moves the state; its memory is taken when something moves.
pub(super) struct Carry {
    carry: ComputePipeline,
    grow: ComputePipeline,
    kernels: Option<CarryKernels>,
}

/// The kernels that move the state, and what they read.
pub(super) struct CarryKernels {
    pub(super) flow: Buffer,
    pub(super) carry: Kernel,
    /// Takes over what a step has made of the first or second buffer of cells into it.
    pub(super) grow: Kernel,
}

impl Buffers {
    pub(super) fn new(gpu: &Gpu, geometry: &Geometry, tiling: Tiling) -> Self {
        let pixels = geometry.size.pixels();
        let storage = |words: usize, more| gpu.buffer(words * WORD, BufferUsages::STORAGE | more);
        let copied = BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let cells = || storage(geometry.updated * pixels, copied);
        Self {
            frame: storage(pixels, BufferUsages::COPY_DST),
            frozen: storage(geometry.frozen * pixels, copied),
            cells: [cells(), cells()],
            seed: storage(2, BufferUsages::COPY_DST),
            doubted: storage(tiling.tiles(geometry.size)[1], BufferUsages::COPY_DST),
            results: storage(1 + pixels, copied),
            shown: gpu.buffer(
                (1 + pixels) * WORD,
                BufferUsages::COPY_DST | BufferUsages::MAP_READ,
            ),
        }
    }
}

impl Kernels {
    pub(super) fn new(
        gpu: &Gpu,
        geometry: &Geometry,
        model: &Model,
        tiling: Tiling,
        half: bool,
        buffers: &Buffers,
    ) -> Self {
        let Buffers {
            frame,
            frozen,
            cells: [first, second],
            seed,
            results,
            ..
        } = buffers;
        let size = geometry.size;
        let source = compile(gpu, &shader::source(geometry), "source");
        let start = compile(gpu, &shader::start(geometry), "start");
        let picture = compile(gpu, &shader::picture(geometry), "picture");
        let [step, doubted_step] = steps(gpu, geometry, model, tiling, half, buffers);
        Self {
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
            step,
            doubted_step,
            picture: Kernel::new(
                gpu,
                picture,
                [&[first, results], &[second, results]],
                workgroups(size, 1),
            ),
        }
    }
}

/// How the step of a model is cut up on a device.
pub(super) fn tiling(gpu: &Gpu, model: &Model, half: bool) -> Result<Tiling, EngineError> {
    let memory = gpu.limits.max_compute_workgroup_storage_size as usize;
    let value_bytes = if half { 2 } else { WORD };
    Tiling::new(&model.architecture, value_bytes, memory).ok_or_else(|| {
        gpu.failed(&format!(
            "its workgroups have {memory} bytes of memory, too little for this model"
        ))
    })
}

/// The kernel of the step, of all tiles and of those that are doubted.
fn steps(
    gpu: &Gpu,
    geometry: &Geometry,
    model: &Model,
    tiling: Tiling,
    half: bool,
    buffers: &Buffers,
) -> [Kernel; 2] {
    let architecture = &model.architecture;
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
        doubted,
        results,
        ..
    } = buffers;
    let pipeline = compile(gpu, &text, "step");
    let [columns, tiles] = tiling.tiles(geometry.size);
    let all = gpu.filled(bytemuck::cast_slice(&vec![1_u32; tiles]));
    [&all, doubted].map(|wanted| {
        Kernel::new(
            gpu,
            pipeline.clone(),
            [
                &[&weights, frozen, first, second, results, wanted],
                &[&weights, frozen, second, first, results, wanted],
            ],
            [columns as u32, (tiles / columns) as u32, 1],
        )
    })
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
    let text = shader::blur(geometry, architecture);
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
    pub(super) fn new(gpu: &Gpu, geometry: &Geometry, tiling: Tiling) -> Self {
        Self {
            carry: compile(gpu, &shader::carry(geometry, tiling), "carry"),
            grow: compile(gpu, &shader::grow(geometry), "grow"),
            kernels: None,
        }
    }

    /// The kernels, if something has moved.
    pub(super) fn made(&self) -> Option<&CarryKernels> {
        self.kernels.as_ref()
    }

    /// The kernels for flows of `bytes` bytes.
    pub(super) fn kernels(
        &mut self,
        gpu: &Gpu,
        geometry: &Geometry,
        buffers: &Buffers,
        bytes: usize,
    ) -> Result<&CarryKernels, EngineError> {
        if let Some(CarryKernels { flow, .. }) = &self.kernels
            && flow.size() < bytes as u64
        {
            self.kernels = None;
        }
        let Buffers {
            frozen,
            cells: [first, second],
            doubted,
            ..
        } = buffers;
        match &mut self.kernels {
            Some(kernels) => Ok(kernels),
            slot => Ok(slot.insert(gpu.make(|| {
                let size = geometry.size;
                let flow = gpu.buffer(bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST);
                let distrust = gpu.buffer(size.pixels() * WORD, BufferUsages::STORAGE);
                let carry = Kernel::new(
                    gpu,
                    self.carry.clone(),
                    [
                        &[&flow, first, second, frozen, &distrust, doubted],
                        &[&flow, second, first, frozen, &distrust, doubted],
                    ],
                    workgroups(size, 1),
                );
                let grow = Kernel::new(
                    gpu,
                    self.grow.clone(),
                    [&[&distrust, second, first], &[&distrust, first, second]],
                    workgroups(size, 1),
                );
                Ok(CarryKernels { flow, carry, grow })
            })?)),
        }
    }
}
