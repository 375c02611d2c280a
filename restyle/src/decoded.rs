//! What decoded frames say of themselves, put right.

use std::str::FromStr;

use gst::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoFormat, VideoInfo};

/// Completes what a decoder says of its frames as far as GStreamer would misunderstand it.
///
/// Of colours of which only the range is known it forgets the range, too. And where the file
/// gives pixels no shape that can be, nothing can be converted.
pub fn mend(caps: &mut gst::CapsRef) {
    for structure in caps.iter_mut() {
        if let Ok(shape) = structure.get::<gst::Fraction>("pixel-aspect-ratio")
            && (shape.numer() <= 0 || shape.denom() <= 0)
        {
            structure.set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
        }
    }
    if let Some(colorimetry) = completed_colorimetry(caps) {
        caps.set("colorimetry", colorimetry);
    }
}

fn completed_colorimetry(caps: &gst::CapsRef) -> Option<String> {
    let said = caps.structure(0)?.get::<String>("colorimetry").ok()?;
    let said = VideoColorimetry::from_str(&said).ok()?;
    if said.matrix() != VideoColorMatrix::Unknown || said.range() == VideoColorRange::Unknown {
        return None;
    }
    let mut silent = caps.to_owned();
    silent
        .make_mut()
        .structure_mut(0)?
        .remove_field("colorimetry");
    let assumed = VideoInfo::from_caps(&silent).ok()?;
    let assumed = assumed.is_yuv().then(|| assumed.colorimetry())?;
    let (matrix, transfer) = (assumed.matrix(), assumed.transfer());
    let completed = VideoColorimetry::new(said.range(), matrix, transfer, assumed.primaries());
    Some(completed.to_string())
}

/// Whether frames have transparency.
pub fn has_alpha(caps: &gst::CapsRef) -> bool {
    VideoInfo::from_caps(caps).is_ok_and(|info| info.has_alpha())
}

/// The format in which [`lay_on_white`] takes frames.
pub const WITH_ALPHA: VideoFormat = VideoFormat::Argb64;

/// Lets a pad pass frames on as if they lay on white paper. Those in other formats than
/// [`WITH_ALPHA`] stay as they are.
pub fn lay_on_white(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let format = pad
            .current_caps()
            .and_then(|caps| VideoInfo::from_caps(&caps).ok())
            .filter(|info| info.format() == WITH_ALPHA);
        if let (Some(format), Some(gst::PadProbeData::Buffer(buffer))) = (format, &mut info.data)
            && let Ok(mut frame) =
                gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), &format)
            && let Ok(data) = frame.plane_data_mut(0)
        {
            data.chunks_exact_mut(8).for_each(flatten);
        }
        gst::PadProbeReturn::Ok
    });
}

/// A pixel of four numbers of 16 bits, of which the first says how opaque it is.
fn flatten(pixel: &mut [u8]) {
    const MOST: u64 = u16::MAX as u64;
    let (values, _) = pixel.as_chunks_mut::<2>();
    let [alpha, colours @ ..] = values else {
        return;
    };
    let opacity = u64::from(u16::from_ne_bytes(*alpha));
    for colour in colours {
        let sum = u64::from(u16::from_ne_bytes(*colour)) * opacity + MOST * (MOST - opacity);
        *colour = (((sum + MOST / 2) / MOST) as u16).to_ne_bytes();
    }
    *alpha = u16::MAX.to_ne_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(caps: &str) -> String {
        let mut caps = gst::Caps::from_str(caps).unwrap();
        mend(caps.make_mut());
        caps.to_string()
    }

    #[test]
    fn a_range_alone_is_completed() {
        gst::init().unwrap();
        let caps = |rows: u32, format: &str, colorimetry: &str| {
            format!(
                "video/x-raw, format=(string){format}, width=(int)64, height=(int){rows}, \
                 framerate=(fraction)25/1, colorimetry=(string){colorimetry}"
            )
        };
        for (rows, format, said, expected) in [
            (96, "I420", "1:0:0:0", "1:4:16:4"),
            (1080, "I420", "1:0:0:0", "1:3:5:1"),
            (96, "I420", "bt709", "bt709"),
            (96, "RGBA", "1:0:0:0", "1:0:0:0"),
        ] {
            assert_eq!(
                mended(&caps(rows, format, said)),
                caps(rows, format, expected)
            );
        }
    }

    #[test]
    fn pixels_of_no_shape_are_square() {
        gst::init().unwrap();
        let caps = |shape: &str| format!("video/x-raw, pixel-aspect-ratio=(fraction){shape}");
        assert_eq!(mended(&caps("-1/1")), caps("1/1"));
        assert_eq!(mended(&caps("4/3")), caps("4/3"));
    }

    #[test]
    fn what_is_transparent_is_white() {
        for (pixel, expected) in [
            ([0, 100, 200, 300], [u16::MAX; 4]),
            ([u16::MAX, 1, 2, 3], [u16::MAX, 1, 2, 3]),
            (
                [32_768, 0, u16::MAX, 0],
                [u16::MAX, 32_767, u16::MAX, 32_767],
            ),
        ] {
            let mut bytes: Vec<u8> = pixel.into_iter().flat_map(u16::to_ne_bytes).collect();
            flatten(&mut bytes);
            let expected: Vec<u8> = expected.into_iter().flat_map(u16::to_ne_bytes).collect();
            assert_eq!(bytes, expected);
        }
    }
}
