//! The part of a video frame that is shown, as the library sees it.

use gst_video::prelude::*;
use gst_video::{VideoCropMeta, VideoFormat, VideoFrameRef, VideoInfo, VideoMeta};
use nca::Size;
use nca::frame::{FrameMut, Packing};

/// The formats that are taken: 8 bits of red, green and blue, packed or in planes.
pub const FORMATS: [VideoFormat; 12] = [
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

/// A rectangle of pixels.
#[derive(Clone, Copy)]
pub struct Rectangle {
    pub x: usize,
    pub y: usize,
    pub size: Size,
}

/// The error of the bus for a frame whose memory is not as it should be.
fn bad_frame(why: impl std::fmt::Display) -> gst::ErrorMessage {
    gst::error_msg!(gst::StreamError::Format, ("{why}"))
}

/// Where in the buffer the picture is, and the whole frame that it is a part of, for a buffer that
/// says so. The caps give the size of the part, the memory is laid out for the whole.
pub fn cropped(buffer: &gst::BufferRef, info: &VideoInfo) -> Option<(VideoInfo, Rectangle)> {
    let (x, y, width, height) = buffer.meta::<VideoCropMeta>()?.rect();
    let (whole_width, whole_height) = buffer
        .meta::<VideoMeta>()
        .map_or((info.width(), info.height()), |meta| {
            (meta.width(), meta.height())
        });
    let whole = VideoInfo::builder(info.format(), whole_width, whole_height)
        .build()
        .ok()?;
    let (x, y) = (x.min(whole_width), y.min(whole_height));
    let rectangle = Rectangle {
        x: x as usize,
        y: y as usize,
        size: Size::new(
            width.min(whole_width - x) as usize,
            height.min(whole_height - y) as usize,
        ),
    };
    Some((whole, rectangle))
}

/// The pixels of `frame`, or of a rectangle within it. Bytes that are not red, green or blue cannot
/// be reached through it.
pub fn view<'a>(
    frame: &'a mut VideoFrameRef<&mut gst::BufferRef>,
    part: Option<Rectangle>,
) -> Result<FrameMut<'a>, gst::ErrorMessage> {
    let Rectangle { x, y, size } = part.unwrap_or(Rectangle {
        x: 0,
        y: 0,
        size: Size::new(frame.width() as usize, frame.height() as usize),
    });
    let format = frame.format_info();
    let n_planes = frame.n_planes() as usize;
    let mut strides = [0; 3];
    for (stride, &given) in strides.iter_mut().zip(&frame.plane_stride()[..n_planes]) {
        *stride = usize::try_from(given)
            .map_err(|_| bad_frame("frames that are stored bottom-up cannot be restyled"))?;
    }
    let step = format.pixel_stride()[0] as usize;
    let after = |data: &'a mut [u8], stride: usize| {
        let start = (y * stride + x * step).min(data.len());
        &mut data[start..]
    };
    let [first, second, third, _] = frame.planes_data_mut();
    if n_planes == 1 {
        let rgb = [0, 1, 2].map(|colour| format.poffset()[colour] as usize);
        let data = after(first, strides[0]);
        let packing = Packing::new(step, rgb).map_err(bad_frame)?;
        return FrameMut::packed(data, strides[0], size, packing).map_err(bad_frame);
    }
    let mut planes = [first, second, third].map(Some);
    let planes = [0, 1, 2].map(|colour| {
        let plane = format.plane()[colour] as usize;
        let data = planes[plane].take().unwrap_or_default();
        (after(data, strides[plane]), strides[plane])
    });
    let strides = [planes[0].1, planes[1].1, planes[2].1];
    FrameMut::planar(planes.map(|(data, _)| data), strides, size).map_err(bad_frame)
}
