//! Which kernels there are, and which of them steps a model.

use std::ffi::CStr;
use std::sync::Arc;

use super::absent;
use super::device::{Buffer, Device, Kernel, Launch, Module, Stream};
use super::parameters::{Blur, Shape, StepParameters};
use super::rule::{self, Padding};
use crate::Size;
use crate::engine::{EngineError, Precision};
use crate::model::{Architecture, Model};

/// PTX of a kernel for cards of a compute capability, times ten, and newer.
pub(super) struct Ptx {
    pub(super) capability: u32,
    pub(super) text: &'static str,
}

/// PTX as committed, with the zero at its end that the driver asks for.
macro_rules! ptx {
    ($name:literal: $($capability:literal),*) => {
        &[$(Ptx {
            capability: $capability,
            text: concat!(include_str!(concat!("ptx/", $name, ".", $capability, ".ptx")), "\0"),
        }),*]
    };
}

/// What is done between steps.
pub(super) const FRAME: &[Ptx] = ptx!("frame": 75);
/// Steps of any architecture in f32.
pub(super) const STEP_FULL: &[Ptx] = ptx!("step_full": 75);

/// A kernel that steps with half precision: a line of kernels/step_half.def.
pub(super) struct HalfKernel {
    pub(super) name: &'static CStr,
    ptx: &'static [Ptx],
    /// Pairs of chunks of perception, four channels each.
    perception: usize,
    /// One chunk more, two channels.
    tail: bool,
    /// Pairs of groups of 8 outputs of hidden layers.
    hidden: usize,
    depth: usize,
    /// Pairs of groups of 8 updated channels.
    update: usize,
    /// Matrices of 8 x 2 pixels that a warp takes.
    matrices: usize,
    /// Whether all of this are limits; otherwise, models are padded to it.
    flexible: bool,
}

/// The cheapest first.
pub(super) const STEP_HALF: [HalfKernel; 4] = [
    HalfKernel {
        name: c"step_half_12_32",
        ptx: ptx!("step_half_12_32": 75, 80),
        perception: 3,
        tail: false,
        hidden: 2,
        depth: 1,
        update: 1,
        matrices: 4,
        flexible: false,
    },
    HalfKernel {
        name: c"step_half_16_80",
        ptx: ptx!("step_half_16_80": 75, 80),
        perception: 4,
        tail: false,
        hidden: 5,
        depth: 1,
        update: 1,
        matrices: 4,
        flexible: false,
    },
    HalfKernel {
        name: c"step_half_18_96_96",
        ptx: ptx!("step_half_18_96_96": 75, 80),
        perception: 4,
        tail: true,
        hidden: 6,
        depth: 2,
        update: 1,
        matrices: 3,
        flexible: false,
    },
    HalfKernel {
        name: c"step_half_any",
        ptx: ptx!("step_half_any": 75, 80),
        perception: 8,
        tail: false,
        hidden: 8,
        depth: 4,
        update: 2,
        matrices: 1,
        flexible: true,
    },
];

/// Width of the tiles of the kernels of half precision, four warps.
const HALF_TILE_WIDTH: usize = 32;
/// Threads that share the width of a tile.
const HALF_ROW_THREADS: usize = 128;

impl HalfKernel {
    /// How a model's rule is padded, if this can step it.
    fn padding(&self, architecture: &Architecture) -> Option<Padding> {
        let Architecture {
            channels, hidden, ..
        } = architecture;
        let depth_fits = match self.flexible {
            true => hidden.len() <= self.depth,
            false => hidden.len() == self.depth,
        };
        let fits = depth_fits
            && *channels <= 4 * self.perception + if self.tail { 2 } else { 0 }
            && hidden.iter().all(|width| *width <= 16 * self.hidden)
            && architecture.updated() <= 16 * self.update;
        fits.then(|| {
            let mut padded = [0; Architecture::MAX_HIDDEN_LAYERS];
            for (padded, width) in padded.iter_mut().zip(hidden) {
                *padded = match self.flexible {
                    true => width.div_ceil(16),
                    false => self.hidden,
                };
            }
            match self.flexible {
                true => Padding {
                    perception: channels.div_ceil(4),
                    tail: false,
                    hidden: padded,
                    update: architecture.updated().div_ceil(16),
                },
                false => Padding {
                    perception: self.perception,
                    tail: self.tail,
                    hidden: padded,
                    update: self.update,
                },
            }
        })
    }

