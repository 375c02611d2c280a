//! Real pipelines: files of common codecs, and a wrapper as video applications write them.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;

const FRAMES: usize = 30;

/// Writes a file with `encode`, restyles it into another one, and counts that one's frames.
fn through_a_file(name: &str, elements: &[&str], encode: &str) {
    if !available(&["videotestsrc", "videoconvert", "decodebin"]) || !available(elements) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, restyled) = (path(&format!("in.{name}")), path(&format!("out.{name}")));
    play(&format!(
        "videotestsrc pattern=ball num-buffers={FRAMES} ! \
         video/x-raw,format=I420,width=160,height=120,framerate=15/1 ! \
         {encode} ! filesink location={source}"
    ));
    play(&format!(
        "filesrc location={source} ! decodebin ! videoconvert ! \
         ncafilter steps=1 warmup=4 qos=false ! videoconvert ! video/x-raw,format=I420 ! \
         {encode} ! filesink location={restyled}"
    ));
    let (source, restyled) = (decode(Path::new(&source)), decode(Path::new(&restyled)));
    assert_eq!(source.len(), FRAMES, "{name}");
    assert_eq!(restyled.len(), FRAMES, "{name}");
    // The ball's black surroundings become paper.
    let brightness = |frames: &[Vec<u8>]| -> f64 {
        let sum: u64 = frames.iter().flatten().map(|&value| u64::from(value)).sum();
        sum as f64 / frames.iter().map(Vec::len).sum::<usize>() as f64
    };
    let difference = (brightness(&source) - brightness(&restyled)).abs();
    assert!(
        difference > 4.0,
        "{name}: the pictures are those of the source"
    );
}

/// All frames of a file, as packed RGB.
fn decode(path: &Path) -> Vec<Vec<u8>> {
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=RGB ! \
         appsink name=out sync=false",
        path.display()
    ))
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let frames = std::iter::from_fn(|| sink.try_pull_sample(PATIENCE))
        .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
        .collect();
    assert!(sink.is_eos());
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}

#[test]
fn h264_in_mp4() {
    through_a_file(
        "mp4",
        &["x264enc", "h264parse", "mp4mux", "qtdemux", "avdec_h264"],
        "x264enc tune=zerolatency speed-preset=ultrafast ! h264parse ! mp4mux",
    );
}

#[test]
fn vp9_in_webm() {
    // With frames to look ahead at, the encoder of GStreamer 1.22 loses the last of a film whose
    // pictures are hard to compress.
    through_a_file(
        "webm",
        &["vp9enc", "vp9dec", "webmmux", "matroskademux"],
        "vp9enc deadline=1 cpu-used=8 lag-in-frames=0 ! webmmux",
    );
}

#[test]
fn mjpeg_in_avi() {
    through_a_file(
        "avi",
        &["jpegenc", "jpegdec", "avimux", "avidemux"],
        "jpegenc ! avimux",
    );
}

/// One frame in, one frame out, without a clock, a frame rate or timestamps: as an application
/// does that calls GStreamer for every frame of its own.
#[test]
fn a_wrapper_that_pushes_one_and_pulls_one() {
    if !available(&["appsrc", "videoconvert", "appsink"]) {
        return;
    }
    let pipeline = gst::parse::launch(
        "appsrc name=in caps=video/x-raw,format=BGRA,width=64,height=48,framerate=0/1 ! \
         videoconvert ! ncafilter steps=1 warmup=2 ! videoconvert ! video/x-raw,format=BGRA ! \
         appsink name=out sync=false max-buffers=1",
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
    pipeline.set_state(gst::State::Playing).unwrap();
    let info = info(VideoFormat::Bgra, 64, 48);
    for number in 0..20 {
        let mut frame = buffer(&info, number);
        frame.get_mut().unwrap().set_pts(gst::ClockTime::NONE);
        let before = colours(&frame, &info);
        source.push_buffer(frame).unwrap();
        let sample = sink
            .try_pull_sample(PATIENCE)
            .unwrap_or_else(|| panic!("frame {number} did not come back"));
        assert_ne!(colours(sample.buffer().unwrap(), &info), before);
    }
    source.end_of_stream().unwrap();
    assert!(sink.try_pull_sample(PATIENCE).is_none() && sink.is_eos());
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn caps_change_in_the_middle_of_a_pipeline() {
    if !available(&["videotestsrc", "videoconvert", "concat"]) {
        return;
    }
    let pipeline = gst::parse::launch(
        "concat name=clips ! videoconvert ! ncafilter steps=1 warmup=2 ! \
         fakesink name=out signal-handoffs=true \
         videotestsrc num-buffers=5 ! video/x-raw,format=RGB,width=40,height=30 ! clips. \
         videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=21,height=33 ! clips. \
         videotestsrc num-buffers=5 ! video/x-raw,format=ARGB,width=40,height=30 ! clips.",
    )
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let sink = pipeline.by_name("out").unwrap();
    sink.connect("handoff", false, {
        let count = count.clone();
        move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            None
        }
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = wait_for(&bus, &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 15);
}

/// The pipeline that obs-gstreamer makes of a filter: it pushes a frame and waits for it to come back.
/// With a model that is not there it gets the end of the stream, and shows frames as they are.
#[test]
fn a_wrapper_does_not_wait_for_a_model_that_is_missing() {
    if !available(&["appsrc", "videoconvert", "appsink"]) {
        return;
    }
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time ! video/x-raw,format=BGRA,width=64,height=48,framerate=0/1 ! \
         videoconvert ! ncafilter model=/nowhere/starry.pt ! videoconvert ! \
         video/x-raw,format=BGRA,width=64,height=48,framerate=0/1 ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let source = pipeline.by_name("in").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    let bus = pipeline.bus().unwrap();
    let _ = pipeline.set_state(gst::State::Playing);
    let info = info(VideoFormat::Bgra, 64, 48);
    for number in 0..3 {
        let _ = source.push_buffer(buffer(&info, number));
        assert!(sink.try_pull_sample(PATIENCE).is_none());
        assert!(sink.is_eos(), "frame {number} is waited for");
    }
    let first = wait_for(&bus, &[gst::MessageType::Error]);
    let gst::MessageView::Error(error) = first.view() else {
        unreachable!()
    };
    assert!(error.error().matches(gst::ResourceError::NotFound));
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Interlaced video is refused, and the error says what to do, whatever converts before the filter.
#[test]
fn interlaced_video_wants_to_be_deinterlaced() {
    if !available(&["videotestsrc", "videoconvert", "deinterlace"]) {
        return;
    }
    for mode in ["interleaved", "mixed"] {
        for (format, convert) in [("RGB", ""), ("I420", "videoconvert !")] {
            let before = format!(
                "videotestsrc num-buffers=4 ! video/x-raw,format={format},width=32,height=32,\
                 framerate=25/1,interlace-mode={mode} !"
            );
            let pipeline =
                gst::parse::launch(&format!("{before} {convert} ncafilter ! fakesink")).unwrap();
            let _ = pipeline.set_state(gst::State::Playing);
            let bus = pipeline.bus().unwrap();
            let end = wait_for(&bus, &[gst::MessageType::Eos, gst::MessageType::Error]);
            let gst::MessageView::Error(error) = end.view() else {
                panic!("{mode} {format} plays");
            };
            let text = error.error().message().to_owned();
            assert!(text.contains("deinterlace"), "{mode} {format}: {text}");
            pipeline.set_state(gst::State::Null).unwrap();
            play(&format!(
                "{before} deinterlace ! videoconvert ! ncafilter steps=1 warmup=1 ! fakesink"
            ));
        }
    }
}
