//! What goes up to the device for every frame.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use wgpu::WriteOnly;

use crate::Size;
use crate::frame::{Frame, Row};
use crate::motion::Flow;

/// A row of memory that one thread writes.
struct RowMemory<'a>(WriteOnly<'a, [u8]>);

// SAFETY: it is a `&mut [u8]` that cannot be read, and those may go to another thread.
unsafe impl Send for RowMemory<'_> {}

/// Writes a frame, a pixel in each word, in parallel.
pub(super) fn write(frame: &Frame<'_>, mut memory: WriteOnly<'_, [u8]>) {
    let Size { width, height } = frame.size();
    let rows: Vec<RowMemory<'_>> = (0..height)
        .map_while(|_| memory.split_off(..width * 4).map(RowMemory))
        .collect();
    rows.into_par_iter()
        .enumerate()
        .for_each(|(y, row)| write_row(&frame.row(y), row));
}

fn write_row(row: &Row<'_>, RowMemory(memory): RowMemory<'_>) {
    let (pixels, _) = memory.into_chunks::<4>();
    let [red, green, blue] = row.samples.map(|samples| samples.iter().step_by(row.step));
    let samples = red.zip(green).zip(blue);
    let samples = samples.map(|((&red, &green), &blue)| [red, green, blue, 0]);
    pixels.write_iter(samples.take(row.width));
}

/// A flow as the kernel `carry` reads it, for a state of `size`, and the seed of what starts anew.
pub(super) fn flow_words(flow: &Flow, seed: u64, size: Size) -> Vec<u32> {
    let grids = flow.grids(size);
    let [along_x, along_y, confidence] = &grids;
    let mut words = Vec::new();
    for grid in [along_x, confidence] {
        let cells = grid.size();
        words.extend([cells.width as u32, cells.height as u32]);
        words.extend(grid.ratio.map(f32::to_bits));
    }
    words.extend([along_x.scale, along_y.scale].map(f32::to_bits));
    words.extend([seed as u32, (seed >> 32) as u32]);
    words.extend(
        grids
            .iter()
            .flat_map(|grid| grid.values().map(f32::to_bits)),
    );
    words
}