    /// Rows of the pixels that a warp takes on a card.
    fn warp_height(&self, capability: u32) -> usize {
        // MATRICES of kernels/step_half.cuh.
        let most = if capability < 80 { 2 } else { usize::MAX };
        2 * self.matrices.min(most)
    }
}

/// Loads the newest of `ptx` that `device` can run.
pub(super) fn load(device: &Arc<Device>, ptx: &[Ptx]) -> Result<Arc<Module>, EngineError> {
    let newest = ptx
        .iter()
        .filter(|ptx| ptx.capability <= device.capability)
        .max_by_key(|ptx| ptx.capability)
        .ok_or_else(|| {
            absent(format!(
                "{} has compute capability {}.{}; 7.5 or newer is needed (Turing, as GTX 16 and \
                 RTX 20)",
                device.name,
                device.capability / 10,
                device.capability % 10
            ))
        })?;
    let text =
        CStr::from_bytes_with_nul(newest.text.as_bytes()).expect("the macro appends the only zero");
    Ok(Arc::new(Module::load(device, text)?))
}

/// The sizes of a step in shared memory and in tiles, by which a kernel is launched.
#[derive(Clone, Debug)]
struct Layout {
    threads: u32,
    /// Width and height of a tile.
    tile: [usize; 2],
    /// Values of shared memory.
    shared: usize,
    tile_stride: usize,
    panel_stride: usize,
    /// Values of global memory that each block needs.
    scratch: usize,
    blurs: Vec<Blur>,
}

impl Layout {
    /// For kernels/step_half.cuh: the rule, the tile, what blurs work on. `warp_rows` rows of four
    /// warps share a tile.
    fn half(
        architecture: &Architecture,
        rule_words: usize,
        warp_height: usize,
        warp_rows: usize,
    ) -> Self {
        const ROW: usize = HALF_TILE_WIDTH + 2;
        let tile_height = warp_rows * warp_height;
        // Lanes read four channels of the same eight pixels: 8 values modulo 32 apart, they are in
        // different banks.
        let channel = (tile_height + 2) * ROW;
        let tile_stride = (channel + 23) / 32 * 32 + 8;
        let mut shared = 4 * rule_words + architecture.channels * tile_stride;
        let blurs = blurs(architecture, |radius| {
            let height = tile_height + 2 * radius;
            let around = shared;
            let rows = around + height * (HALF_TILE_WIDTH + 2 * radius + 1);
            shared = rows + height * (HALF_TILE_WIDTH + 1);
            [around, rows]
        });
        Self {
            threads: (warp_rows * HALF_ROW_THREADS) as u32,
            tile: [HALF_TILE_WIDTH, tile_height],
            shared,
            tile_stride,
            panel_stride: 0,
            scratch: 0,
            blurs,
        }
    }

    /// For kernels/step_full.cu: rows and results of blurs, then two panels; without these, if they
    /// are elsewhere.
    fn full(architecture: &Architecture, with_panels: bool) -> Self {
        const TILE: [usize; 2] = [16, 4];
        const PIXELS: usize = TILE[0] * TILE[1];
        const MAX_RADIUS: usize = crate::model::Blur::MAX_SIZE / 2;
        let widest = architecture.hidden.iter().copied().max().unwrap_or(0);
        let panel_stride = widest.max(architecture.perceived()) * PIXELS;
        let blurs = blurs(architecture, |_| [0, 0]);
        let blurring = (TILE[1] + 2 * MAX_RADIUS) * TILE[0] + blurs.len() * PIXELS;
        let panels = 2 * panel_stride;
        let (shared, scratch) = if with_panels {
            (panels, 0)
        } else {
            (0, panels)
        };
        Self {
            threads: 128,
            tile: TILE,
            shared: blurring + shared,
            tile_stride: 0,
            panel_stride,
            scratch,
            blurs,
        }
    }

