//! Every format, size and memory layout gives the picture that packed RGBA gives.

mod common;

use common::*;
use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoCropMeta, VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta};

const FORMATS: [VideoFormat; 12] = [
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

/// Three frames of a video, restyled.
fn restyle_three(info: &VideoInfo) -> Vec<gst::Buffer> {
    let mut rig = Rig::new(&quick_element(), info);
    (0..3)
        .map(|number| rig.restyle(buffer(info, number)))
        .collect()
}

/// A frame whose rows are padded and begin at an offset; the padding is 0xAA.
fn padded(info: &VideoInfo, number: usize) -> gst::Buffer {
    const OFFSET: usize = 52;
    const PADDING: usize = 24;
    let planes = info.n_planes() as usize;
    let height = info.height() as usize;
    let strides: Vec<_> = info.stride()[..planes]
        .iter()
        .map(|stride| stride + PADDING as i32)
        .collect();
    let plane_size = strides[0] as usize * height + OFFSET;
    let offsets: Vec<_> = (0..planes)
        .map(|plane| OFFSET + plane * plane_size)
        .collect();
    let mut buffer = gst::Buffer::from_mut_slice(vec![0xAA; plane_size * planes + OFFSET]);
    VideoMeta::add_full(
        buffer.get_mut().unwrap(),
        VideoFrameFlags::empty(),
        info.format(),
        info.width(),
        info.height(),
        &offsets,
        &strides,
    )
    .unwrap();
    draw(&mut buffer, info, number);
    buffer
}

/// Bytes of a buffer that are no pixels.
fn padding_of(buffer: &gst::BufferRef, info: &VideoInfo) -> Vec<u8> {
    let meta = buffer.meta::<VideoMeta>().unwrap();
    let map = buffer.map_readable().unwrap();
    let row = info.width() as usize * info.format_info().pixel_stride()[0] as usize;
    let is_pixel = |at: usize| {
        meta.offset()
            .iter()
            .zip(meta.stride())
            .any(|(&offset, &stride)| {
                at.checked_sub(offset).is_some_and(|at| {
                    at % (stride as usize) < row && at / (stride as usize) < info.height() as usize
                })
            })
    };
    let padding = map.iter().enumerate().filter(|&(at, _)| !is_pixel(at));
    padding.map(|(_, &byte)| byte).collect()
}

#[test]
fn every_format_gives_the_picture_of_rgba_and_keeps_the_fourth_byte() {
    let rgba = info(VideoFormat::Rgba, 33, 18);
    let expected = restyle_three(&rgba);
    assert_ne!(
        colours(&expected[0], &rgba),
        colours(&buffer(&rgba, 0), &rgba)
    );
    for format in FORMATS {
        let info = info(format, 33, 18);
        for (number, (buffer_out, expected)) in
            restyle_three(&info).iter().zip(&expected).enumerate()
        {
            assert_eq!(
                colours(buffer_out, &info),
                colours(expected, &rgba),
                "{format}"
            );
            let fourth = |buffer: &gst::BufferRef| -> Vec<_> {
                pixels(buffer, &info)
                    .iter()
                    .map(|pixel| pixel.get(3).copied())
                    .collect()
            };
            assert_eq!(
                fourth(buffer_out),
                fourth(&buffer(&info, number)),
                "{format}"
            );
        }
    }
}

#[test]
fn any_size_down_to_a_pixel_is_restyled() {
    for (width, height) in [(1, 1), (1, 9), (7, 1), (2, 2), (3, 5), (31, 17), (65, 3)] {
        for format in [VideoFormat::Rgb, VideoFormat::Bgrx, VideoFormat::Gbr] {
            let info = info(format, width, height);
            for out in restyle_three(&info) {
                assert_eq!(out.size(), info.size(), "{format} {width}x{height}");
            }
        }
    }
}

#[test]
fn padded_rows_give_the_same_picture_and_keep_their_padding() {
    for format in [VideoFormat::Rgb, VideoFormat::Argb, VideoFormat::Gbr] {
        let info = info(format, 13, 11);
        let expected = restyle_three(&info);
        let mut rig = Rig::new(&quick_element(), &info);
        for (number, expected) in expected.iter().enumerate() {
            let out = rig.restyle(padded(&info, number));
            assert_eq!(colours(&out, &info), colours(expected, &info), "{format}");
            assert!(
                padding_of(&out, &info).iter().all(|&byte| byte == 0xAA),
                "{format}"
            );
        }
    }
}

#[test]
fn frames_of_an_aligned_pool_give_the_same_picture() {
    let info = info(VideoFormat::Bgr, 13, 11);
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&info.to_caps().unwrap()), info.size() as u32, 0, 0);
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
    config.set_video_alignment(&gst_video::VideoAlignment::new(3, 5, 7, 2, &[31, 0, 0, 0]));
    pool.set_config(config).unwrap();
    pool.set_active(true).unwrap();
    let expected = restyle_three(&info);
    let mut rig = Rig::new(&quick_element(), &info);
    for (number, expected) in expected.iter().enumerate() {
        let mut frame = pool.acquire_buffer(None).unwrap();
        let meta = frame.meta::<VideoMeta>().unwrap();
        assert!(meta.offset()[0] > 0 && meta.stride()[0] > info.stride()[0]);
        draw(&mut frame, &info, number);
        assert_eq!(
            colours(&rig.restyle(frame), &info),
            colours(expected, &info)
        );
    }
    pool.set_active(false).unwrap();
}

