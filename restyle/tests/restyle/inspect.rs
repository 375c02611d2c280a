//! What is in a file.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_pbutils::prelude::*;
use gst_video::VideoFrameExt;

use crate::samples;

/// All frames of a file, and what it says about itself.
pub struct Inspected {
    pub frames: Vec<Frame>,
    pub info: gst_video::VideoInfo,
    /// Of the file.
    pub duration: gst::ClockTime,
    pub framerate: gst::Fraction,
    pub orientation: Option<String>,
    /// Media types of the sound tracks, such as `audio/mpeg`.
    pub audio: Vec<String>,
    pub subtitles: usize,
}

/// A decoded frame in planar Y'CbCr.
pub struct Frame {
    pub time: gst::ClockTime,
    pub planes: [Vec<u8>; 3],
}

/// Looks into a file.
pub fn inspect(path: &Path) -> Inspected {
    let uri = glib::filename_to_uri(path, None).unwrap();
    let discoverer = gst_pbutils::Discoverer::new(gst::ClockTime::from_seconds(60)).unwrap();
    let found = discoverer.discover_uri(&uri).unwrap();
    let videos = found.video_streams();
    let video = videos.first().expect("no video");
    let name = |caps: Option<gst::Caps>| caps.unwrap().structure(0).unwrap().name().to_string();
    let (info, frames) = decode(path);
    Inspected {
        frames,
        info,
        duration: found.duration().unwrap(),
        framerate: video.framerate(),
        orientation: video
            .tags()
            .and_then(|tags| Some(tags.get::<gst::tags::ImageOrientation>()?.get().to_owned())),
        audio: found
            .audio_streams()
            .iter()
            .map(|stream| name(stream.caps()))
            .collect(),
        subtitles: found.subtitle_streams().len(),
    }
}

fn decode(path: &Path) -> (gst_video::VideoInfo, Vec<Frame>) {
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin caps=video/x-raw(ANY) expose-all-streams=false ! \
         appsink name=frames sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let file = pipeline.by_name("file").unwrap();
    file.set_property("location", path.to_str().unwrap());
    let samples: Arc<Mutex<Vec<gst::Sample>>> = Arc::default();
    let sink = pipeline.by_name("frames").unwrap();
    sink.downcast::<gst_app::AppSink>().unwrap().set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample({
                let samples = Arc::clone(&samples);
                move |sink| {
                    samples.lock().unwrap().push(sink.pull_sample().unwrap());
                    Ok(gst::FlowSuccess::Ok)
                }
            })
            .build(),
    );
    pipeline.set_state(gst::State::Playing).unwrap();
    samples::run(&pipeline);

    let samples = samples.lock().unwrap();
    let caps = samples.first().expect("no frame").caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(caps).unwrap();
    (info, samples.iter().map(Frame::new).collect())
}

impl Frame {
    fn new(sample: &gst::Sample) -> Self {
        let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let buffer = sample.buffer().unwrap();
        let segment = sample.segment().unwrap();
        let segment = segment.downcast_ref::<gst::ClockTime>().unwrap();
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
        let plane = |component: u32| {
            let width = frame.comp_width(component) as usize;
            let height = frame.comp_height(component) as usize;
            let stride = frame.comp_stride(component) as usize;
            let step = frame.comp_pstride(component) as usize;
            let data = frame.comp_data(component).unwrap();
            (0..height)
                .flat_map(|y| (0..width).map(move |x| data[y * stride + x * step]))
                .collect()
        };
        Self {
            time: segment.to_running_time(buffer.pts().unwrap()).unwrap(),
            planes: [plane(0), plane(1), plane(2)],
        }
    }

    /// Mean absolute difference to another frame of the same size, for each plane, in levels.
    pub fn difference(&self, other: &Self) -> [f64; 3] {
        std::array::from_fn(|plane| {
            let (a, b) = (&self.planes[plane], &other.planes[plane]);
            assert_eq!(a.len(), b.len(), "frames of different sizes");
            let sum: u64 = a
                .iter()
                .zip(b)
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum();
            sum as f64 / a.len() as f64
        })
    }
}

/// That two lists of frames have the same times, as well as containers store them.
pub fn assert_same_times(a: &[Frame], b: &[Frame]) {
    // Matroska counts milliseconds.
    let tolerance = gst::ClockTime::from_mseconds(1);
    assert_eq!(a.len(), b.len(), "not as many frames");
    let offset = |frames: &[Frame], index: usize| frames[index].time - frames[0].time;
    for index in 0..a.len() {
        let (a, b) = (offset(a, index), offset(b, index));
        let apart = a.max(b) - a.min(b);
        assert!(apart <= tolerance, "frame {index} moved from {a} to {b}");
    }
}