    fn shared_bytes(&self) -> usize {
        self.shared * size_of::<f32>()
    }

    /// Tiles that cover a state of `size`, along x and y.
    fn tiles(&self, size: Size) -> [usize; 2] {
        [
            size.width.div_ceil(self.tile[0]),
            size.height.div_ceil(self.tile[1]),
        ]
    }
}

/// The blurs of an architecture; `place` gives room to one of a radius.
fn blurs(architecture: &Architecture, mut place: impl FnMut(usize) -> [usize; 2]) -> Vec<Blur> {
    architecture
        .blurs
        .iter()
        .map(|blur| {
            let radius = blur.size / 2;
            let [around, rows] = place(radius);
            let mut weights = [0.0; 32];
            weights[..blur.size].copy_from_slice(&blur.kernel());
            Blur {
                channel: (blur.channel - architecture.frozen()) as i32,
                radius: radius as i32,
                around: around as i32,
                rows: rows as i32,
                weights,
            }
        })
        .collect()
}

/// A kernel that steps a model at a size, and all that it needs but the state.
#[derive(Debug)]
pub(super) struct Step {
    kernel: Kernel,
    launch: Launch,
    /// Blocks where only some tiles are wanted.
    blocks_for_some: u32,
    /// Width and height of a tile.
    pub(super) tile: [usize; 2],
    /// All but the state's addresses.
    parameters: StepParameters,
    /// Whether it multiplies with half precision.
    pub(super) is_half: bool,
    _rule: Buffer<u32>,
    _blurs: Buffer<Blur>,
    _scratch: Buffer<f32>,
}

/// A rule as its kernel reads it.
struct Packed {
    /// Four of them are one of the kernel's words of 16 bytes.
    words: Vec<u32>,
    /// Widths of the hidden layers, in the units that the kernel pads them to.
    hidden: [usize; Architecture::MAX_HIDDEN_LAYERS],
    is_half: bool,
}

/// A kernel that fits a model, before it is known how it is launched.
struct Candidate {
    kernel: Kernel,
    layout: Layout,
    occupancy: u32,
}

impl Step {
    /// The fastest kernel for `model` at `size`. There is one of half precision for most models;
    /// the others are stepped with full precision.
    pub(super) fn new(
        device: &Arc<Device>,
        stream: &Stream,
        model: &Model,
        size: Size,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        if precision == Precision::Half
            && let Some(step) = Self::half(device, stream, model, size)?
        {
            return Ok(step);
        }
        Self::full(device, stream, model, size)
    }

    fn half(
        device: &Arc<Device>,
        stream: &Stream,
        model: &Model,
        size: Size,
    ) -> Result<Option<Self>, EngineError> {
        let architecture = &model.architecture;
        for kernel in &STEP_HALF {
            let Some(padding) = kernel.padding(architecture) else {
                continue;
            };
            let Some(rule) = rule::half(model, &padding) else {
                return Ok(None);
            };
            let layouts: Vec<Layout> = [1, 2]
                .map(|warp_rows| {
                    let warp_height = kernel.warp_height(device.capability);
                    Layout::half(architecture, rule.len(), warp_height, warp_rows)
                })
                .into_iter()
                .filter(|layout| layout.shared_bytes() <= device.shared_bytes)
                .collect();
            if layouts.is_empty() {
                continue;
            }
            let module = load(device, kernel.ptx)?;
            // As many warps at a time as there can be; of two, the one with smaller blocks, some of
            // which copy while others multiply.
            let mut best: Option<Candidate> = None;
            for layout in layouts {
                let candidate = Candidate::new(&module, kernel.name, layout)?;
                if best
                    .as_ref()
                    .is_none_or(|best| candidate.warps() > best.warps())
                {
                    best = Some(candidate);
                }
            }
            let rule = Packed {
                words: rule.into_flattened(),
                hidden: padding.hidden,
                is_half: true,
            };
            let best = best.expect("there is a layout");
            return Self::of(device, stream, model, size, best, &rule).map(Some);
        }
        Ok(None)
    }

