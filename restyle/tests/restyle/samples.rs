//! Files to restyle, made with GStreamer.

use std::path::{Path, PathBuf};

use gst::prelude::*;
use tempfile::TempDir;

/// A folder for the files of a test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        gst::init().unwrap();
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of everything in it, hidden files too.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Makes a file with a pipeline whose last element is left out: it is the file.
    ///
    /// `None`, with a word about it, when an element is not installed.
    pub fn make(&self, name: &str, pipeline: &str) -> Option<PathBuf> {
        self.make_with(name, pipeline, |_| {})
    }

    /// As [`Folder::make`]; `feed` may push buffers into the pipeline's sources.
    pub fn make_with(
        &self,
        name: &str,
        pipeline: &str,
        feed: impl FnOnce(&gst::Pipeline),
    ) -> Option<PathBuf> {
        let path = self.path(name);
        let description = format!("{pipeline} ! filesink name=file");
        let pipeline = match gst::parse::launch(&description) {
            Ok(pipeline) => pipeline.downcast::<gst::Pipeline>().unwrap(),
            Err(error) if error.matches(gst::ParseError::NoSuchElement) => {
                println!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}: {description}"),
        };
        let file = pipeline.by_name("file").unwrap();
        file.set_property("location", path.to_str().unwrap());
        pipeline.set_state(gst::State::Playing).unwrap();
        feed(&pipeline);
        run(&pipeline);
        Some(path)
    }
}

/// Runs a pipeline to its end.
pub fn run(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &kinds);
    let problem = match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => None,
        Some(gst::MessageView::Error(error)) => {
            Some(format!("{} ({:?})", error.error(), error.debug()))
        }
        _ => Some("a sample's pipeline hangs".to_owned()),
    };
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(problem, None);
}

/// Pushes data with times in milliseconds into a source, and its end.
pub fn push(pipeline: &gst::Pipeline, source: &str, data: &[(u64, u64, Vec<u8>)]) {
    let source = pipeline.by_name(source).unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    for (start, duration, bytes) in data {
        let mut buffer = gst::Buffer::from_slice(bytes.clone());
        let meta = buffer.get_mut().unwrap();
        meta.set_pts(gst::ClockTime::from_mseconds(*start));
        meta.set_duration(gst::ClockTime::from_mseconds(*duration));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
}

/// A test picture as a source of `frames` frames, `caps` such as `width=64,height=48`.
pub fn bars(frames: u32, caps: &str) -> String {
    format!("videotestsrc pattern=smpte num-buffers={frames} ! video/x-raw,format=I420,{caps}")
}

/// The start of a pipeline with H.264 and, at `mux`, the muxer.
pub fn h264(frames: u32, caps: &str, mux: &str) -> String {
    let bars = bars(frames, caps);
    format!("{bars} ! x264enc pass=qual quantizer=10 ! video/x-h264,profile=high ! {mux} name=mux")
}

/// A second of sound at 48 kHz, into `mux`, encoded by `encoder`.
pub fn tone(encoder: &str) -> String {
    format!(
        "audiotestsrc num-buffers=47 samplesperbuffer=1024 ! \
         audio/x-raw,rate=48000,channels=2 ! {encoder} ! mux."
    )
}

/// H.264 of 64x48 and AAC, a second at 24 frames a second.
pub fn film(folder: &Folder) -> Option<PathBuf> {
    let sound = tone("audioconvert ! avenc_aac");
    let video = h264(24, "width=64,height=48,framerate=24/1", "mp4mux");
    folder.make("film.mp4", &format!("{sound} {video}"))
}

/// A file that exists with these bytes.
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}
