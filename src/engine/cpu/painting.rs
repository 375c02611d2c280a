//! What a model with a painter needs beside the cells: the frame, and where the cells lie on it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::grid::Grid;
use super::isa::Isa;
use super::of_this_thread;
use super::painter::{PackedPainter, PaintRow, PaintScratch, Place, ProjectRow};
use crate::Size;
use crate::cells::{Axis, CellGrid, CellSource};
use crate::frame::{Frame, FrameMut, Packing, vectorized};
use crate::model::{Architecture, Model};

/// Paints cells at the size of the picture.
pub(super) struct Painting {
    architecture: Architecture,
    painter: PackedPainter,
    /// The frame that the source was made of, packed RGB; black before the first one.
    frame: Vec<u8>,
    /// One for each thread.
    scratch: Vec<Mutex<Scratch>>,
    pub(super) lattice: Lattice,
}

/// Cells of one size on the picture.
pub(super) struct Lattice {
    stroke: f32,
    pub(super) grid: CellGrid,
    pub(super) source: CellSource,
    /// Where each column and each row of pixels lies among the cells.
    columns: Vec<Between>,
    rows: Vec<Between>,
    /// What is sampled of each cell.
    projected: Vec<f32>,
}

impl Lattice {
    fn new(architecture: &Architecture, projected: usize, size: Size, stroke: f32) -> Self {
        let grid = CellGrid::new(architecture, size, stroke);
        let between = |axis: &Axis, length| {
            let centres = (0..length).map(|pixel| pixel as f64 + 0.5);
            centres.map(|at| Between::new(axis, at)).collect()
        };
        Self {
            stroke,
            source: CellSource::new(architecture.source, &grid),
            columns: between(&grid.x, size.width),
            rows: between(&grid.y, size.height),
            projected: vec![0.0; projected * grid.cells().pixels()],
            grid,
        }
    }

    /// Samples a channel of `cells`, which lie so, at the centres of row `y` of cells that lie as those
    /// of `other`.
    pub(super) fn sample_row(
        &self,
        cells: &Grid,
        channel: usize,
        other: &CellGrid,
        y: usize,
        out: &mut [f32],
    ) {
        let count = self.grid.cells();
        let down = Between::new(&self.grid.y, other.y.centre(y));
        for (x, out) in out.iter_mut().enumerate() {
            let across = Between::new(&self.grid.x, other.x.centre(x));
            let [above, below] = [down.before, down.after(count.height)].map(|row| {
                let row = cells.pixels(row as usize, channel);
                let (left, right) = (across.before, across.after(count.width));
                across.between(row[left as usize], row[right as usize])
            });
            *out = down.between(above, below);
        }
    }
}

/// Memory that a thread needs to paint a row.
#[derive(Default)]
struct Scratch {
    places: Vec<Place>,
    /// The frame and the coarse frame at each pixel: three rows of either.
    frame: [Vec<f32>; 6],
    /// A row of values of cells.
    cells: Vec<f32>,
    picture: [Vec<f32>; 3],
    paint: PaintScratch,
}

impl Painting {
    /// For a model with a painter and pictures of `size`; none for a model without one.
    pub(super) fn new(model: &Model, size: Size, threads: usize) -> Option<Self> {
        let painter = PackedPainter::new(model)?;
        let architecture = model.architecture.clone();
        Some(Self {
            lattice: Lattice::new(&architecture, painter.projected(), size, 1.0),
            architecture,
            painter,
            frame: vec![0; 3 * size.pixels()],
            scratch: (0..threads).map(|_| Mutex::default()).collect(),
        })
    }

    /// How many times their usual size the strokes have.
    pub(super) fn stroke(&self) -> f32 {
        self.lattice.stroke
    }

    /// Changes that, having looked at the same frame. Gives the cells that were there before.
    pub(super) fn set_stroke(&mut self, stroke: f32) -> Lattice {
        let size = self.lattice.grid.picture();
        let projected = self.painter.projected();
        let lattice = Lattice::new(&self.architecture, projected, size, stroke);
        let before = std::mem::replace(&mut self.lattice, lattice);
        self.lattice.source.look(&view(&self.frame, size));
        before
    }

    /// Looks at a frame of the picture's size, and keeps it.
    pub(super) fn look(&mut self, frame: &Frame<'_>) {
        frame.copy_to_rgb(&mut self.frame);
        self.lattice.source.look(frame);
    }