    fn full(
        device: &Arc<Device>,
        stream: &Stream,
        model: &Model,
        size: Size,
    ) -> Result<Self, EngineError> {
        let architecture = &model.architecture;
        let module = load(device, STEP_FULL)?;
        let layout = Layout::full(architecture, true);
        let candidate = if layout.shared_bytes() <= device.shared_bytes {
            Candidate::new(&module, c"step_full", layout)?
        } else {
            let layout = Layout::full(architecture, false);
            Candidate::new(&module, c"step_full_wide", layout)?
        };
        let mut hidden = [0; Architecture::MAX_HIDDEN_LAYERS];
        hidden[..architecture.hidden.len()].copy_from_slice(&architecture.hidden);
        let rule = Packed {
            words: bytemuck::cast_vec(rule::full(model)),
            hidden,
            is_half: false,
        };
        Self::of(device, stream, model, size, candidate, &rule)
    }

    fn of(
        device: &Arc<Device>,
        stream: &Stream,
        model: &Model,
        size: Size,
        candidate: Candidate,
        packed: &Packed,
    ) -> Result<Self, EngineError> {
        let architecture = &model.architecture;
        let Candidate {
            kernel,
            layout,
            occupancy,
        } = candidate;
        let [tiles_x, tiles_y] = layout.tiles(size);
        let tiles = tiles_x * tiles_y;
        // Blocks take tiles in turn, so that the rule is read once for many.
        let blocks = tiles.min((occupancy.max(1) * device.multiprocessors) as usize);
        let rule = Buffer::new(device, packed.words.len())?;
        let blurs = Buffer::new(device, layout.blurs.len())?;
        let scratch = Buffer::new(device, layout.scratch * blocks)?;
        // SAFETY: both are waited for before they go.
        unsafe {
            stream.upload(&packed.words, &rule)?;
            stream.upload(&layout.blurs, &blurs)?;
        }
        stream.wait()?;
        Ok(Self {
            parameters: StepParameters {
                frozen: 0,
                cells: 0,
                next: 0,
                rule: rule.address(),
                blurs: blurs.address(),
                scratch: scratch.address(),
                wanted: 0,
                not_finite: 0,
                shape: Shape::new(size, architecture.border),
                frozen_channels: architecture.frozen() as i32,
                updated_channels: architecture.updated() as i32,
                blur_count: layout.blurs.len() as i32,
                hidden_layers: architecture.hidden.len() as i32,
                hidden: packed.hidden.map(|width| width as i32),
                rule_words: (packed.words.len() / 4) as i32,
                tile_stride: layout.tile_stride as i32,
                panel_stride: layout.panel_stride as i32,
                tiles_x: tiles_x as i32,
                tiles: tiles as i32,
                unused: 0,
            },
            launch: Launch {
                blocks: [blocks as u32, 1],
                threads: [layout.threads, 1],
                shared: layout.shared_bytes(),
            },
            // One a tile, most of which return at once: wanted tiles are often below each other, and
            // blocks that take tiles in turn would share them badly. Scratch there is not for so many.
            blocks_for_some: if layout.scratch == 0 { tiles } else { blocks } as u32,
            tile: layout.tile,
            kernel,
            is_half: packed.is_half,
            _rule: rule,
            _blurs: blurs,
            _scratch: scratch,
        })
    }

    /// Tiles along x, and of all.
    pub(super) fn tiles(&self) -> [usize; 2] {
        [self.parameters.tiles_x, self.parameters.tiles].map(|tiles| tiles as usize)
    }

