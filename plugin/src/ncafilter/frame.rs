//! The library's view of a mapped video frame.

use std::array;

use gst_video::VideoFormat;
use gst_video::prelude::*;
use nca::Size;
use nca::frame::{FrameMut, Packing};

/// The formats that are taken, the cheapest first.
pub(super) const FORMATS: [VideoFormat; 12] = [
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Argb,
    VideoFormat::Abgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbp,
    VideoFormat::Gbr,
];

/// A view of all pixels of `frame`, whatever its strides.
pub(super) fn view<'a>(
    frame: &'a mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
) -> Result<FrameMut<'a>, String> {
    let size = Size::new(frame.width() as usize, frame.height() as usize);
    let format = frame.format_info();
    // Red, green and blue are components 0, 1 and 2, whatever the order in memory.
    let planes: [usize; 3] = array::from_fn(|c| format.plane()[c] as usize);
    let mut strides = [0; 3];
    for (stride, plane) in strides.iter_mut().zip(planes) {
        *stride = usize::try_from(frame.plane_stride()[plane])
            .map_err(|_| "frames that are stored bottom-up cannot be restyled".to_owned())?;
    }
    let view = if format.n_planes() == 1 {
        let packing = Packing::new(
            format.pixel_stride()[0] as usize,
            array::from_fn(|c| format.poffset()[c] as usize),
        );
        let data = frame.plane_data_mut(0).map_err(|error| error.to_string())?;
        FrameMut::packed(data, strides[0], size, packing)
    } else {
        let mut data = frame.planes_data_mut().map(Some);
        let data = planes.map(|plane| data[plane].take().unwrap_or_default());
        FrameMut::planar(data, strides, size)
    };
    view.map_err(|error| error.to_string())
}