    /// Paints the cells and mixes that into `frame`, which has the size of the picture, in parallel.
    /// Says whether all of it is finite; rows that are not are left as they are.
    pub(super) fn paint(
        &mut self,
        isa: Isa,
        frozen: &Grid,
        cells: &Grid,
        frame: &mut FrameMut<'_>,
        strength: f32,
    ) -> bool {
        let painter = &self.painter;
        self.lattice
            .projected
            .par_chunks_exact_mut(painter.projected() * cells.size().width)
            .enumerate()
            .for_each(|(y, projected)| {
                isa.run(ProjectRow {
                    painter,
                    cells,
                    y,
                    projected,
                });
            });
        let finite = AtomicBool::new(true);
        frame.for_each_row(|y, row| {
            let mut scratch = of_this_thread(&self.scratch);
            vectorized(
                #[inline(always)]
                || self.find_row(frozen, y, &mut scratch),
            );
            let Scratch {
                places,
                frame,
                picture,
                paint,
                ..
            } = &mut *scratch;
            let is_finite = isa.run(PaintRow {
                painter,
                projected: &self.lattice.projected,
                places,
                frame: frame.each_ref().map(Vec::as_slice),
                scratch: paint,
                picture: picture.each_mut().map(Vec::as_mut_slice),
            });
            if is_finite {
                row.mix(strength, picture.each_ref().map(Vec::as_slice));
            } else {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }

    /// Writes what is to be known of row `y` of the picture before it can be painted.
    #[inline(always)]
    fn find_row(&self, frozen: &Grid, y: usize, scratch: &mut Scratch) {
        let Lattice {
            grid,
            columns,
            rows,
            ..
        } = &self.lattice;
        let Scratch {
            places,
            frame,
            cells,
            picture,
            ..
        } = scratch;
        let size = grid.picture();
        let count = grid.cells();
        places.resize(size.width, Place::default());
        for values in frame.iter_mut().chain(picture) {
            values.resize(size.width, 0.0);
        }
        let (film, coarse) = frame.split_at_mut(3);
        let row = view(&self.frame, size).row(y);
        for (colour, values) in film.iter_mut().enumerate() {
            row.write_values(colour, values);
        }
        for (colour, values) in coarse.iter_mut().enumerate() {
            let of = |y| frozen.pixels(y, colour);
            write_sampled(columns, rows[y], count, of, cells, values);
        }
        for (place, across) in places.iter_mut().zip(columns) {
            *place = Place::new([*across, rows[y]], count);
        }
    }
}

/// Between two cells along an axis: the one before, and how far it is on the way to the next.
#[derive(Clone, Copy)]
pub(super) struct Between {
    before: u32,
    on: f32,
}

impl Between {
    /// At a place in pixels from the edge of the picture.
    fn new(axis: &Axis, at: f64) -> Self {
        let (before, on) = axis.place(at);
        Self {
            before: before as u32,
            on,
        }
    }

    #[inline(always)]
    fn between(self, before: f32, after: f32) -> f32 {
        before + (after - before) * self.on
    }

    #[inline(always)]
    fn after(self, count: usize) -> u32 {
        (self.before + 1).min(count as u32 - 1)
    }
}

impl Place {
    /// Between columns and rows of `count` cells.
    #[inline(always)]
    fn new([across, down]: [Between; 2], count: Size) -> Self {
        let width = count.width as u32;
        let (left, right) = (across.before, across.after(count.width));
        let (above, below) = (down.before * width, down.after(count.height) * width);
        Self {
            corners: [above + left, above + right, below + left, below + right],
            weights: [
                (1.0 - down.on) * (1.0 - across.on),
                (1.0 - down.on) * across.on,
                down.on * (1.0 - across.on),
                down.on * across.on,
            ],
        }
    }
}

/// A frame that is kept.
fn view(frame: &[u8], size: Size) -> Frame<'_> {
    Frame::packed(frame, 3 * size.width, size, Packing::RGB)
        .expect("the frame has the memory that its size needs")
}

/// Samples values of cells, of which `of` gives a row, at the pixels of a row.
#[inline(always)]
fn write_sampled<'a>(
    columns: &[Between],
    down: Between,
    count: Size,
    of: impl Fn(usize) -> &'a [f32],
    cells: &mut Vec<f32>,
    out: &mut [f32],
) {
    let [above, below] = [down.before, down.after(count.height)].map(|y| of(y as usize));
    cells.clear();
    let pairs = above.iter().zip(below);
    cells.extend(pairs.map(|(above, below)| down.between(*above, *below)));
    for (out, across) in out.iter_mut().zip(columns) {
        let left = cells[across.before as usize];
        let right = cells[across.after(count.width) as usize];
        *out = across.between(left, right);
    }
}