    /// Puts a step from `cells` to `next` into the stream, of all tiles or of those that are not
    /// zero in `wanted`; `not_finite` is set to 1 if a value of that is not finite.
    pub(super) fn launch(
        &self,
        stream: &Stream,
        frozen: &Buffer<f32>,
        [cells, next]: [&Buffer<f32>; 2],
        wanted: Option<&Buffer<u32>>,
        not_finite: Option<&Buffer<u32>>,
    ) -> Result<(), EngineError> {
        let parameters = StepParameters {
            frozen: frozen.address(),
            cells: cells.address(),
            next: next.address(),
            wanted: wanted.map_or(0, Buffer::address),
            not_finite: not_finite.map_or(0, Buffer::address),
            ..self.parameters
        };
        let launch = match wanted {
            None => self.launch,
            Some(_) => Launch {
                blocks: [self.blocks_for_some, 1],
                ..self.launch
            },
        };
        // SAFETY: this is what the kernel takes; the engine keeps the buffers.
        unsafe { stream.launch(&self.kernel, launch, &parameters) }
    }
}

impl Candidate {
    fn new(module: &Arc<Module>, name: &CStr, layout: Layout) -> Result<Self, EngineError> {
        let kernel = module.kernel(name)?;
        kernel.allow_shared(layout.shared_bytes())?;
        let occupancy = kernel.occupancy(layout.threads, layout.shared_bytes())?;
        Ok(Self {
            kernel,
            layout,
            occupancy,
        })
    }

    /// Warps that run on a multiprocessor at a time.
    fn warps(&self) -> u32 {
        self.occupancy * self.layout.threads / 32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::super::parameters::{
        CarryParameters, GrowParameters, RenderParameters, SeedParameters, SourceParameters,
    };
    use super::*;
    use crate::model;

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/engine/cuda")
            .join(name)
    }

    /// All that is compiled, as it is found on disk.
    fn sources() -> BTreeMap<String, String> {
        let files = std::fs::read_dir(folder("kernels")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect()
    }

    /// 64-bit FNV-1a, as tools/cuda/build_ptx.py computes it.
    fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
        bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn the_ptx_is_made_of_the_kernels_as_they_are() {
        let sources = sources();
        let bytes = sources
            .iter()
            .flat_map(|(name, text)| [name.as_str(), "\0", text, "\0"])
            .flat_map(str::bytes);
        let source = std::fs::read_to_string(folder("ptx/SOURCE")).unwrap();
        let kernels = format!("kernels {:016x}", fnv1a(bytes));
        assert!(
            source.lines().any(|line| line == kernels),
            "the kernels have changed: run tools/cuda/build-ptx.sh and commit what it writes"
        );
        // What NVRTC 12.1 writes runs with drivers that know CUDA 12.1.
        assert!(source.starts_with("NVRTC 12.1\n"), "{source}");
    }

    /// Every file, with the capability that its name says.
    fn all() -> impl Iterator<Item = &'static Ptx> {
        let half = STEP_HALF.iter().flat_map(|kernel| kernel.ptx);
        FRAME.iter().chain(STEP_FULL).chain(half)
    }

    #[test]
    fn the_ptx_is_for_what_it_says() {
        for ptx in all() {
            assert!(ptx.text.contains(".version 8.1\n"));
            let target = format!(".target sm_{}\n", ptx.capability);
            assert!(ptx.text.contains(&target), "{target}");
            assert_eq!(ptx.text.find('\0'), Some(ptx.text.len() - 1));
        }
        let files = std::fs::read_dir(folder("ptx")).unwrap().count();
        assert_eq!(
            files,
            all().count() + 1,
            "files that are not used, or SOURCE is missing"
        );
    }

    /// The structures have the size that the kernels take.
    #[test]
    fn parameters_are_as_long_as_the_kernels_say() {
        let check = |ptx: &[Ptx], name: &str, bytes: usize| {
            let declared = format!("{name}_param_0[{bytes}]");
            for ptx in ptx {
                assert!(ptx.text.contains(&declared), "{declared}");
            }
        };
        check(FRAME, "set_source", size_of::<SourceParameters>());
        check(FRAME, "seed", size_of::<SeedParameters>());
        check(FRAME, "carry", size_of::<CarryParameters>());
        check(FRAME, "grow", size_of::<GrowParameters>());
        check(FRAME, "render", size_of::<RenderParameters>());
        check(STEP_FULL, "step_full", size_of::<StepParameters>());
        check(STEP_FULL, "step_full_wide", size_of::<StepParameters>());
        for kernel in &STEP_HALF {
            let name = kernel.name.to_str().unwrap();
            check(kernel.ptx, name, size_of::<StepParameters>());
        }
    }

