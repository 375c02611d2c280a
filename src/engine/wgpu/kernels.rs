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
    pub(super) picture: Kernel,
}

pub(super) struct Buffers {
    /// A frame of the state's size, a pixel in each word.
    pub(super) frame: Buffer,
    pub(super) frozen: Buffer,
    pub(super) cells: [Buffer; 2],
    pub(super) seed: Buffer,
    /// Whether a value is not finite, then the picture, a pixel in each word.
    pub(super) results: Buffer,
    /// The same where the processor can read it.
    pub(super) shown: Buffer,
}

/// What moves the state; its memory is taken when something moves.
pub(super) struct Carry {
    pipeline: ComputePipeline,
    kernel: Option<(Buffer, Kernel)>,
}

impl Buffers {
    pub(super) fn new(gpu: &Gpu, geometry: &Geometry) -> Self {
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
    pub(super) fn new(
        gpu: &Gpu,
        geometry: &Geometry,
        model: &Model,
        half: bool,
        buffers: &Buffers,
    ) -> Result<Self, EngineError> {
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
    pub(super) fn new(gpu: &Gpu, geometry: &Geometry) -> Self {
        Self {
            pipeline: compile(gpu, &shader::carry(geometry), "carry"),
            kernel: None,
        }
    }

    /// The kernel, and the buffer that it reads flows of `bytes` bytes from.
    pub(super) fn kernel(
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
                Ok((flow, kernel))
            })?)),
        }
    }
}
