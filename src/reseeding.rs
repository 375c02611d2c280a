//! Which cells of the state are reseeded when more of a picture is new than a frame has steps for.

use crate::motion::Flow;

/// Cells of the confidence's grid along each side of a block; blocks are reseeded as a whole.
const BLOCK: usize = 2;

/// The cells that wait to be reseeded, on the grid of a flow's confidence.
///
/// Where the state cannot be moved along, it is to be reseeded, and takes its whole warm-up at once:
/// with fewer steps, raw film and noise would be shown. If that is more work than a frame may cost,
/// some blocks are reseeded now and the others wait. What waits stays where it is, as everything does
/// where motion is not followed, and takes the steps of every frame: after as many as a warm-up has,
/// it need not be reseeded any more.
#[derive(Debug, Default)]
pub(crate) struct Reseeding {
    /// Steps that each cell still lacks; 0: it has grown.
    lacking: Vec<u32>,
    /// The same for the next frame.
    next: Vec<u32>,
    blocks: Vec<Block>,
}

/// A block that has cells to be reseeded.
#[derive(Clone, Copy, Debug)]
struct Block {
    x: usize,
    y: usize,
    /// The most that one of its cells lacks.
    lacking: u32,
    /// How many cells lack steps.
    cells: usize,
}

/// How much may be reseeded in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Budget {
    /// Steps that a reseeded cell takes at once.
    pub(crate) warmup: u32,
    /// Steps of the whole state that all of this may cost together.
    pub(crate) work: f32,
    /// Steps that all cells take in this frame.
    pub(crate) steps: u32,
    /// Orders blocks that are otherwise alike: another one in every frame.
    pub(crate) seed: u64,
}

impl Reseeding {
    /// Forgets what waits, as when the whole state is reset.
    pub(crate) fn reset(&mut self) {
        self.lacking.clear();
    }

    /// Changes `flow` so that an engine that moves the state along it reseeds what is to be reseeded
    /// in this frame, and leaves what is to wait where it is.
    ///
    /// `is_new` says of a confidence whether a state cannot simply be moved there.
    pub(crate) fn plan(&mut self, flow: &mut Flow, is_new: impl Fn(f32) -> bool, budget: Budget) {
        let size = flow.cells();
        if self.lacking.len() != size.pixels() {
            self.lacking = vec![0; size.pixels()];
        }
        self.next.clear();
        for y in 0..size.height {
            for x in 0..size.width {
                let lacking = if is_new(flow.confidence_of(x, y)) {
                    budget.warmup
                } else {
                    let [x, y] = flow.origin_of(x, y);
                    self.lacking[y * size.width + x]
                };
                self.next.push(lacking);
            }
        }
        std::mem::swap(&mut self.lacking, &mut self.next);

        self.blocks.clear();
        for y in 0..size.height.div_ceil(BLOCK) {
            for x in 0..size.width.div_ceil(BLOCK) {
                let lacking = cells(x, y, size).map(|(x, y)| self.lacking[y * size.width + x]);
                let (most, cells) = lacking.fold((0, 0), |(most, cells), lacking| {
                    (lacking.max(most), cells + usize::from(lacking > 0))
                });
                if most > 0 {
                    self.blocks.push(Block {
                        x,
                        y,
                        lacking: most,
                        cells,
                    });
                }
            }
        }
        // What is newest has most to gain. Among equals, no corner of the picture comes first.
        self.blocks.sort_unstable_by_key(|block| {
            let place = (block.y * size.width + block.x) as u64;
            (u32::MAX - block.lacking, shuffled(place, budget.seed))
        });
        let affordable = budget.work * size.pixels() as f32 / budget.warmup.max(1) as f32;
        let mut affordable = affordable as usize;
        let mut changed = false;
        for block in &self.blocks {
            let is_reseeded = block.cells <= affordable;
            if is_reseeded {
                affordable -= block.cells;
            }
            for (x, y) in cells(block.x, block.y, size) {
                let lacking = &mut self.lacking[y * size.width + x];
                let is_new = is_new(flow.confidence_of(x, y));
                if is_reseeded {
                    if *lacking > 0 && !is_new {
                        flow.distrust(x, y);
                        changed = true;
                    }
                    *lacking = 0;
                } else if is_new {
                    flow.hold(x, y);
                    changed = true;
                }
                *lacking = lacking.saturating_sub(budget.steps);
            }
        }
        if changed {
            flow.fill_margins();
        }
    }
}

/// The cells of a block.
fn cells(x: usize, y: usize, size: crate::Size) -> impl Iterator<Item = (usize, usize)> {
    let along = |block: usize, length: usize| block * BLOCK..((block + 1) * BLOCK).min(length);
    let columns = along(x, size.width);
    along(y, size.height).flat_map(move |y| columns.clone().map(move |x| (x, y)))
}

/// A number that tells nothing of `place`: the finaliser of SplitMix64.
fn shuffled(place: u64, seed: u64) -> u64 {
    let mut z = place ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
