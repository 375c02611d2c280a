//! Kernels and what they are run on.

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, CommandEncoder, ComputePipeline,
    ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModuleDescriptor,
    ShaderRuntimeChecks, ShaderSource,
};

use super::gpu::Gpu;
use crate::Size;

/// Pixels of a workgroup in all kernels with a thread for each.
const WORKGROUP: [usize; 2] = [32, 4];

/// Workgroups that cover a picture of `size` with `layers` values a pixel, a thread for each.
pub(super) fn workgroups(size: Size, layers: usize) -> [u32; 3] {
    [
        size.width.div_ceil(WORKGROUP[0]) as u32,
        size.height.div_ceil(WORKGROUP[1]) as u32,
        layers as u32,
    ]
}

/// Compiles the kernel `entry` of a text in WGSL.
pub(super) fn compile(gpu: &Gpu, text: &str, entry: &str) -> ComputePipeline {
    let descriptor = ShaderModuleDescriptor {
        label: Some(entry),
        source: ShaderSource::Wgsl(text.into()),
    };
    // SAFETY: the kernels are this crate's. All their indices are within the buffers that they are
    // bound to, no loop depends on anything but constants, and no divisor is zero. The checks would
    // be in the innermost loops.
    let module = unsafe {
        gpu.device
            .create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked())
    };
    gpu.device
        .create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: PipelineCompilationOptions {
                // Panels are written before they are read.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
}

/// A kernel with the buffers that it is run on.
pub(super) struct Kernel {
    pipeline: ComputePipeline,
    buffers: [BindGroup; 2],
    workgroups: [u32; 3],
}

impl Kernel {
    /// A kernel that is run on the first or the second of two lists of buffers, in the order of
    /// their bindings.
    pub(super) fn new(
        gpu: &Gpu,
        pipeline: ComputePipeline,
        buffers: [&[&Buffer]; 2],
        workgroups: [u32; 3],
    ) -> Self {
        let layout = pipeline.get_bind_group_layout(0);
        let buffers = buffers.map(|buffers| {
            let entries: Vec<BindGroupEntry<'_>> = buffers
                .iter()
                .zip(0..)
                .map(|(buffer, binding)| BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            gpu.device.create_bind_group(&BindGroupDescriptor {
                label: None,
                layout: &layout,
                entries: &entries,
            })
        });
        Self {
            pipeline,
            buffers,
            workgroups,
        }
    }

    /// Runs it on the first or the second list of buffers.
    pub(super) fn run(&self, commands: &mut CommandEncoder, list: usize) {
        let mut pass = commands.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.buffers[list], &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}