    /// kernels/step_half.def and the table here say the same.
    #[test]
    fn the_tables_of_kernels_agree() {
        let lines: Vec<String> = STEP_HALF
            .iter()
            .map(|kernel| {
                format!(
                    "STEP_HALF({}, {}, {}, {}, {}, {}, {}, {})",
                    kernel.name.to_str().unwrap(),
                    kernel.perception,
                    u8::from(kernel.tail),
                    kernel.hidden,
                    kernel.depth,
                    kernel.update,
                    kernel.matrices,
                    kernel.flexible
                )
            })
            .collect();
        let sources = sources();
        let table = sources["step_half.def"].lines();
        let mut table: Vec<&str> = table.filter(|line| line.starts_with("STEP_HALF")).collect();
        table.sort_unstable();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.sort_unstable();
        assert_eq!(lines, table);
    }

    /// The name of the kernel of half precision for an architecture.
    fn chosen(architecture: &Architecture) -> Option<&'static str> {
        let mut kernels = STEP_HALF.iter();
        let kernel = kernels.find(|kernel| kernel.padding(architecture).is_some())?;
        kernel.name.to_str().ok()
    }

    #[test]
    fn models_get_the_kernel_that_is_made_for_them() {
        let of = |channels, hidden: &[usize]| Architecture {
            channels,
            hidden: hidden.into(),
            source: model::Source::Rgb,
            ..Architecture::published()
        };
        assert_eq!(
            chosen(&Architecture::published()),
            Some("step_half_18_96_96")
        );
        assert_eq!(
            chosen(&Architecture::notebook()),
            Some("step_half_18_96_96")
        );
        assert_eq!(
            chosen(&Model::bundled_default().architecture),
            Some("step_half_12_32")
        );
        assert_eq!(chosen(&of(16, &[80])), Some("step_half_16_80"));
        assert_eq!(chosen(&of(19, &[80])), Some("step_half_any"));
        assert_eq!(chosen(&of(18, &[80, 80, 80])), Some("step_half_any"));
        assert_eq!(chosen(&of(33, &[80])), None);
        assert_eq!(chosen(&of(18, &[129])), None);
    }

    /// The architectures in circulation leave room for what makes them fast, on every card.
    #[test]
    fn blocks_fit_into_shared_memory() {
        // Most shared memory of a block: 7.5; 8.6, 8.9 and 12.0; 8.0; 9.0 and 10.0.
        for (capability, limit, warps) in [
            (75, 65_536, 4),
            (86, 101_376, 8),
            (80, 166_912, 8),
            (90, 232_448, 8),
        ] {
            for architecture in [
                Architecture::published(),
                Architecture::notebook(),
                Model::bundled_default().architecture,
            ] {
                let kernels = &mut STEP_HALF.iter();
                let (kernel, padding) = kernels
                    .find_map(|kernel| Some((kernel, kernel.padding(&architecture)?)))
                    .unwrap();
                let words = rule::half(&random(architecture.clone()), &padding)
                    .unwrap()
                    .len();
                let height = kernel.warp_height(capability);
                let rows = warps / 4;
                let layout = Layout::half(&architecture, words, height, rows);
                let bytes = layout.shared_bytes();
                println!("{architecture:?}, {capability}, {warps} warps: {bytes} bytes");
                assert!(bytes <= limit, "{bytes} bytes on {capability}");
                // Four channels are in different banks.
                assert_eq!(layout.tile_stride % 32, 8);
                assert!(layout.tile_stride >= (rows * height + 2) * 34);
            }
        }
    }

    fn random(architecture: Architecture) -> Model {
        let layers = architecture.layers().into_iter();
        let layer = |(outputs, inputs)| model::Layer {
            outputs,
            inputs,
            weights: vec![0.25; outputs * inputs],
            bias: None,
        };
        Model {
            layers: layers.map(layer).collect(),
            painter: Vec::new(),
            architecture,
            playback: model::Playback::default(),
            card: model::Card::default(),
        }
    }
}