#[test]
fn a_frame_that_others_hold_is_copied_before_it_is_restyled() {
    let info = info(VideoFormat::Bgra, 13, 11);
    let expected = restyle_three(&info);
    let mut rig = Rig::new(&quick_element(), &info);
    for (number, expected) in expected.iter().enumerate() {
        let held = padded(&info, number);
        let out = rig.restyle(held.clone());
        assert_eq!(colours(&out, &info), colours(expected, &info));
        assert_eq!(pixels(&held, &info), pixels(&buffer(&info, number), &info));
    }
}

/// The neighbours downstream may offer buffers of their own with rows laid out otherwise.
#[test]
fn padded_frames_that_others_hold_survive_a_pool_downstream() {
    let info = info(VideoFormat::Rgba, 13, 11);
    let expected = restyle_three(&info);
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time ! ncafilter steps=1 warmup=2 ! videoconvert ! \
         video/x-raw,format=BGR ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let source = pipeline
        .by_name("in")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    source.set_caps(Some(&info.to_caps().unwrap()));
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, expected) in expected.iter().enumerate() {
        let held = padded(&info, number);
        source.push_buffer(held.clone()).unwrap();
        let sample = sink.try_pull_sample(PATIENCE).unwrap();
        let bgr = common::info(VideoFormat::Bgr, 13, 11);
        assert_eq!(
            colours(sample.buffer().unwrap(), &bgr),
            colours(expected, &info)
        );
        assert_eq!(pixels(&held, &info), pixels(&buffer(&info, number), &info));
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn of_a_cropped_frame_the_part_that_is_shown_is_restyled() {
    for format in [VideoFormat::Rgba, VideoFormat::Gbr] {
        let whole = info(format, 24, 20);
        let part = info(format, 9, 7);
        let (left, top) = (5usize, 6usize);
        let mut rig = Rig::new(&quick_element(), &part);
        let mut cropped = buffer(&whole, 0);
        let writable = cropped.get_mut().unwrap();
        VideoMeta::add(writable, VideoFrameFlags::empty(), format, 24, 20).unwrap();
        VideoCropMeta::add(writable, (left as u32, top as u32, 9, 7));
        let before = colours(&cropped, &whole);
        let out = rig.restyle(cropped);
        assert_eq!(out.meta::<VideoCropMeta>().unwrap().rect(), (5, 6, 9, 7));
        let after = colours(&out, &whole);

        // The same part as a video of its own.
        let mut alone = Rig::new(&quick_element(), &part);
        let mut copy = buffer(&part, 0);
        draw_with(&mut copy, &part, |x, y| pixel(0, x + left, y + top));
        let expected = colours(&alone.restyle(copy), &part);
        for y in 0..20 {
            for x in 0..24 {
                let inside = (left..left + 9).contains(&x) && (top..top + 7).contains(&y);
                let expected = match inside {
                    true => expected[(y - top) * 9 + x - left],
                    false => before[y * 24 + x],
                };
                assert_eq!(after[y * 24 + x], expected, "{format} at {x}, {y}");
            }
        }
    }
}

#[test]
fn a_crop_beyond_the_frame_does_no_harm() {
    let info = info(VideoFormat::Rgb, 8, 8);
    for rect in [
        (0, 0, 800, 800),
        (7, 7, 9, 9),
        (8, 8, 1, 1),
        (900, 900, 9, 9),
        (0, 0, 0, 0),
    ] {
        let mut rig = Rig::new(&quick_element(), &info);
        let mut frame = buffer(&info, 0);
        VideoCropMeta::add(frame.get_mut().unwrap(), rect);
        assert_eq!(rig.restyle(frame).size(), info.size(), "{rect:?}");
    }
}

/// Interlaced video is refused later, with an error that says what to do: see pipelines.rs.
#[test]
fn other_formats_are_refused() {
    let element = quick_element();
    let sink = element.static_pad("sink").unwrap();
    element.set_state(gst::State::Paused).unwrap();
    let accepts = |caps: &str| {
        let caps = caps.parse::<gst::Caps>().unwrap();
        sink.query_accept_caps(&caps)
    };
    let base = "video/x-raw,width=8,height=8,framerate=25/1";
    assert!(accepts(&format!(
        "{base},format=RGB,interlace-mode=progressive"
    )));
    assert!(
        accepts(&format!("{base},format=RGB")),
        "no interlace-mode means progressive"
    );
    assert!(!accepts(&format!(
        "{base},format=I420,interlace-mode=progressive"
    )));
    assert!(!accepts(&format!(
        "{base},format=RGBA64_LE,interlace-mode=progressive"
    )));
    element.set_state(gst::State::Null).unwrap();
}
