//! What passes between this machine's memory and the card's.

use std::sync::Arc;

use bytemuck::Pod;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::device::{Buffer, Device, Event, Pinned, Stream};
use super::parameters::Shape;
use crate::Size;
use crate::engine::EngineError;
use crate::frame::Frame;

/// Values on their way to the card.
#[derive(Debug)]
pub(super) struct Upload<T> {
    /// When the last ones have left.
    sent: Event,
    host: Pinned<T>,
    device: Buffer<T>,
    on: Arc<Device>,
}

impl<T: Pod> Upload<T> {
    /// For `len` values to begin with.
    pub(super) fn new(device: &Arc<Device>, len: usize) -> Result<Self, EngineError> {
        Ok(Self {
            sent: Event::new(device)?,
            host: Pinned::zeros(device, len)?,
            device: Buffer::new(device, len)?,
            on: device.clone(),
        })
    }

    /// Where the values are on the card.
    pub(super) fn device(&self) -> &Buffer<T> {
        &self.device
    }

    /// Sends `len` values, which `write` writes.
    pub(super) fn fill(
        &mut self,
        stream: &Stream,
        len: usize,
        write: impl FnOnce(&mut [T]),
    ) -> Result<(), EngineError> {
        self.sent.wait()?;
        if len > self.host.len() {
            // Kernels may still use the old ones.
            stream.wait()?;
            self.host = Pinned::zeros(&self.on, len)?;
            self.device = Buffer::new(&self.on, len)?;
        }
        let values = &mut self.host[..len];
        write(values);
        // SAFETY: the memory is ours and is not written to before the event has been waited for.
        unsafe { stream.upload(values, &self.device) }?;
        stream.record(&self.sent)
    }
}

/// Values on their way from the card.
#[derive(Debug)]
pub(super) struct Download<T> {
    host: Pinned<T>,
    device: Buffer<T>,
}

impl<T: Pod> Download<T> {
    /// For `len` values.
    pub(super) fn new(device: &Arc<Device>, len: usize) -> Result<Self, EngineError> {
        Ok(Self {
            host: Pinned::zeros(device, len)?,
            device: Buffer::new(device, len)?,
        })
    }

    /// Where the values are on the card.
    pub(super) fn device(&self) -> &Buffer<T> {
        &self.device
    }

    /// Has all values copied.
    pub(super) fn fetch(&mut self, stream: &Stream) -> Result<(), EngineError> {
        // SAFETY: the memory is ours; `host` says when it may be looked at.
        unsafe { stream.download(&self.device, &mut self.host) }
    }

    /// The values, when the stream has been waited for after [`Download::fetch`].
    pub(super) fn host(&self) -> &[T] {
        &self.host
    }
}

/// Writes a frame as red, green and blue planes whose rows are `pitch` samples apart, in parallel.
pub(super) fn write_planes(frame: &Frame<'_>, samples: &mut [u8], pitch: usize) {
    let Size { width, height } = frame.size();
    let (red, others) = samples.split_at_mut(height * pitch);
    let (green, blue) = others.split_at_mut(height * pitch);
    let rows = red
        .par_chunks_exact_mut(pitch)
        .zip(green.par_chunks_exact_mut(pitch))
        .zip(blue.par_chunks_exact_mut(pitch));
    rows.enumerate().for_each(|(y, ((red, green), blue))| {
        let row = frame.row(y);
        for (to, from) in [red, green, blue].into_iter().zip(row.samples) {
            let to = &mut to[..width];
            // Distances that the compiler knows let it load whole vectors.
            match row.step {
                1 => to.copy_from_slice(&from[..width]),
                3 => copy_stepped::<3>(from, to),
                4 => copy_stepped::<4>(from, to),
                step => to
                    .iter_mut()
                    .zip(from.iter().step_by(step))
                    .for_each(|(to, from)| *to = *from),
            }
        }
    });
}

/// Copies every `STEP`th sample.
fn copy_stepped<const STEP: usize>(from: &[u8], to: &mut [u8]) {
    let Some(last) = to.len().checked_sub(1) else {
        return;
    };
    let from = &from[..last * STEP + 1];
    for (x, to) in to.iter_mut().enumerate() {
        *to = from[x * STEP];
    }
}

/// Red, green and blue planes as a frame.
pub(super) fn planes<'a>(samples: &'a [u8], shape: &Shape, size: Size) -> Frame<'a> {
    let planes = [0, 1, 2].map(|c| &samples[c * shape.plane()..][..shape.plane()]);
    Frame::planar(planes, [shape.pitch(); 3], size)
        .expect("the planes have the memory that their size needs")
}
